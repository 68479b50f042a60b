import { createHash, type Hash } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import { ModelError } from '../../core/errors.ts'
import { Meter, type Progress } from '../../core/progress.ts'
import type { RegularFile } from '../../core/regular-file.ts'
import { openFile } from '../gguf/bytes.ts'

/** Identifies a file's content; `digest` is hexadecimal, in lower case. */
export type Checksum = { readonly algorithm: 'md5' | 'sha256'; readonly digest: string }

const BLOCK = 2 ** 20

/** The checksums of a catalog's entry. */
type Sums = { readonly md5sum?: string | undefined; readonly sha256sum?: string | undefined }

/** The stronger of the entry's checksums. */
export function checksumOf({ md5sum, sha256sum }: Sums): Checksum | undefined {
  if (sha256sum) return { algorithm: 'sha256', digest: sha256sum.toLowerCase() }
  return md5sum ? { algorithm: 'md5', digest: md5sum.toLowerCase() } : undefined
}

type HashOptions = {
  readonly signal: AbortSignal
  readonly onProgress: ((progress: Progress) => void) | undefined
}

/**
 * Adds the whole file, of `size` bytes, to `hash`; resolves with its length. Progress has the phase `verify`.
 */
export async function hashFile(
  file: Pick<FileHandle | RegularFile, 'read'>,
  size: number,
  hash: Hash,
  { signal, onProgress }: HashOptions,
): Promise<number> {
  const meter = new Meter('verify', onProgress)
  const block = Buffer.allocUnsafeSlow(BLOCK) // one for all reads: many would wait for the garbage collector
  for (let bytes = 0; ; ) {
    signal.throwIfAborted()
    const { bytesRead } = await file.read(block, 0, BLOCK, bytes)
    if (bytesRead === 0) return bytes
    hash.update(block.subarray(0, bytesRead))
    bytes += bytesRead
    meter.report(bytes, size)
  }
}

/**
 * Reads the whole file and compares it with `checksum`.
 * @throws {ModelError} `ERR_CHECKSUM` if it is another file, `ERR_MODEL_UNREADABLE`, `ERR_MODEL_NOT_FOUND`
 */
export async function verifyFile(path: string, checksum: Checksum, reading: HashOptions): Promise<void> {
  const hash = createHash(checksum.algorithm)
  const file = await openFile(path)
  try {
    await hashFile(file, file.bytes, hash, reading)
  } finally {
    await file.close()
  }
  const digest = hash.digest('hex')
  if (digest === checksum.digest) return
  const message = `${path} is not the file that the catalog means: its ${checksum.algorithm} is ${digest} instead of ${checksum.digest}. Delete it, and it will be downloaded again.`
  throw new ModelError('ERR_CHECKSUM', message, path)
}
