import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isGPT4AllError } from '../../src/core/errors.ts'

/** What the targets in JavaScript share: each is a file of its own that exports `fuzz` and `seeds`. */

let folder: string | undefined

/** The path of a file that holds `data`, the same each time. */
export function asFile(name: string, data: Buffer): string {
  if (folder === undefined) {
    const made = mkdtempSync(join(tmpdir(), 'gpt4all-fuzz-'))
    process.on('exit', () => rmSync(made, { recursive: true, force: true }))
    folder = made
  }
  const path = join(folder, name)
  writeFileSync(path, data)
  return path
}

/** Errors that the library throws on purpose are right; all others are faults. */
export async function typedOnly(work: () => Promise<unknown> | unknown): Promise<void> {
  try {
    await work()
  } catch (error) {
    if (!isGPT4AllError(error)) throw error
  }
}
