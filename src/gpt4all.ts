import { AsyncLocalStorage } from 'node:async_hooks'
import { type InspectOptions, inspect, types } from 'node:util'
import { type ChatGenerateOptions, type ChatSessionOptions, resolveRenderOptions } from './chat/options.ts'
import { ChatSession } from './chat/session.ts'
import type { TemplateOptions } from './chat/template/template.ts'
import { type DeviceFallback, optionError } from './core/errors.ts'
import { type ChatMessage, checkMessages } from './core/messages.ts'
import type { Generation } from './generation/generation.ts'
import type { Device } from './loading/devices.ts'
import { estimateMemory, listDevices, listGpus } from './loading/inspect.ts'
import type { MemoryPlan } from './loading/memory.ts'
import type { CatalogEntry } from './models/catalog/schema.ts'
import type { ModelDescription } from './models/describe.ts'
import { downloadModel, listModels, retrieveModel, verifyModel } from './models/files.ts'
import { describeModel, localModels } from './models/local.ts'
import type {
  DescribeModelOptions,
  DownloadModelOptions,
  EstimateMemoryOptions,
  ListDevicesOptions,
  ListModelsOptions,
  LocalModelInfo,
  LocalModelsOptions,
  RetrievedModel,
  RetrieveModelOptions,
  VerifiedModel,
  VerifyModelOptions,
} from './models/options.ts'
import { type SystemInfo, systemInfo } from './native/system-info.ts'
import { resolveGenerateOptions } from './options/generate.ts'
import {
  type ModelOptions,
  resolveModelOptions,
  resolveTokenizeOptions,
  type TokenizeOptions,
} from './options/model.ts'
import { type FilePath, pathText } from './options/path-text.ts'
import { ModelHandle } from './runtime/handle.ts'
import type { IsolatedEngine } from './runtime/isolated/engine.ts'
import type { ModelConfig } from './runtime/model.ts'
import type { Demand } from './scheduler/request.ts'
import type { Activity } from './scheduler/scheduler.ts'

/** Ids of tokens, in an array or a typed array. */
export type TokenIds = readonly number[] | Int32Array | Uint32Array | Uint16Array

/** The ids in a prompt as they are now: the caller may change the array later. */
function idsOf(prompt: unknown): number[] {
  const isList = Array.isArray(prompt) || (types.isTypedArray(prompt) && !types.isUint8Array(prompt))
  const ids: unknown[] = isList ? Array.from(prompt as ArrayLike<unknown>) : [undefined]
  if (ids.every(Number.isInteger)) return ids as number[]
  throw optionError(
    'prompt',
    'a string or an array of token ids (messages go to chatSession() or renderPrompt())',
    prompt,
  )
}

/**
 * A language model on this machine.
 *
 * @example
 * ```ts
 * const model = await GPT4All.load('models/gpt4all-ts-tiny-chat.Q8_0.gguf')
 * const text = await model.generate('The capital of France is', { maxTokens: 3 })
 * for await (const piece of model.generate('Once upon a time')) process.stdout.write(piece)
 * await model.close()
 * ```
 */
export class GPT4All {
  readonly #handle: ModelHandle
  readonly #scope = new AsyncLocalStorage<ChatSession>()

  /**
   * Names a model without touching the disk. It is opened by `open()` or by the first call that needs it.
   *
   * @param name a name within `modelPath`, or a path; `.gguf` is appended if it ends in neither `.gguf` nor
   * `.bin`. `hf:owner/repo:quant` is a model of Hugging Face.
   * @param options how to find, load and run the model
   * @throws `TypeError` or `RangeError` with `ERR_OPTION` for a bad name or option
   */
  constructor(name: FilePath, options?: ModelOptions) {
    this.#handle = new ModelHandle(pathText(name, 'name'), resolveModelOptions(options))
  }

