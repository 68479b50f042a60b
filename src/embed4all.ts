import { type InspectOptions, inspect } from 'node:util'
import { type DeviceFallback, optionError, worded } from './core/errors.ts'
import type { Embeddable } from './embedding/chunks.ts'
import { documentPrefix } from './embedding/known-models.ts'
import { streamOf } from './embedding/stream.ts'
import {
  type EmbedderOptions,
  type EmbedOptions,
  type EmbedSyncOptions,
  MIN_DIMENSIONALITY,
  type ResolvedEmbedderOptions,
  resolveEmbedderOptions,
  resolveEmbedOptions,
  resolveEmbedSyncOptions,
} from './options/embed.ts'
import { type FilePath, pathText } from './options/path-text.ts'
import type { OpenEmbedder } from './runtime/embedder.ts'
import { Handle } from './runtime/handle.ts'
import type { IsolatedEngine } from './runtime/isolated/engine.ts'
import { openIsolatedEmbedder } from './runtime/isolated/open.ts'
import { openLocalEmbedder } from './runtime/local-embedder.ts'
import type { ModelConfig } from './runtime/model.ts'
import { textHooks } from './runtime/text-hooks.ts'

/** What `embed()` resolves with. */
export type Embeddings = {
  /** A vector with the norm 1 for each text, in their order. */
  readonly embeddings: Float32Array[]
  readonly usage: {
    /**
     * Tokens of the texts, without those that the model puts around them and without prefixes. Where a long
     * text is cut into pieces, tokens that two of them share count twice.
     */
    readonly promptTokens: number
  }
}

/**
 * What `embed()` resolves with for a single text.
 * @interface
 */
export type Embedding = Embeddings & {
  /** Its vector. */
  readonly embedding: Float32Array
}

/** What `embedAll()` yields for each text. */
export type EmbeddedText = {
  /** How many texts came before it. */
  readonly index: number
  readonly text: string
  readonly embedding: Float32Array
  /** Its tokens; see `Embeddings.usage`. */
  readonly promptTokens: number
}

/** The model that GPT4All uses by default. Source: Embed4All in Python. */
const DEFAULT_NAME = 'all-MiniLM-L6-v2.gguf2.f16.gguf'

/**
 * A model that turns texts into vectors, which are near one another where the texts mean the same.
 *
 * @example
 * ```ts
 * const embedder = await Embed4All.load()
 * const { embeddings } = await embedder.embed(['How are you?', 'What is the weather like?'])
 * console.log(embeddings[0].length) // 384
 * await embedder.close()
 * ```
 */
export class Embed4All {
  /** Fewer numbers than these carry too little. Source: Embed4All in Python. */
  static readonly MIN_DIMENSIONALITY = MIN_DIMENSIONALITY

  readonly #handle: Handle<OpenEmbedder, ResolvedEmbedderOptions>

