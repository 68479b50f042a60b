import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { Embed4All, GPT4All } from '../index.ts'
import { DEFAULT_LIBRARIES_DIRECTORY } from './common/constants.ts'
import type {
  EmbeddingResult,
  GpuDevice,
  InferenceResult,
  LLModelInferenceOptions,
  LLModelOptions,
} from './common/types.ts'
import { withExtension } from './files.ts'
import { CONVERSATION, type Conversation, type InferenceOptions, inferOn } from './inference/inference.ts'
import { type OwnTemplate, ownTemplate } from './inference/template.ts'
import { Transcript } from './inference/transcript.ts'

/** What `loadModel()` knows beyond the options. */
export type FoundModel = {
  readonly path: string
  readonly type: 'inference' | 'embedding'
  readonly modelConfigFile?: string | undefined
  readonly verbose?: boolean | undefined
}

/** The models of this library, where they are open. */
type Opened = {
  readonly text?: GPT4All
  readonly embedder?: Embed4All
  readonly stateBytes: number
  readonly totalBytes: number
}

/** A model as the package's addon shows it. Programs get one as `llm` of what `loadModel()` gives. */
export class LLModel {
  readonly #options: LLModelOptions
  readonly #found: FoundModel
  readonly #model: GPT4All | Embed4All
  /** What the last call left, for one that gives `nPast`. */
  readonly #latest: Conversation = { transcript: new Transcript() }
  #opening: Promise<Opened> | undefined
  #opened: Opened | undefined
  #libraryPath: string
  #threads: number | undefined
  #isDisposed = false

  /**
   * Names a model, which is opened by `loadModel()` or by the first `infer()`.
   *
   * @throws {Error} if there is no such file, or if an option is of another type
   */
  constructor(options: LLModelOptions, found?: FoundModel) {
    if (typeof options !== 'object' || options === null)
      throw new TypeError('LLModel takes an object with model_name and model_path')
    const { model_name, model_path, library_path, device, nCtx, ngl } = options
    if (typeof model_name !== 'string' || typeof model_path !== 'string')
      throw new TypeError('model_name and model_path should be strings')
    for (const [name, value] of Object.entries({ nCtx, ngl }))
      if (value !== undefined && typeof value !== 'number') throw new TypeError(`${name} should be a number`)
    const path = found?.path ?? join(model_path, withExtension(model_name))
    if (!existsSync(path)) throw new Error(`Failed to load model at given path: there is no file ${path}`)
    this.#options = options
    this.#found = found ?? { path, type: 'inference' }
    this.#libraryPath = library_path ?? DEFAULT_LIBRARIES_DIRECTORY
    const { type, modelConfigFile, verbose = false } = this.#found
    const shared = {
      verbose,
      ...(typeof device === 'string' && device !== '' && { device }),
      ...(nCtx !== undefined && { nCtx }),
      ...(ngl !== undefined && { ngl }),
    }
    this.#model =
      type === 'embedding' ? new Embed4All(path, shared) : new GPT4All(path, { ...shared, modelConfigFile })
  }

  /** @internal Opens the model; what `loadModel()` waits for. */
  async open(): Promise<this> {
    await this.#open()
    return this
  }

  /** @internal The model's own template, where no list knows one. */
  async ownTemplate(): Promise<OwnTemplate | undefined> {
    const { text } = await this.#open()
    return text && ownTemplate(text)
  }

  /** What was given as the model's type; of no meaning. */
  type(): string | undefined {
    return this.#options.model_type ?? this.#options.type
  }

  /** Name of the file, with its extension. */
  name(): string {
    return this.#options.model_name
  }

  isModelLoaded(): boolean {
    return this.#opened !== undefined && !this.#isDisposed
  }

  /** Bytes of keys and values of a full context; 0 before the model is loaded. */
  stateSize(): number {
    return this.#opened?.stateBytes ?? 0
  }

  /** Bytes that the model takes: weights, keys and values, and buffers; 0 before it is loaded. */
  memoryNeeded(): number {
    return this.#opened?.totalBytes ?? 0
  }

  /** The number that was set; otherwise how many threads compute at most. */
  threadCount(): number {
    return this.#threads ?? this.#model.threadCount
  }

  /** Sets how many threads compute, as many as there are cores at most. */
  setThreadCount(newNumber: number): void {
    if (typeof newNumber !== 'number' || Number.isNaN(newNumber))
      throw new Error('Could not set thread count: argument 1 is NaN')
    const count = Math.max(1, Math.floor(newNumber))
    this.#model.setThreadCount(count)
    this.#threads = count
  }