  /**
   * The models in a catalog: GPT4All's own, or the one given in `options`. While the server cannot be
   * reached, the last copy is used.
   *
   * @throws {@link DownloadError} `ERR_DOWNLOAD` if the catalog cannot be fetched
   * @throws {@link ModelError} `ERR_MODEL_CONFIG` if the file is not a catalog
   */
  static listModels(options?: ListModelsOptions): Promise<CatalogEntry[]> {
    return listModels(options)
  }

  /**
   * Lists the models in a folder (`~/.cache/gpt4all`) by file name, without its subfolders: `.gguf` files,
   * those of a split model as one, and `.bin` files from before GGUF. Reads their headers: each model has a
   * `description`, or a `problem` that says why it cannot be used. Empty if there is no such folder. Never
   * uses the network.
   *
   * @example
   * ```ts
   * const models = await GPT4All.localModels('models')
   * const usable = models.filter(({ problem }) => !problem)
   * for (const { filename, description } of usable) console.log(filename, description?.quantization)
   * ```
   *
   * @throws {TypeError} `ERR_OPTION` for a bad folder or option
   * @throws {@link ModelError} `ERR_MODEL_UNREADABLE` when the folder cannot be read, and `signal.reason` when aborted
   */
  static localModels(folder?: FilePath, options?: LocalModelsOptions): Promise<LocalModelInfo[]> {
    return localModels(pathText(folder, 'folder'), options)
  }

  /**
   * Downloads the model that the catalog lists under `name`, that a repository on Hugging Face has
   * (`hf:owner/repo:quant`), or the file at `options.url`, unless it already exists; resolves with its path. An interrupted download resumes where it stopped, and the file gets its
   * name only once it is complete and verified. `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` are honoured.
   *
   * @throws {@link DownloadError} `ERR_DOWNLOAD`, `ERR_CHECKSUM` or `ERR_DISK_SPACE`
   * @throws {@link ModelError} `ERR_MODEL_NOT_FOUND` if neither the catalog nor the repository has it
   */
  static downloadModel(name: FilePath, options?: DownloadModelOptions): Promise<string> {
    return downloadModel(pathText(name, 'name'), options)
  }

  /**
   * Does what `load()` does before it reads the weights: finds the model or downloads it, and converts it if
   * it is older than GGUF. Resolves with its path and its catalog entry, if one is stored beside it or
   * `modelConfigFile` has one. Source: `retrieve_model` in Python.
   *
   * @throws {@link ModelError} `ERR_MODEL_NOT_FOUND`, or what else `load()` rejects with for a file
   * @throws {@link DownloadError} `ERR_DOWNLOAD`, `ERR_CHECKSUM` or `ERR_DISK_SPACE`
   */
  static retrieveModel(name: FilePath, options?: RetrieveModelOptions): Promise<RetrievedModel> {
    return retrieveModel(pathText(name, 'name'), options)
  }

  /**
   * Reads the whole file and compares its checksum with the one in the entry stored beside it, in the catalog or
   * the repository, or in `options`. All parts of a split model of Hugging Face are verified.
   *
   * @throws {@link ModelError} `ERR_CHECKSUM` if it is a different file, `ERR_MODEL_CONFIG` if no checksum is
   * known, `ERR_MODEL_NOT_FOUND` if there is no such file
   */
  static verifyModel(name: FilePath, options?: VerifyModelOptions): Promise<VerifiedModel> {
    return verifyModel(pathText(name, 'name'), options)
  }

  /**
   * Estimates, from the header of a file on the disk, how much memory the model takes with a context of
   * `nCtx` tokens, times `parallel`. Nothing is loaded.
   *
   * @throws {@link ModelError} `ERR_MODEL_NOT_FOUND`, or what else `load()` rejects with for such a file
   */
  static estimateMemory(name: FilePath, options?: EstimateMemoryOptions): Promise<MemoryPlan> {
    return estimateMemory(pathText(name, 'name'), options)
  }

