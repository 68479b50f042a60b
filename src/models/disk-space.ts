import { statfs } from 'node:fs/promises'
import { dirname } from 'node:path'

/** Left free on the disk. */
const SPARE = 16 * 2 ** 20
/** The disk, a quota, or the limit of a process. */
const NO_ROOM = ['ENOSPC', 'EDQUOT', 'EFBIG']

/** How many bytes are missing on the disk of `file` for `bytes` more; 0 where they fit. */
export async function missingSpace(file: string, bytes: number): Promise<number> {
  const { bavail, bsize } = await statfs(dirname(file))
  return Math.max(0, bytes + SPARE - bavail * bsize)
}

/** Whether a write failed because there is no room. */
export function isFull(error: unknown): boolean {
  return NO_ROOM.includes((error as NodeJS.ErrnoException).code ?? '')
}
