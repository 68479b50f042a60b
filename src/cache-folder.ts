import { mkdir } from 'node:fs/promises'
import { homedir } from 'node:os'
import { isAbsolute, join } from 'node:path'

/** Where the library keeps what it can do without: `~/.cache/gpt4all-ts`; `undefined` where there is no home folder. */
export function cacheFolder(): string | undefined {
  let home: string
  try {
    home = homedir()
  } catch {
    return undefined // a user without an entry in the system's list
  }
  return isAbsolute(home) ? join(home, '.cache', 'gpt4all-ts') : undefined
}

/**
 * Makes a folder below the cache folder. Step by step: `mkdir()` with `recursive` never ends where a parent can have no
 * children, as in `/proc`.
 */
export async function makeCacheFolder(name: string): Promise<string> {
  const folder = cacheFolder()
  if (folder === undefined) throw new Error('there is no home folder')
  for (const path of [join(folder, '..'), folder, join(folder, name)]) {
    await mkdir(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error
    })
  }
  return join(folder, name)
}
