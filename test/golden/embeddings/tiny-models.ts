import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { GPT4ALL_NAMES, PAIR } from '../../support/embedding-goldens.ts'
import { TINY_ENCODERS, type TinyEncoder, tinyEncoder, tinyPooling } from '../../support/tiny-encoders.ts'

/** Writes the tiny encoders into a folder, and one more for each name that GPT4All is asked for. */
export function writeTinyModels(folder: string) {
  const encoders = Object.keys(TINY_ENCODERS) as TinyEncoder[]
  for (const name of encoders) writeFileSync(join(folder, `${name}.gguf`), tinyEncoder(name))
  for (const [i, title] of GPT4ALL_NAMES.entries())
    writeFileSync(join(folder, `gpt4all-${i}.gguf`), tinyEncoder('nomic-bert', title))
  return {
    names: GPT4ALL_NAMES,
    encoders: encoders.map((name) => ({ name, pooling: tinyPooling(name) })),
    pair: PAIR,
  }
}
