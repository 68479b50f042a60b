import { readdir, realpath, stat } from 'node:fs/promises'
import { join, resolve, sep } from 'node:path'
import { GPT4All, isGPT4AllError, type ModelError } from '../index.ts'

/** A file that clients may name. */
export type ModelFile = {
  readonly id: string
  /** Seconds since 1970. */
  readonly created: number
  readonly path: string
  /** ms since 1970 */
  readonly changed: number
}

const GGUF = /\.gguf$/
/** Of a split model the first file stands for all. */
const LATER_PART = /-(?!00001)\d{5}-of-\d{5}\.gguf$/

/** The models in a folder, not below it, and nothing that a link there leads to elsewhere; by name. */
export class ModelFolder {
  readonly #path: string | undefined
  /** Which files are models, by their headers, as long as they do not change. */
  readonly #looked = new Map<string, { readonly changed: number; readonly isModel: Promise<boolean> }>()

  constructor(path: string | undefined) {
    this.#path = path
  }

  /** Without files that are no models, or damaged. */
  async models(): Promise<readonly ModelFile[]> {
    const files = await this.#files()
    const areModels = await Promise.all(files.map((file) => this.#isModel(file)))
    return files.filter((_, i) => areModels[i])
  }

  /** By its name, with or without `.gguf`, whatever the file is: opening it tells what is wrong. */
  async find(name: string): Promise<ModelFile | undefined> {
    return (await this.#files()).find(({ id }) => id === withoutExtension(name))
  }

  /** The first model; where there is none, the first file. */
  async first(): Promise<ModelFile | undefined> {
    const files = await this.#files()
    for (const file of files) if (await this.#isModel(file)) return file
    return files[0]
  }

  /** Whether `error`, of who opened the model, tells that its file has gone since it was found. */
  isGone(id: string, error: unknown): boolean {
    if (!isGPT4AllError(error) || error.code !== 'ERR_MODEL_NOT_FOUND') return false
    return resolve((error as ModelError).path) === resolve(this.#path!, `${id}.gguf`)
  }

  #isModel({ id, path, changed }: ModelFile): Promise<boolean> {
    const known = this.#looked.get(id)
    if (known?.changed === changed) return known.isModel
    const isModel = GPT4All.describeModel(path).then(
      () => true,
      () => false,
    )
    this.#looked.set(id, { changed, isModel })
    return isModel
  }

  async #files(): Promise<ModelFile[]> {
    if (this.#path === undefined) return []
    const root = await realpath(this.#path).catch(() => undefined)
    if (root === undefined) return []
    const names = (await readdir(root)).filter((name) => GGUF.test(name) && !LATER_PART.test(name)).sort()
    const files = await Promise.all(
      names.map(async (name) => {
        const path = await realpath(join(root, name)).catch(() => undefined)
        if (!path?.startsWith(root + sep)) return []
        const about = await stat(path).catch(() => undefined) // gone meanwhile
        if (!about?.isFile()) return []
        const changed = about.mtimeMs
        return [{ id: withoutExtension(name), created: Math.floor(changed / 1000), path, changed }]
      }),
    )
    return files.flat()
  }
}

export const withoutExtension = (name: string): string => name.replace(GGUF, '')
