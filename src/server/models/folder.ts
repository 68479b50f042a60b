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

const GGUF = /\.gguf$/

/** The models directly in a folder, by name, without links that lead out of it. */
export class ModelFolder {
  readonly #path: string | undefined
  /** The files as they last were, and names of those that can be used. */
  #looked: { readonly files: string; readonly usable: Promise<ReadonlySet<string>> } | undefined
  /** By path, what files are for, as long as they do not change. */
  readonly #purposes = new Map<string, { changed: number; purpose: Promise<Purpose | undefined> }>()

  constructor(path: string | undefined) {
    this.#path = path
  }

  /** Those that `GPT4All.localModels()` finds no problem with. */
  async models(): Promise<readonly ModelFile[]> {
    const files = await this.#files()
    const usable = await this.#usable(files)
    return files.filter(({ path }) => usable.has(path))
  }

  /** Finds a file by name, with or without `.gguf`, whatever it is: opening it reports what is wrong. */
  async find(name: string): Promise<ModelFile | undefined> {
    return (await this.#files()).find(({ id }) => id === withoutExtension(name))
  }

  /** The first model for this purpose, or else the first file that may be one. */
  async first(wanted: Purpose): Promise<ModelFile | undefined> {
    const among = async (files: readonly ModelFile[], isMeant: (purpose: Purpose | undefined) => boolean) => {
      for (const file of files) if (isMeant(await this.purposeOf(file))) return file
      return undefined
    }
    const [models, files] = [await this.models(), await this.#files()]
    const isOpen = (purpose: Purpose | undefined) => purpose === undefined
    return (await among(models, (purpose) => purpose === wanted)) ?? (await among(files, isOpen))
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
  async #usable(files: readonly ModelFile[]): Promise<ReadonlySet<string>> {
    if (files.length === 0) return new Set()
    const now = JSON.stringify(files)
    if (this.#looked?.files !== now) {
      const usable = GPT4All.localModels(await realpath(this.#path!)).then(
        (models) => new Set(models.filter(({ problem }) => !problem).map(({ path }) => path)),
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