  /** Continues `prompt`, put into `promptTemplate`, behind the first `nPast` tokens of the conversation. */
  async infer(prompt: string, options: LLModelInferenceOptions): Promise<InferenceResult> {
    if (typeof prompt !== 'string') throw new Error('invalid string argument')
    if (typeof options !== 'object' || options === null) throw new Error('Missing Prompt Options')
    return this.read(prompt, options)
  }

  /** @internal The same; without a prompt it only reads what `options` puts before it. */
  async read(prompt: string | undefined, options: InferenceOptions): Promise<InferenceResult> {
    const { text } = await this.#open()
    if (!text) throw new Error(`${this.name()} was loaded to make embeddings`)
    const conversation = options[CONVERSATION] ?? { transcript: this.#latest.transcript }
    const result = await inferOn(text, conversation, prompt, options)
    this.#latest.transcript = conversation.transcript
    return result
  }

  /** The vector of a text, or those of several; the calling thread waits. `dimensionality` -1 means all numbers. */
  embed(
    text: string,
    prefix?: string,
    dimensionality?: number,
    doMean?: boolean,
    atlas?: boolean,
  ): EmbeddingResult<Float32Array>
  embed(
    texts: string[],
    prefix?: string,
    dimensionality?: number,
    doMean?: boolean,
    atlas?: boolean,
  ): EmbeddingResult<Float32Array[]>
  embed(
    text: string | string[],
    prefix?: string,
    dimensionality = -1,
    doMean = true,
    atlas = false,
  ): EmbeddingResult<Float32Array | Float32Array[]> {
    if (!(this.#model instanceof Embed4All))
      throw new Error(`not an embedding model: load ${this.name()} with { type: 'embedding' }`)
    const texts = Array.isArray(text) ? text : [text]
    if (texts.length === 0) throw new Error("'texts' is NULL or empty")
    const { embeddings, usage } = this.#model.embedSync(texts, {
      ...(prefix !== undefined && prefix !== null && { prefix }),
      ...(dimensionality > 0 && { dimensionality }),
      longTextMode: doMean ? 'mean' : 'truncate',
      atlas: Boolean(atlas),
    })
    const n_prompt_tokens = usage.promptTokens
    return { n_prompt_tokens, embeddings: Array.isArray(text) ? embeddings : embeddings[0]! }
  }

  /** Has no effect but on `getLibraryPath()`: this package has no such libraries. */
  setLibraryPath(path: string): void {
    this.#libraryPath = path
  }

  getLibraryPath(): string {
    return this.#libraryPath
  }

  /** Whether the model computes on a GPU: `device` of `loadModel()` chooses one. */
  initGpuByString(_memoryRequired: number, _deviceName: string): boolean {
    return this.hasGpuDevice()
  }

  /** Whether the model computes on a GPU. */
  hasGpuDevice(): boolean {
    return this.#model.device !== undefined
  }

  /** The GPUs of this machine; empty if it has none. */
  listGpu(_nCtx?: number): GpuDevice[] {
    const gpus = GPT4All.listDevices().filter(({ type }) => type === 'gpu' || type === 'igpu')
    return gpus.map(({ description, type, backend, memoryTotal }, index) => ({
      index,
      type: type === 'igpu' ? 1 : 2,
      heapSize: memoryTotal,
      name: description,
      vendor:
        backend === 'cuda'
          ? 'nvidia'
          : (/nvidia|amd|intel|apple/i.exec(description)?.[0] ?? backend).toLowerCase(),
    }))
  }

  /** Ends what is under way, and frees the model. A second call does nothing. */
  dispose(): void {
    this.#isDisposed = true
    this.#model.close().catch(() => {}) // there is nobody to hear of it
  }

  #open(): Promise<Opened> {
    this.#opening ??= this.#openOnce()
    this.#opening.catch(() => {
      this.#opening = undefined // the next call tries again
    })
    return this.#opening
  }

  async #openOnce(): Promise<Opened> {
    const { path } = this.#found
    const { nCtx } = this.#options
    const model = this.#model
    await model.open()
    const plan = await GPT4All.estimateMemory(path, { ...(nCtx !== undefined && { nCtx }) }).catch(
      () => undefined,
    )
    const sizes = { stateBytes: plan?.kvCache ?? 0, totalBytes: plan?.total ?? 0 }
    this.#opened = model instanceof GPT4All ? { text: model, ...sizes } : { embedder: model, ...sizes }
    return this.#opened
  }
}
