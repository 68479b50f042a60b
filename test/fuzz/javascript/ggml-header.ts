import { readGgml } from '../../../src/models/ggml/reader.ts'
import { type OldModel, oldModel } from '../../support/ggml-writer.ts'
import { asFile, typedOnly } from '../target.ts'

/** Files from before GGUF. */
export const fuzz = (data: Buffer) =>
  typedOnly(() => readGgml(asFile('model.bin', data), new AbortController().signal))

const MODELS: readonly OldModel[] = [
  { magic: 'ggml', type: 'F16', fileType: 1 },
  { magic: 'ggmf', version: 1, type: 'F32', fileType: 0 },
  { magic: 'ggjt', version: 1, type: 'F16', fileType: 1 },
  { magic: 'ggjt', version: 3, type: 'Q4_0', fileType: 2, kvHeads: 2 },
]

export const seeds = () => MODELS.map(oldModel)
