import { type InspectOptions, inspect } from 'node:util'
import { type DeviceFallback, optionError, worded } from './core/errors.ts'
import type { EmbedHooks } from './embedding/embedding.ts'
import {
  type RankOptions,
  type RerankerOptions,
  type ResolvedEmbedderOptions,
  resolveRankOptions,
  resolveRerankerOptions,
} from './options/embed.ts'
import { type FilePath, pathText } from './options/path-text.ts'
import type { OpenEmbedder } from './runtime/embedder.ts'
import { Handle } from './runtime/handle.ts'
import type { IsolatedEngine } from './runtime/isolated/engine.ts'
import { openIsolatedEmbedder } from './runtime/isolated/open.ts'
import { openLocalEmbedder } from './runtime/local-embedder.ts'
import type { ModelConfig } from './runtime/model.ts'
import { textHooks } from './runtime/text-hooks.ts'

/** A document's place in the ranking. */
export type RankedDocument = {
  /** Its index in the array that was given. */
  readonly index: number
  /**
   * How well it fits the query: the higher, the better. The scale is the model's own: a number of any size for
   * most (bge-reranker), from -1 to 1 for jina-reranker-v1, a probability from 0 to 1 for Qwen3-Reranker. Scores
   * of different models cannot be compared.
   */
  readonly score: number
}

/**
 * A model that ranks documents by how well they answer a query.
 *
 * @example
 * ```ts
 * const reranker = await Reranker.load('bge-reranker-v2-m3-Q8_0.gguf')
 * const ranked = await reranker.rank('What is a panda?', ['It is a bear.', 'It is a car.'], { topN: 1 })
 * console.log(ranked[0].index, ranked[0].score)
 * await reranker.close()
 * ```
 */
export class Reranker {
  readonly #handle: Handle<OpenEmbedder, ResolvedEmbedderOptions>

  /**
   * Names a model without touching the disk. It is opened by `open()` or by the first call that needs it.
   *
   * @param name a name within `modelPath`, or a path, of a GGUF file with a classification head
   * @param options how to find, load and run the model
   * @throws `TypeError` or `RangeError` with `ERR_OPTION` for a bad name or option
   */
  constructor(name: FilePath, options?: RerankerOptions) {
    this.#handle = new Handle(
      pathText(name, 'name'),
      resolveRerankerOptions(options),
      (engine, location, resolved, signal) =>
        engine
          ? openIsolatedEmbedder(engine, location, resolved, signal)
          : openLocalEmbedder(location, resolved, signal),
    )
  }

  /**
   * `new Reranker(name, options)` followed by `open()`.
   *
   * @throws {@link ModelError} `ERR_MODEL_UNSUPPORTED` if the file has no classification head, or what else
   * `Embed4All.load()` rejects with for a file
   */
  static async load(name: FilePath, options?: RerankerOptions): Promise<Reranker> {
    const reranker = new this(name, options)
    await reranker.open()
    return reranker
  }

  /** Loads the weights, once; later calls wait for the first. Rejects as `load()` does. */
  async open(): Promise<this> {
    await this.#handle.open()
    return this
  }

  /**
   * The documents by how well they fit the query, the best first. Equal documents are computed once. Control
   * tokens in queries and documents are read as text.
   *
   * Rejects with `signal.reason` if it is aborted, with `ERR_CLOSED` if the model is closed, and with whatever
   * `open()` rejects with.
   *
   * @throws `TypeError` or `RangeError` with `ERR_OPTION` for a query or documents that are not strings or do not fit
   */
  async rank(query: string, documents: readonly string[], options?: RankOptions): Promise<RankedDocument[]> {
    return (await this.rankCounted(query, documents, options)).ranked
  }

  /** @internal For hosts: counts the tokens too. */
  async rankCounted(
    query: string,
    documents: readonly string[],
    options?: RankOptions,
  ): Promise<{ readonly ranked: RankedDocument[]; readonly promptTokens: number }> {
    if (typeof query !== 'string') throw optionError('query', 'a string', query)
    const isList = Array.isArray(documents)
    const given: readonly string[] = isList ? [...documents] : []
    const wrong = given.findIndex((one) => typeof one !== 'string')
    if (!isList) throw optionError('documents', 'an array of strings', documents)
    if (wrong >= 0)
      throw worded(
        optionError('documents', 'an array of strings', given[wrong]),
        `Expected strings in "documents" but the one at index ${wrong} is of type ${typeof given[wrong]}.`,
      )
    const resolved = resolveRankOptions(options)
    const { topN = given.length, onProgress, signal } = resolved
    const opened = await this.#handle.open()
    const { scores, tokens } = await textHooks(
      { onProgress, total: given.length, signals: [signal, this.#handle.closing] },
      (hooks: Pick<EmbedHooks, 'signal' | 'onTexts'>) => opened.rank(query, given, resolved, hooks),
    )
    const ranked = scores
      .map((score, index) => ({ index, score }))
      .sort((one, other) => other.score - one.score)
      .slice(0, topN)
    return { ranked, promptTokens: tokens }
  }

  /** Name of the model's file, without folder and `.gguf`. */
  get name(): string {
    return this.#handle.name
  }

  /** What the model's file says about it; `undefined` until the model is open. */
  get config(): ModelConfig | undefined {
    return this.#handle.opened?.facts.config
  }

  /** The backend that computes: `cpu`, `cuda`, `metal`, `vulkan` ...; `undefined` until the model is open. */
  get backend(): string | undefined {
    return this.#handle.opened?.facts.backend
  }

  /** Name of the GPU that computes; `undefined` on the CPU, and until the model is open. */
  get device(): string | undefined {
    return this.#handle.opened?.facts.device
  }

  /** Devices that were asked for and are not used, with the reasons. */
  get fallbacks(): readonly DeviceFallback[] {
    return this.#handle.opened?.facts.fallbacks ?? []
  }

  /** The isolated engine in which the model computes; `undefined` where it computes in this process. */
  get engine(): IsolatedEngine | undefined {
    return this.#handle.engine
  }

  /** The largest number of threads that compute. Setting it is `setThreadCount()`. */
  get threadCount(): number {
    return this.#handle.threads.nThreads
  }

  set threadCount(count: number | undefined) {
    this.setThreadCount(count)
  }

  /**
   * Sets how many threads compute from the next batch on.
   *
   * @throws `TypeError` or `RangeError` with `ERR_OPTION` for anything but a positive integer or `undefined`,
   * which is all cores
   */
  setThreadCount(count: number | undefined): void {
    this.#handle.setThreadCount(count)
  }

  /** Interrupts what is under way, which rejects with `ERR_CLOSED`, and frees everything. Idempotent. */
  close(): Promise<void> {
    return this.#handle.close()
  }

  /** Calls `close()`; makes `await using` work. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** What `console.log(reranker)` shows. */
  [Symbol.for('nodejs.util.inspect.custom')](_depth: number, options: InspectOptions): string {
    const { state } = this.#handle
    return `Reranker ${inspect({ name: this.name, state, backend: this.backend }, options)}`
  }
}