  /**
   * Names a model without touching the disk. It is opened by `open()` or by the first call that needs it.
   *
   * @param name a name within `modelPath`, or a path; without one, `all-MiniLM-L6-v2.gguf2.f16.gguf`
   * @param options how to find, load and run the model
   * @throws `TypeError` or `RangeError` with `ERR_OPTION` for a bad name or option
   */
  constructor(name?: FilePath, options?: EmbedderOptions) {
    this.#handle = new Handle(
      pathText(name ?? DEFAULT_NAME, 'name'),
      resolveEmbedderOptions(options),
      (engine, location, resolved, signal) =>
        engine
          ? openIsolatedEmbedder(engine, location, resolved, signal)
          : openLocalEmbedder(location, resolved, signal),
    )
  }

  /**
   * `new Embed4All(name, options)` followed by `open()`.
   *
   * @throws {@link ModelError} if the file is missing, unreadable, not a GGUF file, damaged, or of a kind that
   * makes no embeddings
   * @throws {@link DownloadError} `ERR_DOWNLOAD`, `ERR_CHECKSUM` or `ERR_DISK_SPACE` if it had to be downloaded
   * @throws {@link OutOfMemoryError} `ERR_MEMORY` if it does not fit into memory
   * @throws {@link DeviceError} `ERR_DEVICE` with `strictDevice`, if it loads on none of the devices
   */
  static async load(name?: FilePath, options?: EmbedderOptions): Promise<Embed4All> {
    const embedder = new this(name, options)
    await embedder.open()
    return embedder
  }

  /** Loads the weights, once; later calls wait for the first. Rejects as `load()` does. */
  async open(): Promise<this> {
    await this.#handle.open()
    return this
  }

  /**
   * The vectors of one text or of several, which are computed in batches, with those of other calls under way.
   * Equal texts are computed once.
   *
   * Rejects with `signal.reason` if it is aborted, with `ERR_CLOSED` if the model is closed, and with whatever
   * `open()` rejects with.
   *
   * @throws `TypeError` or `RangeError` with `ERR_OPTION` for no text, and for a bad option
   * @throws {@link CancellationError} `ERR_CANCELLED` if `cancelCallback` returned `true`
   */
  embed(text: string, options?: EmbedOptions): Promise<Embedding>
  embed(texts: readonly string[], options?: EmbedOptions): Promise<Embeddings>
  embed(texts: string | readonly string[], options?: EmbedOptions): Promise<Embeddings>
  async embed(text: string | readonly string[], options?: EmbedOptions): Promise<Embedding | Embeddings> {
    const texts = textsOf(text)
    const made = embeddingsOf(await this.#embed(texts, options, texts.length))
    return typeof text === 'string' ? { embedding: made.embeddings[0]!, ...made } : made
  }

  /**
   * The same as `embed()`, while the calling thread waits: the event loop stands still meanwhile, so this is for
   * programs that cannot wait for a promise. The model must be open, and compute in this process.
   *
   * @throws `TypeError` or `RangeError` with `ERR_OPTION` for no text, for a bad option, before the model is open, and
   * with `isolated`
   * @throws {@link ClosedError} `ERR_CLOSED` after `close()`
   */
  embedSync(text: string, options?: EmbedSyncOptions): Embedding
  embedSync(texts: readonly string[], options?: EmbedSyncOptions): Embeddings
  embedSync(texts: string | readonly string[], options?: EmbedSyncOptions): Embeddings
  embedSync(text: string | readonly string[], options?: EmbedSyncOptions): Embedding | Embeddings {
    const texts = textsOf(text)
    const resolved = resolveEmbedSyncOptions(options)
    this.#warnOfFew(resolved)
    this.#handle.closing.throwIfAborted()
    const { opened } = this.#handle
    if (!opened?.embedNow) {
      const why = this.engine
        ? 'An isolated model computes in another process: use embed().'
        : 'The model is not open yet: await open() or load() first.'
      throw worded(optionError('model', 'an open model of this process', this.name), why)
    }
    const { vectors, tokens } = opened.embedNow(texts, resolved)
    const made = embeddingsOf({ embeddings: [...vectors], tokens })
    return typeof text === 'string' ? { embedding: made.embeddings[0]!, ...made } : made
  }

  /**
   * @internal For hosts: takes token ids too, and models whose prefixes are not known get none unless one is given.
   */
  async embedInputs(inputs: readonly Embeddable[], options: EmbedOptions): Promise<Embeddings> {
    const { facts } = await this.#handle.open()
    const { prefix = documentPrefix(facts.config.name) } = options
    return embeddingsOf(await this.#embed(inputs, { ...options, prefix }, inputs.length))
  }

  /**
   * The vectors of any number of texts, which are read as they are needed: memory does not grow with them.
   * Yields them in their order.
   *
   * @example
   * ```ts
   * for await (const { text, embedding } of embedder.embedAll(['one', 'two'])) console.log(text, embedding.length)
   * ```
   *
   * @throws as `embed()` does
   */
  async *embedAll(
    texts: Iterable<string> | AsyncIterable<string>,
    options?: Omit<EmbedOptions, 'cancelCallback'>,
  ): AsyncGenerator<EmbeddedText, void, undefined> {
    const { onProgress, signal, ...others } = options ?? {}
    resolveEmbedOptions({ onProgress, signal, ...others })
    const total = Array.isArray(texts) ? texts.length : undefined
    yield* streamOf(texts, { onProgress, signal, total }, async (window, first, signal) => {
      const { embeddings, tokens } = await this.#embed(window, { ...others, signal }, undefined, first)
      return window.map((text, i) => ({
        index: first + i,
        text,
        embedding: embeddings[i]!,
        promptTokens: tokens[i]!,
      }))
    })
  }

  /** Number of tokens of `text`, without those that the model puts around it. Rejects as `open()` does. */
  async countTokens(text: string): Promise<number> {
    if (typeof text !== 'string') throw optionError('text', 'a string', text)
    return (await this.#handle.open()).countTokens(text)
  }

  async #embed(
    texts: readonly Embeddable[],
    options: EmbedOptions | undefined,
    total: number | undefined,
    first = 0,
  ): Promise<Embedded> {
    const resolved = resolveEmbedOptions(options)
    const { cancelCallback, onProgress, signal } = resolved
    this.#warnOfFew(resolved)
    const opened = await this.#handle.open()
    const isCancelled =
      cancelCallback && ((batches: readonly number[]) => cancelCallback(batches, opened.facts.backend))
    const { vectors, tokens } = await textHooks(
      { onProgress, total, signals: [signal, this.#handle.closing] },
      (hooks) => opened.embed(texts, resolved, { ...hooks, isCancelled, first }),
    )
    return { embeddings: [...vectors], tokens }
  }

  #warnOfFew({ dimensionality }: Pick<EmbedOptions, 'dimensionality'>): void {
    if (dimensionality === undefined || dimensionality >= MIN_DIMENSIONALITY) return
    this.#handle.options.logger.warn(
      `Dimensionality ${dimensionality} is less than the suggested minimum of ${MIN_DIMENSIONALITY}. Performance may be degraded.`,
    )
  }

  /** Name of the model's file, without folder and `.gguf`. */
  get name(): string {
    return this.#handle.name
  }

  /** Numbers of a vector; `undefined` until the model is open. */
  get dimensionality(): number | undefined {
    return this.#handle.opened?.size
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

  /** What `console.log(embedder)` shows. */
  [Symbol.for('nodejs.util.inspect.custom')](_depth: number, options: InspectOptions): string {
    const { state } = this.#handle
    const { name, dimensionality, backend } = this
    return `Embed4All ${inspect({ name, state, dimensionality, backend }, options)}`
  }
}

/** Vectors, and the tokens of each text. */
type Embedded = { readonly embeddings: Float32Array[]; readonly tokens: readonly number[] }

function embeddingsOf({ embeddings, tokens }: Embedded): Embeddings {
  return { embeddings, usage: { promptTokens: tokens.reduce((sum, count) => sum + count, 0) } }
}

function textsOf(text: unknown): readonly string[] {
  const isEmpty =
    text === undefined || text === null || text === '' || (Array.isArray(text) && text.length === 0)
  if (isEmpty) throw worded(optionError('text', 'a text', text), 'text must not be undefined or empty')
  const texts: readonly unknown[] = Array.isArray(text) ? [...text] : [text]
  const wrong = texts.find((one) => typeof one !== 'string')
  if (wrong !== undefined || texts.includes(undefined))
    throw optionError('text', 'a string or an array of strings', wrong)
  return texts as readonly string[]
}