  /**
   * Reads what the header of a model file on the disk says about it. Nothing is loaded.
   *
   * @throws {@link ModelError} `ERR_MODEL_NOT_FOUND`, or what else `load()` rejects with for such a file
   */
  static describeModel(name: FilePath, options?: DescribeModelOptions): Promise<ModelDescription> {
    return describeModel(pathText(name, 'name'), options)
  }

  /**
   * Versions and features of the native addon.
   *
   * @throws {@link GPT4AllError} `ERR_BINDING` if there is no addon for this machine
   */
  static systemInfo(): SystemInfo {
    return systemInfo()
  }

  /**
   * Everything that can compute: the CPU, and the GPUs that the addon was built for. With `rpcServers` it
   * returns a promise, and the devices of those servers come first.
   *
   * @throws {@link DeviceError} `ERR_DEVICE` if one of the servers cannot be used
   */
  static listDevices(): Device[]
  static listDevices(options: ListDevicesOptions): Promise<Device[]>
  static listDevices(options?: ListDevicesOptions): Device[] | Promise<Device[]> {
    return listDevices(options)
  }

  /**
   * Names of the GPUs in the form that `device` accepts: `cuda:NVIDIA GeForce RTX 3060`. Empty if there is
   * none, or none that the addon was built for.
   */
  static listGpus(): string[] {
    return listGpus()
  }

  /**
   * `new GPT4All(name, options)` followed by `open()`.
   *
   * @param name a name within `modelPath`, a path, or `hf:owner/repo:quant`
   * @param options how to find, load and run the model
   * @throws {@link ModelError} if the file is missing, unreadable, not a GGUF file, damaged, or of an
   * unsupported kind
   * @throws {@link DownloadError} `ERR_DOWNLOAD`, `ERR_CHECKSUM` or `ERR_DISK_SPACE` if it had to be
   * downloaded
   * @throws {@link OutOfMemoryError} `ERR_MEMORY` if weights and context do not fit into memory
   * @throws {@link DeviceError} `ERR_DEVICE` with `strictDevice`, if it loads on none of the devices
   */
  static async load(name: FilePath, options?: ModelOptions): Promise<GPT4All> {
    const model = new this(name, options)
    await model.open()
    return model
  }

  /**
   * Loads the weights and creates the context, once; later calls wait for the first. Rejects as `load()`
   * does.
   */
  async open(): Promise<this> {
    await this.#handle.open()
    return this
  }

  /**
   * Finds the model's file or downloads it, as `open()` does, but does not load it. Resolves with its path
   * and its catalog entry, which has its templates: the one in `modelConfigFile`, else the one stored beside
   * the file, else none. Works before `open()` and after it. Source: `model.config` in Python.
   *
   * @throws {@link ModelError} and {@link DownloadError} as `GPT4All.retrieveModel()`;
   * {@link ClosedError} after `close()`
   */
  retrieve(): Promise<RetrievedModel> {
    return this.#handle.retrieve('text')
  }

  /**
   * Continues `prompt`, a text or token ids. Await the generation for its text, iterate it for its pieces, or
   * ask for its `result`; until then nothing is computed. Special tokens written in the prompt
   * (`<|im_start|>`) are read as such, because templates are written by hand here; `renderPrompt()` writes
   * the model's own. Token ids are evaluated unchanged. Inside `withChatSession()` this is the session's
   * `generate()`, which takes text only.
   *
   * The generation rejects with `ContextOverflowError` if the prompt has more than `contextSize - 4` tokens,
   * with `signal.reason` if it is aborted, with `ERR_CLOSED` if the model is closed, and with whatever
   * `open()` rejects with.
   *
   * @throws `TypeError` or `RangeError` with `ERR_OPTION`, immediately, for a bad prompt or option
   */
  generate(prompt: string | TokenIds, options?: ChatGenerateOptions): Generation {
    const session = this.currentChatSession
    if (session) return session.generate(prompt as string, options) // which refuses token ids
    const given = typeof prompt === 'string' ? prompt : idsOf(prompt)
    const resolved = resolveGenerateOptions(options)
    const handle = this.#handle
    async function* start(demand: Demand, signal: AbortSignal) {
      const opened = await handle.open()
      signal.throwIfAborted()
      yield* opened.generate(given, resolved, demand, signal)
    }
    return handle.start({ start }, resolved)
  }

