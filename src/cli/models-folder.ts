import { existsSync } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { defaultModelPath } from '../index.ts'

const EMBEDDED = 'gpt4all-ts-tiny-chat.Q8_0.gguf'

/** A model on the disk. */
export type LocalModel = {
  readonly name: string
  readonly path: string
  readonly bytes: number
  readonly changed: Date
}

/** The GGUF files of a folder, and what GPT4All wrote before, by name. */
export async function localModels(modelPath = defaultModelPath()): Promise<LocalModel[]> {
  const names = await readdir(modelPath).catch(() => [])
  const files = names.filter((name) => /\.(gguf|bin)$/.test(name)).sort()
  const found = await Promise.all(
    files.map(async (name) => {
      const path = resolve(modelPath, name)
      const about = await stat(path).catch(() => undefined)
      return about?.isFile() ? [{ name, path, bytes: about.size, changed: about.mtime }] : []
    }),
  )
  return found.flat()
}

/** The embedded model of this package: src/cli and dist lie at different depths. */
export function embeddedModel(): string {
  const places = ['..', join('..', '..')].map((up) => join(import.meta.dirname, up, 'models', EMBEDDED))
  return places.find(existsSync) ?? places[0]!
}

/** Where the library finds it: a path that leads to something is that file, whatever the folder of the models. */
export function placeOf(
  name: string,
  modelPath?: string,
): { readonly name: string; readonly modelPath: string | undefined } {
  const isPath = /[\\/]/.test(name) && existsSync(name)
  return isPath ? { name: resolve(name), modelPath: undefined } : { name: named(name, modelPath), modelPath }
}

/** A plain name of a file that lies here is that file, unless the models folder has one of that name. */
export function named(name: string, modelPath = defaultModelPath()): string {
  const lies = (folder: string) => [name, `${name}.gguf`].map((one) => join(folder, one)).find(existsSync)
  const here = /[\\/]/.test(name) || lies(modelPath) ? undefined : lies(process.cwd())
  return here ?? name
}
