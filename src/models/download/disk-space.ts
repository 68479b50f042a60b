import { statfs } from 'node:fs/promises'
import { dirname } from 'node:path'
import { codeOf } from '../../core/errors.ts'

/** Bytes to leave free on the disk. */
const SPARE = 16 * 2 ** 20
/** The disk or a quota is full, or the process has reached its limit. */
const NO_ROOM = ['ENOSPC', 'EDQUOT', 'EFBIG']

/** How many bytes are missing on the disk of `file` for `bytes` more; 0 if they fit. */
export async function missingSpace(file: string, bytes: number): Promise<number> {
  const { bavail, bsize } = await statfs(dirname(file))
  return Math.max(0, bytes + SPARE - bavail * bsize)
}

/** Whether a write failed because there is no room. */
export function isFull(error: unknown): boolean {
  return NO_ROOM.includes(codeOf(error) ?? '')
}

/** What the system's codes mean for a file that is to be written. */
export const WRITE_FAILURES: Readonly<Record<string, string>> = {
  EACCES: 'there is no permission to write there',
  EPERM: 'there is no permission to write there',
  EROFS: 'that disk is read-only',
  EISDIR: 'a folder has that name',
  EEXIST: 'its folder is a file',
  ENOTDIR: 'its folder is a file',
  ENOENT: 'its folder cannot be made',
  ENAMETOOLONG: 'the name is too long',
  ECOMPROMISED: 'this process was suspended, and another has taken over',
}
