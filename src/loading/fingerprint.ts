import { createHash } from 'node:crypto'
import { openFile } from '../models/gguf/bytes.ts'

const WINDOW = 2 ** 16
const WINDOWS = 64

/**
 * What tells these files from others, as SHA-256: their sizes, and 64 pieces of 64 KiB of each, its beginning and end among
 * them. To read all of a model would take longer than to load it.
 */
export async function fingerprintOf(files: readonly { readonly path: string; readonly bytes: number }[]) {
  const hash = createHash('sha256')
  const window = Buffer.allocUnsafe(WINDOW)
  for (const { path, bytes } of files) {
    hash.update(`${bytes};`)
    const file = await openFile(path)
    try {
      const last = Math.max(0, bytes - WINDOW)
      for (let i = 0; i < WINDOWS; i++) {
        const { bytesRead } = await file.read(window, 0, WINDOW, Math.floor((last * i) / (WINDOWS - 1)))
        hash.update(window.subarray(0, bytesRead))
      }
    } finally {
      await file.close()
    }
  }
  return hash.digest('hex')
}
