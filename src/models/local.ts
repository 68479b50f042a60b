import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { codeOf, ModelError, messageOf } from '../core/errors.ts'
import { string } from '../options/checks.ts'
import { describe, type ModelDescription } from './describe.ts'
import { openFile } from './gguf/bytes.ts'
import { readGguf } from './gguf/header.ts'
import { isOldMagic } from './gguf/old-magics.ts'
import { locateModel, modelsFolder } from './locate.ts'
import { partName } from './names.ts'
import { findModel, missingModel } from './obtain.ts'
import {
  DESCRIBE,
  type DescribeModelOptions,
  LOCAL,
  type LocalModelInfo,
  type LocalModelsOptions,
  withLogger,
} from './options.ts'

/** See `GPT4All.describeModel()`. */
export async function describeModel(name: string, options?: DescribeModelOptions): Promise<ModelDescription> {
  const { modelPath, signal, logger } = withLogger(DESCRIBE.resolve(options))
  const location = locateModel(name, modelPath)
  const path = await findModel(location, logger)
  if (path === undefined) throw await missingModel(location, 'Only a model on the disk can be described.')
  return describe(await readGguf(path, { signal }))
}

/** Not described; its only `problem` may be that its first part is missing. */
type UndescribedModel = LocalModelInfo & { readonly description: undefined }

/** See `GPT4All.localModels()`. */
export async function localModels(folder?: string, options?: LocalModelsOptions): Promise<LocalModelInfo[]> {
  const { describe: isDescribed, signal } = LOCAL.resolve(options)
  const path = modelsFolder(string('folder', folder), 'folder')
  signal.throwIfAborted()
  const models = await filesByModel(path)
  const found: LocalModelInfo[] = []
  // One after the other: each takes a file handle and a buffer.
  for (const model of models)
    found.push({ ...model, ...(isDescribed && !model.problem ? await lookInto(model.path, signal) : {}) })
  return found
}

async function filesByModel(folder: string): Promise<UndescribedModel[]> {
  const models = new Map<string, UndescribedModel>()
  for (const name of (await namesIn(folder)).sort()) {
    if (!/\.(gguf|bin)$/.test(name)) continue
    const path = join(folder, name)
    const found = await stat(path).catch(() => undefined) // a broken link, or deleted meanwhile
    if (!found?.isFile()) continue
    const part = partName(name)
    const key = part ? join(part.model, String(part.parts)) : name
    const { files, filesize, modified, ...first } = models.get(key) ?? {
      ...UNSEEN,
      ...(part && part.part !== 1 && { problem: withoutFirst(path) }),
      name: part?.model ?? name.replace(/\.(gguf|bin)$/, ''),
      filename: name,
      path,
      files: [],
      filesize: 0,
      modified: found.mtime,
    }
    models.set(key, {
      ...first,
      files: [...files, path],
      filesize: filesize + found.size,
      modified: new Date(Math.max(found.mtime.getTime(), modified.getTime())),
    })
  }
  return [...models.values()]
}

function withoutFirst(path: string): ModelError {
  const message = `${path} is a part of a split model whose first part is missing.`
  return new ModelError('ERR_MODEL_NOT_FOUND', message, path)
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder)
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT') return []
    throw new ModelError('ERR_MODEL_UNREADABLE', `${folder} cannot be read: ${messageOf(cause)}.`, folder, {
      cause,
    })
  }
}

type HeaderFinding = Pick<LocalModelInfo, 'description' | 'problem'>

const UNSEEN = { description: undefined, problem: undefined }

async function lookInto(path: string, signal: AbortSignal): Promise<HeaderFinding> {
  try {
    if (await isOld(path)) return UNSEEN
    return { ...UNSEEN, description: describe(await readGguf(path, { signal })) }
  } catch (error) {
    signal.throwIfAborted()
    if (error instanceof ModelError) return { ...UNSEEN, problem: error }
    throw error
  }
}

/** Many programs call their files `.bin`, so their first bytes decide. */
async function isOld(path: string): Promise<boolean> {
  const file = await openFile(path)
  try {
    const magic = Buffer.alloc(4)
    const length = await file.fill(magic, 0)
    return isOldMagic(magic.toString('latin1', 0, length))
  } finally {
    await file.close()
  }
}
