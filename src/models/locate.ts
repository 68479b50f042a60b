import { access, readdir } from 'node:fs/promises'
import { homedir } from 'node:os'
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { codeOf, ModelError, optionError } from '../core/errors.ts'
import { assertRegular } from '../core/regular-file.ts'
import { type HubName, isHubName, localName, parseHubName, titleOf } from './hub/name.ts'
import { convertedFile, partEnding, partName, wrongWithName } from './names.ts'

/** The default folder of models, also used by the GPT4All Python package: `~/.cache/gpt4all`. */
export function defaultModelPath(): string {
  let home = ''
  try {
    home = homedir()
  } catch {
    // a user that the system does not know
  }
  if (!isAbsolute(home)) throw optionError('modelPath', 'a folder, as there is no home folder', undefined)
  return join(home, '.cache', 'gpt4all')
}

/** Where a model may be: the name as given, and with `.gguf` if that was missing. */
export type ModelLocation = {
  readonly asGiven: string
  readonly withExtension: string
  /** Whether a name was given, not a path: a catalog may know it. */
  readonly isName: boolean
  /** What a name of Hugging Face asks for; the paths are then where a file of exactly that name would be. */
  readonly hub?: HubName
}

/**
 * The file that `name` means. With `modelPath` it is a name within that folder and cannot leave it. Without,
 * a plain name is in the default folder, and anything with a separator is a path of its own. `.gguf` is
 * appended unless the name ends in `.gguf` or `.bin`, as in Python. A leading `~/` is the home folder; a
 * `file:` URL is its path. `hf:owner/repo:quant` is a file that was or will be downloaded into the folder.
 * @throws {TypeError} `ERR_OPTION` if the name is empty, contains a NUL, is a web address, leaves
 * `modelPath`, or is not a valid file name on every system (longer than 240 bytes, `con`, `nul.gguf`,
 * `model.gguf:hidden`); the error names `option`
 */
export function locateModel(name: string, modelPath: string | undefined, option = 'name'): ModelLocation {
  if (typeof name !== 'string' || name === '' || name.includes('\0')) {
    throw optionError(option, 'the name or path of a model', name)
  }
  if (/^file:\/\//i.test(name)) return locateModel(fromUrl(name, option), modelPath, option)
  if (/^[a-z][a-z\d+.-]+:\/\//i.test(name)) {
    throw optionError(
      option,
      'the name or path of a model (hf:owner/repo for one of Hugging Face; URLs go to GPT4All.downloadModel())',
      name,
    )
  }
  if (isHubName(name)) return locateFromHub(parseHubName(name, option), modelPath)
  const asGiven = resolveName(withHome(name), modelPath, option)
  const withExtension = /\.(gguf|bin)$/i.test(asGiven) ? asGiven : `${asGiven}.gguf`
  return { asGiven, withExtension, isName: !/[\\/]/.test(name) }
}

function locateFromHub(hub: HubName, modelPath: string | undefined): ModelLocation {
  const file = join(modelsFolder(modelPath), localName(hub, hub.file ?? `${hub.quant ?? 'model'}.gguf`))
  return { asGiven: file, withExtension: file, isName: true, hub }
}

/** What to call a model while its file is found, downloaded and opened. */
export function titleOfModel({ hub, withExtension }: ModelLocation): string {
  return hub ? titleOf(hub) : basename(withExtension)
}

function fromUrl(url: string, option: string): string {
  try {
    return fileURLToPath(url)
  } catch {
    throw optionError(option, 'the name, path or file: URL of a model', url)
  }
}

/** Shells expand `~/`; a path in a program or a configuration file still has it. */
function withHome(path: string): string {
  return /^~([\\/]|$)/.test(path) ? join(homedir(), path.slice(2)) : path
}

/** The folder that `modelPath` names, or the default one. */
export function modelsFolder(modelPath: string | undefined, option = 'modelPath'): string {
  if (modelPath?.includes('\0')) throw optionError(option, 'the path of a folder', modelPath)
  return resolve(modelPath === undefined ? defaultModelPath() : withHome(modelPath))
}

function resolveName(name: string, modelPath: string | undefined, option: string): string {
  if (modelPath === undefined && (isAbsolute(name) || /[\\/]/.test(name))) return resolve(name)
  const folder = modelsFolder(modelPath)
  const path = resolve(folder, name)
  const inside = relative(folder, path)
  if (inside === '' || inside === '..' || inside.startsWith(`..${sep}`) || isAbsolute(inside)) {
    throw optionError(option, `a name within ${folder} (pass other paths without modelPath)`, name)
  }
  for (const part of inside.split(sep)) {
    const wrong = wrongWithName(part)
    if (!wrong) continue
    const why = part === name ? `which ${wrong}` : `where ${JSON.stringify(part.slice(0, 40))} ${wrong}`
    throw optionError(option, 'the name of a file', name, why)
  }
  return path
}

const ABSENT = ['ENOENT', 'ENOTDIR', 'ENAMETOOLONG']

/**
 * The file that exists: first the name as given, because not every model file has an extension; then with an
 * extension, the GGUF made from an old `.bin`, the first part of a split model, and a name in other letter
 * case.
 */
export async function findOnDisk({ asGiven, withExtension }: ModelLocation): Promise<string | undefined> {
  const old = /\.(gguf|bin)$/i.test(asGiven) ? asGiven : `${asGiven}.bin`
  for (const path of new Set([asGiven, withExtension, old, convertedFile(old)]))
    if (await exists(path)) return firstPart(path)
  return (await splitModel(withExtension)) ?? sameButForCase(withExtension)
}

/** A model may be requested in another letter case than it was downloaded in. */
async function sameButForCase(path: string): Promise<string | undefined> {
  const names = await readdir(dirname(path)).catch(() => [])
  const wanted = basename(path).toLowerCase()
  const [found, ...more] = names.filter((name) => name.toLowerCase() === wanted)
  return found !== undefined && more.length === 0 ? join(dirname(path), found) : undefined
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    (error: unknown) => !ABSENT.includes(codeOf(error) ?? ''),
  )
}

/** For any part of a split model, the first one, which is the one to open. */
async function firstPart(path: string): Promise<string> {
  const named = partName(path)
  if (named === undefined || named.part === 1) return path
  const first = named.model + partEnding(1, named.parts)
  return (await exists(first)) ? first : path
}

/** The first part of the only split model that is called `name.gguf`, apart from its numbers. */
async function splitModel(path: string): Promise<string | undefined> {
  const model = basename(path).replace(/\.gguf$/, '')
  const names = await readdir(dirname(path)).catch(() => [])
  const [first, ...more] = names.filter((name) => {
    const named = partName(name)
    return named?.part === 1 && named.model === model
  })
  return first !== undefined && more.length === 0 ? join(dirname(path), first) : undefined
}

/** @throws {ModelError} `ERR_MODEL_UNREADABLE` if `path` is not a file, or cannot be examined */
export async function assertFile(path: string): Promise<void> {
  await assertRegular(
    path,
    (why, cause) => new ModelError('ERR_MODEL_UNREADABLE', `${path} ${why}.`, path, { cause }),
  )
}

/** The error for a model that is not there, with what to do about it. */
export function missing({ withExtension, hub }: ModelLocation, advice: string, cause?: unknown): ModelError {
  const what = hub
    ? `${hub.name} is not in ${dirname(withExtension)}`
    : `There is no model file at ${withExtension}`
  const message = `${what}. ${advice}`
  return new ModelError('ERR_MODEL_NOT_FOUND', message, withExtension, { cause })
}