  /**
   * Starts a conversation with this model, which lasts until its `close()`. Any number can exist side by
   * side.
   *
   * @throws `TypeError` or `RangeError` with `ERR_OPTION` for a bad option
   * @throws {@link SessionFileError} `ERR_SESSION_FILE` if the file in `restore` cannot be used
   */
  chatSession(options?: ChatSessionOptions): ChatSession {
    return new ChatSession(this.#handle, options)
  }

  /**
   * Runs `fn` with a chat session that is closed when `fn` returns. Within `fn`, and in everything it calls
   * and awaits, `model.generate()` talks to that session. Scopes can be nested; each has its own history.
   *
   * @returns what `fn` returns
   */
  withChatSession<T>(fn: (session: ChatSession) => T | Promise<T>): Promise<T>
  withChatSession<T>(
    options: ChatSessionOptions | undefined,
    fn: (session: ChatSession) => T | Promise<T>,
  ): Promise<T>
  async withChatSession<T>(
    ...args:
      | [fn: (session: ChatSession) => T | Promise<T>]
      | [options: ChatSessionOptions | undefined, fn: (session: ChatSession) => T | Promise<T>]
  ): Promise<T> {
    const [options, fn] = args.length === 1 ? [undefined, args[0]] : args
    if (typeof fn !== 'function') throw optionError('fn', 'a function', fn)
    const session = this.chatSession(options)
    try {
      return await this.#scope.run(session, () => fn(session))
    } finally {
      await session.close()
    }
  }

  /**
   * The session of the `withChatSession()` scope that the calling code runs in; `undefined` outside such a
   * scope.
   */
  get currentChatSession(): ChatSession | undefined {
    return this.#scope.getStore()
  }

  /**
   * Writes the prompt that asks the model to answer `messages`, in the format that it was trained on or in
   * that of `promptTemplate` or `chatTemplate`.
   *
   * @throws `TypeError` with `ERR_OPTION` for bad messages or options
   * @throws {@link TemplateError} `ERR_TEMPLATE` if the template fails on these messages
   */
  async renderPrompt(
    messages: readonly ChatMessage[],
    options?: TemplateOptions & Pick<ChatSessionOptions, 'enableThinking'>,
  ): Promise<string> {
    checkMessages(messages, 1)
    const { template, enableThinking } = resolveRenderOptions(options)
    return (await this.#handle.open()).renderPrompt(messages, template, enableThinking)
  }

  /** Token ids of `text`. Rejects as `open()` does. */
  async tokenize(text: string, options?: TokenizeOptions): Promise<number[]> {
    if (typeof text !== 'string') throw optionError('text', 'a string', text)
    const resolved = resolveTokenizeOptions(options)
    return (await this.#handle.open()).tokenize(text, resolved)
  }

  /** Text of token ids, with special tokens written out. The inverse of `tokenize()`. */
  async detokenize(tokens: Iterable<number>): Promise<string> {
    if (typeof tokens !== 'object' || tokens === null || !(Symbol.iterator in tokens))
      throw optionError('tokens', 'an iterable of token ids', tokens)
    const ids = Array.from(tokens) // as they are now
    const wrong = ids.find((id) => !Number.isInteger(id))
    if (wrong !== undefined) throw optionError('tokens', 'integers', wrong)
    return (await this.#handle.open()).detokenize(ids)
  }

  /** Number of tokens that `generate(text)` would evaluate, including the model's own start token. */
  async countTokens(text: string): Promise<number> {
    if (typeof text !== 'string') throw optionError('text', 'a string', text)
    return (await this.#handle.open()).countTokens(text)
  }

  /** Name of the model's file, without folder and `.gguf`. */
  get name(): string {
    return this.#handle.name
  }

  /** The option `modelType`, as it was given. Source: `model.model_type` in Python. */
  get modelType(): string | undefined {
    return this.#handle.options.modelType
  }

  /** Size of the context in tokens, prompt and answer together (`nCtx`). */
  get contextSize(): number {
    return this.#handle.options.nCtx
  }

  /**
   * The largest number of threads that compute. Unless you set a number, fewer do while other programs want
   * the cores. Setting it is `setThreadCount()`. Source: `model.model.thread_count` in Python.
   */
  get threadCount(): number {
    const { nThreads, nThreadsBatch } = this.#handle.threads
    return Math.max(nThreads, nThreadsBatch)
  }

  set threadCount(count: number | undefined) {
    this.setThreadCount(count)
  }

  /**
   * Changes how many threads compute, for prompts and answers alike, from the next step on; generations in
   * progress are included. `undefined` lets the library choose again. The number is clamped to the number of
   * cores. A number you set is kept even while other programs compete for the cores, which can be many times
   * slower than a single thread.
   *
   * @throws `TypeError` or `RangeError` with `ERR_OPTION` if it is not a positive integer, or if the model is
   * open and `deterministic`: another number of threads gives other logits
   * @throws {@link ClosedError} after `close()`
   */
  setThreadCount(count?: number): void {
    this.#handle.setThreadCount(count)
  }

  /**
   * The backend that computes: `cpu`, `cuda`, `vulkan`, `metal` ...; `undefined` before the model is open.
   */
  get backend(): string | undefined {
    return this.#handle.opened?.facts.backend
  }

  /**
   * Name of the GPU in use, or of all GPUs that share the layers; `undefined` on the CPU (as in Python) and
   * before the model is open.
   */
  get device(): string | undefined {
    return this.#handle.opened?.facts.device
  }

  /**
   * Whether the weights were already loaded by another `GPT4All` of this process; `undefined` before the
   * model is open.
   */
  get sharesWeights(): boolean | undefined {
    return this.#handle.opened?.facts.sharesWeights
  }

  /**
   * The largest number of generations computed side by side: the number you asked for or the library chose,
   * or fewer if memory has run out since; `undefined` before the model is open.
   */
  get parallel(): number | undefined {
    return this.#handle.opened?.parallel
  }

  /** With `isolated`: the process in which the model computes. */
  get engine(): IsolatedEngine | undefined {
    return this.#handle.engine
  }

  /** How many generations run and wait at the moment. */
  get activity(): Activity {
    return this.#handle.opened?.activity ?? { running: 0, queued: 0 }
  }

  /**
   * The devices in `device` that precede the one in use, and why each is not used; empty before the model is
   * open.
   */
  get fallbacks(): readonly DeviceFallback[] {
    return this.#handle.opened?.facts.fallbacks ?? []
  }

  /** What the model's file says about it; `undefined` before the model is open. */
  get config(): ModelConfig | undefined {
    return this.#handle.opened?.facts.config
  }

  /** What `console.log(model)` shows. */
  [Symbol.for('nodejs.util.inspect.custom')](_depth: number, options: InspectOptions): string {
    const { file: model, state } = this.#handle
    const { contextSize, backend, device } = this
    return `GPT4All ${inspect({ model, state, contextSize, backend, device }, options)}`
  }

  /**
   * Interrupts calls in progress, which reject with `ERR_CLOSED`, waits for them, and frees the model.
   * Idempotent; every later call rejects with `ERR_CLOSED`.
   */
  close(): Promise<void> {
    return this.#handle.close()
  }

  /** Calls `close()`; makes `await using` work. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
