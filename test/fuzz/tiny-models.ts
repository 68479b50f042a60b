import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { TINY_MODELS, type TinyModel, tinyModel } from '../support/tiny-models.ts'

/** Writes the tiny models into a folder, for the targets in C++. */
const [, , folder = ''] = process.argv
for (const name of Object.keys(TINY_MODELS))
  writeFileSync(join(folder, `${name}.gguf`), tinyModel(name as TinyModel))
