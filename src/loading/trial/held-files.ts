import { existsSync } from 'node:fs'
import { mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { lookAt, RegularFile } from '../../core/regular-file.ts'
import { changed, unreadable } from '../../models/gguf/bytes.ts'
import type { ModelFile } from '../../models/gguf/header.ts'

/**
 * The files of a model, held open while llama.cpp opens them by name: a path may by then lead to another
 * file, or to a named pipe, which would block llama.cpp's thread forever. On Linux the names made here lead
 * to the very files that were checked; elsewhere they are the paths.
 */
export class HeldFiles {
  readonly #files: readonly ModelFile[]
  readonly #held: readonly RegularFile[]
  readonly #names: ReadonlyMap<string, string>
  readonly #folder: string | undefined

  private constructor(
    files: readonly ModelFile[],
    held: readonly RegularFile[],
    names: ReadonlyMap<string, string>,
    folder: string | undefined,
  ) {
    this.#files = files
    this.#held = held
    this.#names = names
    this.#folder = folder
  }

  /** @throws {ModelError} `ERR_MODEL_UNREADABLE` where a file is not the one that was checked */
  static async open(parts: readonly ModelFile[], adapters: readonly ModelFile[]): Promise<HeldFiles> {
    const files = [...parts, ...adapters]
    const held: RegularFile[] = []
    let folder: string | undefined
    try {
      for (const { path, identity } of files) {
        const file = await RegularFile.open(path, unreadable(path))
        held.push(file)
        if (file.identity !== identity) throw changed(path)
      }
      const names = ownNames(files, held)
      // llama.cpp finds the parts of a split model by the name of the first one.
      if (names.size > 0 && parts.length > 1) {
        folder = await linksFolder()
        for (const [i, { path }] of parts.entries()) {
          const link = partLink(folder, i, parts.length)
          await symlink(names.get(path)!, link)
          names.set(path, link)
        }
      }
      return new HeldFiles(files, held, names, folder)
    } catch (error) {
      await release(held, folder)
      throw error
    }
  }

  /** What to open in place of `path`. */
  nameOf(path: string): string {
    return this.#names.get(path) ?? path
  }

  /** `text` with the files' names replaced by their paths. */
  told(text: string): string {
    const longestFirst = [...this.#names].sort(([, one], [, other]) => other.length - one.length)
    return longestFirst.reduce((replaced, [path, name]) => replaced.replaceAll(name, path), text)
  }

  /** @throws {ModelError} `ERR_MODEL_UNREADABLE` where a file has changed since it was checked */
  async assertUnchanged(): Promise<void> {
    for (const { path, identity } of this.#files)
      if ((await lookAt(path, unreadable(path))).identity !== identity) throw changed(path)
  }

  close(): Promise<void> {
    return release(this.#held, this.#folder)
  }
}

async function release(held: readonly RegularFile[], folder: string | undefined): Promise<void> {
  for (const file of held) await file.close()
  if (folder !== undefined) await rm(folder, { recursive: true, force: true })
}

/**
 * Paths at which a child process may put links to the files that it holds of a model of `parts` parts, with
 * names by which llama.cpp finds these; none where the model is one file. The links are removed once `use`
 * has settled.
 */
export async function withPartLinks<T>(
  parts: number,
  use: (links: readonly string[]) => Promise<T>,
): Promise<T> {
  if (parts <= 1 || process.platform !== 'linux') return use([])
  const folder = await linksFolder()
  try {
    return await use(Array.from({ length: parts }, (_, i) => partLink(folder, i, parts)))
  } finally {
    await release([], folder)
  }
}

const linksFolder = () => mkdtemp(join(tmpdir(), 'gpt4all-ts-'))

const partLink = (folder: string, index: number, parts: number) =>
  join(folder, `model-${numbered(index + 1)}-of-${numbered(parts)}.gguf`)

const numbered = (part: number) => String(part).padStart(5, '0')

/**
 * Names by which this process can open the very files that it holds; none where the system has no such names.
 */
function ownNames(files: readonly ModelFile[], held: readonly RegularFile[]): Map<string, string> {
  const names = new Map<string, string>()
  if (process.platform !== 'linux') return names
  for (const [i, { path }] of files.entries()) {
    const name = `/proc/self/fd/${held[i]!.descriptor}`
    if (!existsSync(name)) return new Map() // without /proc
    names.set(path, name)
  }
  return names
}
