import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { ModelError } from '../../core/errors.ts'
import { gibibytes } from '../../core/sizes.ts'
import { storedEntry } from '../catalog/entry.ts'
import { fitting, type HubModel, isComplete, labelOf, modelsIn } from './choose.ts'
import { type HubName, prefixOf } from './name.ts'

/**
 * The files in `folder` of the model that a name means, in their order. Returns `undefined` if the folder has none of
 * them, lacks a part, or has parts of different commits.
 * @throws {ModelError} `ERR_MODEL_NOT_FOUND` if the name is good for several models there
 */
export async function findHubFiles(hub: HubName, folder: string): Promise<readonly string[] | undefined> {
  const model = await modelOnDisk(hub, folder)
  if (!model || !isComplete(model)) return undefined
  const paths = model.files.map(({ file }) => file)
  const revisions = await Promise.all(paths.map(async (file) => (await storedEntry(file))?.revision))
  // A download that was to replace all parts may have ended in between.
  return new Set(revisions).size > 1 ? undefined : paths
}

/** What is there of a model that `findHubFiles()` does not find, in a sentence; `undefined` if nothing is. */
export async function partsOnDisk(hub: HubName, folder: string): Promise<string | undefined> {
  const model = await modelOnDisk(hub, folder)
  if (!model) return undefined
  const { files, parts } = model
  return isComplete(model)
    ? 'Its parts are of different commits: a download of it was interrupted.'
    : `${files.length} of its ${parts} parts are there.`
}

type FileOnDisk = { readonly path: string; readonly file: string }

async function modelOnDisk(hub: HubName, folder: string): Promise<HubModel<FileOnDisk> | undefined> {
  const prefix = prefixOf(hub)
  const files = new Map<string, FileOnDisk>()
  for (const name of await readdir(folder).catch(() => [])) {
    if (!name.toLowerCase().startsWith(prefix.toLowerCase()) || !name.endsWith('.gguf')) continue
    const path = name.slice(prefix.length)
    // The repository may have been written in another letter case, and then in this one.
    if (!files.has(path) || name.startsWith(prefix)) files.set(path, { path, file: join(folder, name) })
  }
  const models = modelsIn([...files.values()])
  return theOnly(fitting(models, hub), models, hub, folder)
}

/** @throws {ModelError} `ERR_MODEL_NOT_FOUND` if there are several; `place` is where */
export function theOnly<File extends { readonly path: string; readonly size?: number | undefined }>(
  found: readonly HubModel<File>[],
  models: readonly HubModel<File>[],
  hub: HubName,
  place: string,
): HubModel<File> | undefined {
  if (found.length < 2) return found[0]
  const message = `${hub.name} is good for several models in ${place}: ${listed(found, models)}. Write more of the name, or the name of the file.`
  throw new ModelError('ERR_MODEL_NOT_FOUND', message, hub.name)
}

const MOST_LISTED = 20

/** The names of models, with their sizes, for messages. */
export function listed<File extends { readonly path: string; readonly size?: number | undefined }>(
  some: readonly HubModel<File>[],
  models: readonly HubModel<File>[],
): string {
  const names = some.slice(0, MOST_LISTED).map((model) => {
    const sizes = model.files.map(({ size }) => size)
    const total = sizes.reduce<number>((sum, size) => sum + (size ?? Number.NaN), 0)
    const label = labelOf(model, models)
    return Number.isNaN(total) ? label : `${label} (${gibibytes(total)})`
  })
  const more = some.length - names.length
  return names.join(', ') + (more > 0 ? ` and ${more} more` : '')
}
