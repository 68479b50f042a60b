import { access, stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import { isAbsolute, join, relative, resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ModelError, optionError } from '../errors.ts'

/** The folder that the GPT4All Python package and this library share: `~/.cache/gpt4all`. */
export function defaultModelPath(): string {
  return join(homedir(), '.cache', 'gpt4all')
}

/** Where a model may lie: the name as it was given, and with `.gguf` where that was missing. */
export type ModelLocation = {
  readonly asGiven: string
  readonly withExtension: string
  /** It was named, not given as a path: a catalog may know it. */
  readonly isName: boolean
}

/**
 * The file that `name` means. With `modelPath` it is a name within that folder and cannot leave it. Without, a
 * plain name lies in the default folder, and anything with a separator is a path of its own. `.gguf` is appended
 * unless the name ends in `.gguf` or `.bin`, as in Python. A leading `~/` is the home folder; a `file:` URL is
 * its path.
 * @throws {TypeError} `ERR_OPTION` when the name is empty, holds a NUL, is a web address, or leaves `modelPath`
 */
export function locateModel(name: string, modelPath: string | undefined): ModelLocation {
  if (typeof name !== 'string' || name === '' || name.includes('\0')) {
    throw optionError('name', 'the name or path of a model', name)
  }
  if (/^file:\/\//i.test(name)) return locateModel(fromUrl(name), undefined)
  if (/^[a-z][a-z\d+.-]+:\/\//i.test(name)) {
    throw optionError('name', 'the name or path of a model (addresses go to GPT4All.downloadModel())', name)
  }
  const asGiven = resolveName(withHome(name), modelPath && withHome(modelPath))
  const withExtension = /\.(gguf|bin)$/i.test(asGiven) ? asGiven : `${asGiven}.gguf`
  return { asGiven, withExtension, isName: !/[\\/]/.test(name) }
}

function fromUrl(url: string): string {
  try {
    return fileURLToPath(url)
  } catch {
    throw optionError('name', 'the name, path or file: URL of a model', url)
  }
}

/** A shell writes out `~/`; a path in a program or a configuration file still has it. */
function withHome(path: string): string {
  return /^~[\\/]/.test(path) ? join(homedir(), path.slice(2)) : path
}

function resolveName(name: string, modelPath: string | undefined): string {
  if (isAbsolute(name)) return name
  if (modelPath === undefined && /[\\/]/.test(name)) return resolve(name)
  const folder = resolve(modelPath ?? defaultModelPath())
  const path = resolve(folder, name)
  const inside = relative(folder, path)
  if (inside === '' || inside === '..' || inside.startsWith(`..${sep}`) || isAbsolute(inside)) {
    throw optionError('name', `a name within ${folder}`, name)
  }
  return path
}

const ABSENT = ['ENOENT', 'ENOTDIR', 'ENAMETOOLONG']

/** The one of both that exists, as it was given first: not every model file has an extension. */
export async function findOnDisk({ asGiven, withExtension }: ModelLocation): Promise<string | undefined> {
  for (const path of new Set([asGiven, withExtension])) {
    const isMissing = await access(path).then(
      () => false,
      (error: NodeJS.ErrnoException) => ABSENT.includes(error.code ?? ''),
    )
    if (!isMissing) return path
  }
  return undefined
}

/** @throws {ModelError} `ERR_MODEL_UNREADABLE` when `path` is a folder, or cannot be looked at */
export async function assertFile(path: string): Promise<void> {
  const why = await stat(path).then(
    (found) => (found.isDirectory() ? 'is a directory, not a model file' : undefined),
    (error: NodeJS.ErrnoException) => `cannot be read: ${error.code ?? error.message}`,
  )
  if (why) throw new ModelError('ERR_MODEL_UNREADABLE', `${path} ${why}.`, path)
}

/** The error for a model that is not there, with what to do about it. */
export function missing({ withExtension }: ModelLocation, advice: string, cause?: unknown): ModelError {
  const message = `There is no model file at ${withExtension}. ${advice}`
  return new ModelError('ERR_MODEL_NOT_FOUND', message, withExtension, { cause })
}
