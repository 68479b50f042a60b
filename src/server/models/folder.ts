import { realpath } from 'node:fs/promises'
import { resolve, sep } from 'node:path'
import { GPT4All, isGPT4AllError, type ModelError } from '../../index.ts'

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
  /** Whether each file is a model, judged by its header; valid until the file changes. */
  readonly #looked = new Map<string, { readonly changed: number; readonly isModel: Promise<boolean> }>()

  constructor(path: string | undefined) {
    this.#path = path
  }

  /** Without damaged files and files that are not models. */
  async models(): Promise<readonly ModelFile[]> {
    const files = await this.#files()
    const areModels = await Promise.all(files.map((file) => this.#isModel(file)))
    return files.filter((_, i) => areModels[i])
  }

  /** Finds a file by name, with or without `.gguf`, whatever it is: opening it reports what is wrong. */
  async find(name: string): Promise<ModelFile | undefined> {
    return (await this.#files()).find(({ id }) => id === withoutExtension(name))
  }

  /** The first model, or else the first file. */
  async first(): Promise<ModelFile | undefined> {
    const files = await this.#files()
    for (const file of files) if (await this.#isModel(file)) return file
    return files[0]
  }

  /** Whether `error`, thrown on opening the model, says that its file has gone since it was found. */
  isGone(id: string, error: unknown): boolean {
    if (!isGPT4AllError(error) || error.code !== 'ERR_MODEL_NOT_FOUND') return false
    return resolve((error as ModelError).path) === resolve(this.#path!, `${id}.gguf`)
  }

  /** Cached: reading a header takes a while, and clients request the list again and again. */
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
    const models = await GPT4All.localModels(root, { describe: false })
    const isInside = await Promise.all(
      models.map(async ({ path }) => (await realpath(path).catch(() => '')).startsWith(root + sep)),
    )
    return models
      .filter(({ filename, problem }, i) => isInside[i] && GGUF.test(filename) && !problem)
      .map(({ filename, path, modified }) => ({
        id: withoutExtension(filename),
        created: Math.floor(modified.getTime() / 1000),
        path,
        changed: modified.getTime(),
      }))
  }
}

export const withoutExtension = (name: string): string => name.replace(GGUF, '')
