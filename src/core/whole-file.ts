import { randomUUID } from 'node:crypto'
import { constants, type Stats } from 'node:fs'
import { copyFile, link, open, rename, rm, stat } from 'node:fs/promises'

/** An unused name in the folder of `file`. */
export const besides = (file: string): string => `${file}.${randomUUID()}`

type WholeFileOptions = {
  /** Permissions, which the process's mask narrows. @default those of the replaced file, else 0o666 */
  readonly mode?: number
  /** Whether an existing file is replaced; if not, the error is `EEXIST`. @default true */
  readonly replaces?: boolean
  /** Whether to wait until the file is on the disk. @default false */
  readonly isSynced?: boolean
  /** Its name until it is whole. @default an unused name */
  readonly making?: string
}

/**
 * Writes a file so that there is never half of it: first beside it, under a unique name, and then moved into
 * its place. So nothing is written through a link that was put there, nor into a device: a link to a file is
 * replaced like a file, and for anything else the error is `EISDIR` or `EEXIST`. Rejects with the system's
 * errors.
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

/** The existing file, if it may be replaced: as root even a device could be. */
async function replaceable(file: string): Promise<Stats | undefined> {
  const found: Stats | undefined = await stat(file).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  if (!found || found.isFile()) return found
  const what = found.isDirectory() ? 'a folder' : 'something that is not a file'
  const code = found.isDirectory() ? 'EISDIR' : 'EEXIST'
  throw Object.assign(new Error(`${code}: ${what} has that name, '${file}'`), { code, path: file })
}

/** Links the new name, or copies the file if the file system has no hard links. */
async function nameNew(making: string, file: string): Promise<void> {
  await link(making, file).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'EEXIST') throw error
    return copyFile(making, file, constants.COPYFILE_EXCL)
  })
}
