import { dirname, join } from 'node:path'
import { withFileSync } from '../core/regular-file.ts'

/** Version of this library, as in its package.json. */
export const VERSION = '0.1.0'

/** The folder of our own package.json above `from`: src/native and dist are at different depths. */
export function ownFolder(from: string): string | undefined {
  for (let folder = from; ; folder = dirname(folder)) {
    if (isOurs(join(folder, 'package.json'))) return folder
    if (dirname(folder) === folder) return undefined
  }
}

/** Our package.json is shorter. */
const MOST_BYTES = 2 ** 16

// Folders above may belong to other users.
function isOurs(path: string): boolean {
  try {
    const text = withFileSync(
      path,
      (why) => new Error(why),
      (read) => {
        const bytes = Buffer.alloc(MOST_BYTES)
        return bytes.toString('utf8', 0, read(bytes))
      },
    )
    return (JSON.parse(text) as { name?: unknown }).name === 'gpt4all-ts'
  } catch {
    return false
  }
}

/**
 * Inside an Electron archive no file can be loaded or started: packagers put such files beside the archive.
 */
export function outsideArchive(path: string): string {
  return path.replace(/([\\/]app\.asar)(?=[\\/])/, '$1.unpacked')
}
