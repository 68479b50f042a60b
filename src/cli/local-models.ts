import { existsSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { defaultModelPath, GPT4All, type LocalModelInfo, ModelError } from '../index.ts'
import { isHubName } from '../models/hub/name.ts'

const EMBEDDED = 'gpt4all-ts-tiny-chat.Q8_0.gguf'

/**
 * The models of the folder that write text; if there are none, its first file: opening it reports what is wrong.
 */
export async function usable(modelPath: string | undefined): Promise<readonly LocalModelInfo[]> {
  const models = await GPT4All.localModels(modelPath)
  const fine = models.filter(
    ({ problem, description }) => problem === undefined && ['text', undefined].includes(description?.purpose),
  )
  return fine.length > 0 ? fine : models.slice(0, 1)
}

/**
 * The files of a model directly in the folder, found by path or by name, with or without extension: one file,
 * or all parts of a split model if no file has exactly that name.
 */
export async function filesOf(name: string, modelPath = defaultModelPath()): Promise<readonly string[]> {
  const local = await GPT4All.localModels(modelPath, { describe: false })
  const asked = isHubName(name)
    ? (await GPT4All.retrieveModel(name, { modelPath, allowDownload: false })).path
    : resolve(isPath(name) ? '' : modelPath, name)
  const hasFile = (file: string) => local.find(({ files }) => files.includes(file))
  const found =
    [asked, `${asked}.gguf`, `${asked}.bin`].map(hasFile).find((one) => one !== undefined) ??
    local.find((model) => join(dirname(model.path), model.name) === asked)
  if (!found)
    throw new ModelError('ERR_MODEL_NOT_FOUND', `There is no model "${name}" in ${modelPath}.`, name)
  return found.files
}

/** The embedded model of this package; src/cli and dist are at different depths. */
export function embeddedModel(): string {
  const places = ['..', join('..', '..')].map((up) => join(import.meta.dirname, up, 'models', EMBEDDED))
  return places.find(existsSync) ?? places[0]!
}

/** Whether a name has folders in it, as paths have; those of Hugging Face have a slash too. */
export const isPath = (name: string) => /[\\/]/.test(name) && !isHubName(name)

/** Where the library finds a model: a path that exists is that file, whatever the models folder. */
export function placeOf(
  name: string,
  modelPath?: string,
): { readonly name: string; readonly modelPath: string | undefined } {
  return isPath(name) && existsSync(name)
    ? { name: resolve(name), modelPath: undefined }
    : { name: named(name, modelPath), modelPath }
}

/**
 * A plain name of a file in the current folder is that file, unless the models folder has one of that name.
 */
export function named(name: string, modelPath = defaultModelPath()): string {
  const lies = (folder: string) => [name, `${name}.gguf`].map((one) => join(folder, one)).find(existsSync)
  const here = /[\\/]/.test(name) || lies(modelPath) ? undefined : lies(process.cwd())
  return here ?? name
}
