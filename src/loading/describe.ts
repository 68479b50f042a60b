import { basename } from 'node:path'
import type { GgufHeader, GgufTensor } from '../models/gguf/header.ts'
import { metaNumber } from './memory-shape.ts'

/** What a model's file says of itself; nothing is loaded. */
export type ModelDescription = {
  readonly filename: string
  readonly path: string
  /** Bytes of the file, or of all files of a split model. */
  readonly filesize: number
  /** `general.name` of the GGUF; the file's name where it has none. */
  readonly name: string
  /** e.g. `llama` */
  readonly architecture: string
  /** What most of its weights are kept as, e.g. `Q4_0`. */
  readonly quantization: string
  /** Number of weights. */
  readonly parameters: number
  /** Tokens of context the model was trained with; `undefined` where it does not say. */
  readonly trainedContextSize: number | undefined
  readonly vocabularySize: number
  /** Jinja source; `undefined` where it has none. */
  readonly chatTemplate: string | undefined
}

export function describe(header: GgufHeader): ModelDescription {
  const { path, fileBytes, architecture, metadata, tensors, tokenCount } = header
  const text = (key: string) => {
    const entry = metadata.get(key)
    return entry?.type === 'string' ? String(entry.value) : undefined
  }
  return {
    filename: basename(path),
    path,
    filesize: fileBytes,
    name: text('general.name') ?? basename(path),
    architecture,
    quantization: mostUsed(tensors),
    parameters: tensors.reduce(
      (sum, { shape }) => sum + shape.reduce((product, size) => product * size, 1),
      0,
    ),
    trainedContextSize: metaNumber(header, 'context_length'),
    vocabularySize: tokenCount,
    chatTemplate: text('tokenizer.chat_template'),
  }
}

function mostUsed(tensors: readonly GgufTensor[]): string {
  const bytes = new Map<string, number>()
  for (const tensor of tensors) bytes.set(tensor.type, (bytes.get(tensor.type) ?? 0) + tensor.bytes)
  const [[type] = ['']] = [...bytes].sort(([, one], [, other]) => other - one)
  return type
}
