import { existsSync } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { defaultModelPath, GPT4All, ModelError } from '../index.ts'

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

/** Why a file cannot be used, where its header tells; files of the time before GGUF are not looked into. */
export async function problemOf({ path }: LocalModel): Promise<string | undefined> {
  if (path.endsWith('.bin')) return undefined
  return GPT4All.describeModel(path).then(
    () => undefined,
    (error: Error) => error.message,
  )
}

/** Models of the folder that can be used; where none can, the first: opening it tells what is wrong. */
export async function usable(modelPath: string | undefined): Promise<readonly LocalModel[]> {
  const models = await localModels(modelPath)
  const problems = await Promise.all(models.map(problemOf))
  const fine = models.filter((_, i) => problems[i] === undefined)
  return fine.length > 0 ? fine : models.slice(0, 1)
}

/** A part of a split model: its name, and in how many parts. */
const PART = /-\d{5}(-of-\d{5})\.gguf$/

/**
 * The files of a model that lies in the folder itself, by its name, with or without extension, or by its path: one, or all parts of
 * a split one where no file has that very name.
 */
export async function filesOf(name: string, modelPath = defaultModelPath()): Promise<readonly LocalModel[]> {
  const local = await localModels(modelPath)
  const asked = /[\\/]/.test(name) ? resolve(name) : resolve(modelPath, name)
  const whole = [asked, `${asked}.gguf`, `${asked}.bin`]
    .map((file) => local.find(({ path }) => path === file))
    .find((one) => one !== undefined)
  const found = whole ?? local.find(({ path }) => PART.test(path) && path.replace(PART, '') === asked)
  if (!found)
    throw new ModelError('ERR_MODEL_NOT_FOUND', `There is no model "${name}" in ${modelPath}.`, name)
  const withoutNumber = (path: string) => path.replace(PART, '$1')
  const isTogether = ({ path }: LocalModel) =>
    PART.test(path) && withoutNumber(path) === withoutNumber(found.path)
  return PART.test(found.path) ? local.filter(isTogether) : [found]
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
