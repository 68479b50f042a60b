import { planMemory } from '../../../src/loading/memory.ts'
import { describe } from '../../../src/models/describe.ts'
import { readGguf } from '../../../src/models/gguf/header.ts'
import { TINY_MODELS, type TinyModel, tinyModel } from '../../support/tiny-models.ts'
import { asFile, typedOnly } from '../target.ts'

/** Headers of GGUF files: the reader, the rules, and what is reckoned with what a file says. */
export const fuzz = (data: Buffer) =>
  typedOnly(async () => {
    const header = await readGguf(asFile('model.gguf', data))
    describe(header)
    planMemory(header, 512)
  })

export const seeds = () => Object.keys(TINY_MODELS).map((name) => tinyModel(name as TinyModel))
