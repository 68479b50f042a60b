import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** The folder of our own package.json above `from`: src/native and dist lie at different depths. */
export function ownFolder(from: string): string | undefined {
  for (let folder = from; ; folder = dirname(folder)) {
    if (isOurs(join(folder, 'package.json'))) return folder
    if (dirname(folder) === folder) return undefined
  }
}

function isOurs(path: string): boolean {
  try {
    return (JSON.parse(readFileSync(path, 'utf8')) as { name?: unknown }).name === 'gpt4all-ts'
  } catch {
    return false
  }
}
