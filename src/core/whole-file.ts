import { randomUUID } from 'node:crypto'
import { constants, type Stats } from 'node:fs'
import { copyFile, link, open, rename, rm, stat } from 'node:fs/promises'

/** A name that nothing has, in the folder of `file`. */
export const besides = (file: string): string => `${file}.${randomUUID()}`

type WholeFileOptions = {
  /** Permissions, which the process's mask narrows. @default those of the file that gives way, else 0o666 */
  readonly mode?: number
  /** Whether what lies there gives way; else the error is `EEXIST`. @default true */
  readonly replaces?: boolean
  /** Whether the disk is to have it when this is done. @default false */
  readonly isSynced?: boolean
  /** What it is called until it is whole. @default a name that nothing has */
  readonly making?: string
}

/**
 * Writes a file so that there is never half of it: beside it first, under a name that nobody else has, and then put in its
 * place. So nothing is written through a link that somebody has put there, nor into a device: a link gives way, as a file does,
 * and where something else lies, the error is `EEXIST`. Rejects with the system's errors.
 */
export async function writeWhole(
  file: string,
  pieces: readonly (string | Uint8Array)[],
  { mode, replaces = true, isSynced = false, making = besides(file) }: WholeFileOptions = {},
): Promise<void> {
  const before = await replaceable(file)
  try {
    const handle = await open(making, 'wx', mode ?? (before ? before.mode & 0o777 : 0o666))
    try {
      for (const piece of pieces) await handle.writeFile(piece)
      if (isSynced) await handle.sync()
    } finally {
      await handle.close()
    }
    if (replaces) await rename(making, file)
    else await nameNew(making, file)
  } finally {
    await rm(making, { force: true })
  }
}

/** What lies there, where it may give way: as root even a device would. */
async function replaceable(file: string): Promise<Stats | undefined> {
  const found: Stats | undefined = await stat(file).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  if (!found || found.isFile()) return found
  const what = found.isDirectory() ? 'a folder' : 'something that is no file'
  const code = found.isDirectory() ? 'EISDIR' : 'EEXIST'
  throw Object.assign(new Error(`${code}: ${what} has that name, '${file}'`), { code, path: file })
}

/** Where a file system knows no second names, a copy does. */
async function nameNew(making: string, file: string): Promise<void> {
  await link(making, file).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'EEXIST') throw error
    return copyFile(making, file, constants.COPYFILE_EXCL)
  })
}
