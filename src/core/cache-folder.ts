import { mkdir, stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, isAbsolute, join } from 'node:path'
import { codeOf } from './errors.ts'

/**
 * The folder for what the library can do without: `~/.cache/gpt4all-ts`; `undefined` without a home folder.
 */
export function cacheFolder(): string | undefined {
  let home: string
  try {
    home = homedir()
  } catch {
    return undefined // a user that the system does not know
  }
  return isAbsolute(home) ? join(home, '.cache', 'gpt4all-ts') : undefined
}

/** Makes a folder below the cache folder. */
export async function makeCacheFolder(name: string): Promise<string> {
  const folder = cacheFolder()
  if (folder === undefined) throw new Error('there is no home folder')
  await makeFolder(join(folder, name))
  return join(folder, name)
}

/**
 * Makes a folder and its parents, step by step: `mkdir()` with `recursive` never ends if a parent cannot have
 * children, as in `/proc`.
 */
export async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path)
  } catch (error) {
    if (codeOf(error) === 'ENOENT' && dirname(path) !== path) {
      await makeFolder(dirname(path))
      await mkdir(path).catch(unlessFolder(path))
    } else await unlessFolder(path)(error)
  }
}

function unlessFolder(path: string): (error: unknown) => Promise<void> {
  return async (error) => {
    const isFolder = await stat(path).then(
      (found) => found.isDirectory(),
      () => false,
    )
    if (!isFolder) throw error
  }
}
