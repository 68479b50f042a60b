import { realpath } from 'node:fs/promises'
import { resolve, sep } from 'node:path'
import { GPT4All, isGPT4AllError, type ModelError } from '../../index.ts'
import type { Purpose } from './purpose.ts'

/** A file that clients may name. */
type ModelFile = {
  readonly id: string
  /** Seconds since 1970. */
  readonly created: number
  readonly path: string
  /** ms since 1970 */
  readonly changed: number
}

/** With what the file says that it is for. */
type UsableFile = ModelFile & { readonly purpose: Purpose | undefined }

/** What files that can be used are for, by path. */
type Usable = ReadonlyMap<string, Purpose | undefined>

const GGUF = /\.gguf$/

/** The models directly in a folder, by name, without links that lead out of it. */
export class ModelFolder {
  readonly #path: string | undefined
  /** The files as they last were, and those of them that can be used. */
  #looked: { readonly files: string; readonly usable: Promise<Usable> } | undefined
  /** By path, what files are for, as long as they do not change. */
  readonly #purposes = new Map<string, { changed: number; purpose: Promise<Purpose | undefined> }>()

  constructor(path: string | undefined) {
    this.#path = path
  }

  /** Those that `GPT4All.localModels()` finds no problem with. */
  async models(): Promise<readonly UsableFile[]> {
    const files = await this.#files()
    const usable = await this.#usable(files)
    return files
      .filter(({ path }) => usable.has(path))
      .map((file) => ({ ...file, purpose: usable.get(file.path) }))
  }

  /** Finds a file by name, with or without `.gguf`, whatever it is: opening it reports what is wrong. */
  async find(name: string): Promise<ModelFile | undefined> {
    return (await this.#files()).find(({ id }) => id === withoutExtension(name))
  }

  /** The first model for this purpose, or else the first file that may be one. */
  async first(wanted: Purpose): Promise<ModelFile | undefined> {
    const meant = (await this.models()).find(({ purpose }) => purpose === wanted)
    if (meant) return meant
    for (const file of await this.#files()) if ((await this.purposeOf(file)) === undefined) return file
    return undefined
  }

  /** What a file says that it is for; `undefined` if it does not say, or cannot be read. */
  purposeOf({ path, changed }: ModelFile): Promise<Purpose | undefined> {
    const known = this.#purposes.get(path)
    if (known?.changed === changed) return known.purpose
    const purpose = GPT4All.describeModel(path).then(
      (description) => description.purpose,
      () => undefined,
    )
    this.#purposes.set(path, { changed, purpose })
    return purpose
  }

  /** Whether `error`, thrown on opening the model, says that its file has gone since it was found. */
  isGone(id: string, error: unknown): boolean {
    if (!isGPT4AllError(error) || error.code !== 'ERR_MODEL_NOT_FOUND') return false
    return resolve((error as ModelError).path) === resolve(this.#path!, fileName(id))
  }

  /** Remembered until a file changes: reading headers takes a while, and clients ask again and again. */
  async #usable(files: readonly ModelFile[]): Promise<Usable> {
    if (files.length === 0) return new Map()
    const now = JSON.stringify(files)
    if (this.#looked?.files !== now) {
      const usable = GPT4All.localModels(await realpath(this.#path!)).then(
        (models) =>
          new Map(
            models
              .filter(({ problem }) => !problem)
              .map(({ path, description }) => [path, description?.purpose]),
          ),
      )
      this.#looked = { files: now, usable }
      usable.catch(() => {
        this.#looked = undefined // the reason may pass
      })
    }
    return this.#looked.usable
  }

  async #files(): Promise<ModelFile[]> {
    if (this.#path === undefined) return []
    const root = await realpath(this.#path).catch(() => undefined)
    if (root === undefined) return []
    const models = await GPT4All.localModels(root, { describe: false })
    const isInside = await Promise.all(
      models.map(async ({ path }) => (await realpath(path).catch(() => '')).startsWith(root + sep)),
    )
    return models
      .filter(({ problem }, i) => isInside[i] && !problem)
      .map(({ filename, path, modified }) => ({
        id: withoutExtension(filename),
        created: Math.floor(modified.getTime() / 1000),
        path,
        changed: modified.getTime(),
      }))
  }
}

/** Old files are named with their `.bin`. */
export const withoutExtension = (name: string): string => name.replace(GGUF, '')

export const fileName = (id: string): string => (id.endsWith('.bin') ? id : `${id}.gguf`)
