import { AsyncLocalStorage } from 'node:async_hooks'
import { type InspectOptions, inspect } from 'node:util'
import { type ChatGenerateOptions, type ChatSessionOptions, resolveRenderOptions } from './chat/options.ts'
import { ChatSession } from './chat/session.ts'
import type { TemplateOptions } from './chat/template/template.ts'
import { type DeviceFallback, optionError } from './core/errors.ts'
import { type ChatMessage, checkMessages } from './core/messages.ts'
import type { Generation } from './generation/generation.ts'
import type { ModelDescription } from './loading/describe.ts'
import type { Device } from './loading/devices.ts'
import { describeModel, estimateMemory, listDevices, listGpus } from './loading/inspect.ts'
import type { MemoryPlan } from './loading/memory.ts'
import type { CatalogEntry } from './models/catalog/shape.ts'
import { downloadModel, listModels, retrieveModel, verifyModel } from './models/files.ts'
import type {
  DescribeModelOptions,
  DownloadModelOptions,
  EstimateMemoryOptions,
  ListDevicesOptions,
  ListModelsOptions,
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
import { ModelHandle } from './runtime/handle.ts'
import type { IsolatedEngine } from './runtime/isolated/engine.ts'
import type { ModelConfig } from './runtime/model.ts'
import type { Demand } from './scheduler/request.ts'
import type { Activity } from './scheduler/scheduler.ts'

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
   * Names a model without touching the disk: it is opened by `open()` or by the first call that needs it.
   *
   * @param name a name within `modelPath`, or a path. `.gguf` is appended where missing.
   * @throws {TypeError | RangeError} `ERR_OPTION` for a bad name or option
   */
  constructor(name: string, options?: ModelOptions) {
    this.#handle = new ModelHandle(name, resolveModelOptions(options))
  }

  /**
   * The models that a catalog knows: GPT4All's own, or the one in `options`. What was fetched once is used while the
   * server cannot be reached.
   *
   * @throws {DownloadError} `ERR_DOWNLOAD` when it cannot be fetched @throws {ModelError} `ERR_MODEL_CONFIG` when it is none
   */
  static listModels(options?: ListModelsOptions): Promise<CatalogEntry[]> {
    return listModels(options)
  }

  /**
   * Downloads the model that a catalog knows by `name`, or the one at `options.url`, unless it is there already; resolves
   * with its path. An interrupted download goes on where it ended; a file has its name only once it is whole and
   * verified. Through the proxy that `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` name.
   *
   * @throws {DownloadError} `ERR_DOWNLOAD`, `ERR_CHECKSUM`, `ERR_DISK_SPACE` @throws {ModelError} `ERR_MODEL_NOT_FOUND`
   */
  static downloadModel(name: string, options?: DownloadModelOptions): Promise<string> {
    return downloadModel(name, options)
  }

  /**
   * What `load()` does before it reads the weights: finds the model, or downloads it, and converts it where it is older
   * than GGUF. Resolves with its path and its catalog entry, where one was kept beside it. Source: `retrieve_model` in
   * Python.
   *
   * @throws {ModelError} `ERR_MODEL_NOT_FOUND`, and what else `load()` says of files
   * @throws {DownloadError} `ERR_DOWNLOAD`, `ERR_CHECKSUM`, `ERR_DISK_SPACE`
   */
  static retrieveModel(name: string, options?: RetrieveModelOptions): Promise<RetrievedModel> {
    return retrieveModel(name, options)
  }

  /**
   * Reads the whole file and compares its checksum with the one in the entry kept beside it, or in the catalog.
   *
   * @throws {ModelError} `ERR_CHECKSUM` when it is another file, `ERR_MODEL_CONFIG` when nothing tells the checksum,
   * `ERR_MODEL_NOT_FOUND`
   */
  static verifyModel(name: string, options?: VerifyModelOptions): Promise<VerifiedModel> {
    return verifyModel(name, options)
  }

  /**
   * What a model on the disk takes with a context of `nCtx` tokens (2048), or `parallel` of them, from its header: nothing
   * is loaded.
   *
   * @throws {ModelError} `ERR_MODEL_NOT_FOUND`, and what else `load()` says of such a file
   */
  static estimateMemory(name: string, options?: EstimateMemoryOptions): Promise<MemoryPlan> {
    return estimateMemory(name, options)
  }

  /**
   * What the file of a model on the disk says of itself, from its header: nothing is loaded.
   *
   * @throws {ModelError} `ERR_MODEL_NOT_FOUND`, and what else `load()` says of such a file
   */
  static describeModel(name: string, options?: DescribeModelOptions): Promise<ModelDescription> {
    return describeModel(name, options)
  }

  /**
   * What the addon is and was built for.
   *
   * @throws {GPT4AllError} `ERR_BINDING` when there is none for this machine
   */
  static systemInfo(): SystemInfo {
    return systemInfo()
  }

  /**
   * Everything that can compute: the CPU, and the GPUs for which the addon was built. With `rpcServers` a promise, with the devices of
   * these servers first.
   *
   * @throws {DeviceError} `ERR_DEVICE` where one of them cannot be used
   */
  static listDevices(): Device[]
  static listDevices(options: ListDevicesOptions): Promise<Device[]>
  static listDevices(options?: ListDevicesOptions): Device[] | Promise<Device[]> {
    return listDevices(options)
  }

  /**
   * Names of the GPUs, as `device` takes them: `cuda:NVIDIA GeForce RTX 3060`. Empty where there is none, or none for which
   * the addon was built.
   */
  static listGpus(): string[] {
    return listGpus()
  }

  /**
   * `new GPT4All(name, options)` and `open()` in one.
   *
   * @throws {ModelError} when the file is missing, unreadable, no GGUF, damaged, or of an unsupported kind
   * @throws {DownloadError} `ERR_DOWNLOAD`, `ERR_CHECKSUM`, `ERR_DISK_SPACE` when it had to be downloaded
   * @throws {OutOfMemoryError} `ERR_MEMORY` when weights and context do not fit into this machine
   * @throws {DeviceError} `ERR_DEVICE` with `strictDevice`, when it loads on none of the devices
   */
  static async load(name: string, options?: ModelOptions): Promise<GPT4All> {
    const model = new this(name, options)
    await model.open()
    return model
  }

  /** Loads the weights and makes the context, once; further calls wait for the first. Throws as `load()` does. */
  async open(): Promise<this> {
    await this.#handle.open()
    return this
  }

  /**
   * Generates text that continues `prompt`, or token ids, which are evaluated as they are. Await it for the text, iterate it for the pieces, or ask for its
   * `result`. Special tokens written in the prompt (`<|im_start|>`) are read as such, since templates are written by
   * hand here; `renderPrompt()` writes them for you. Inside `withChatSession()` it is that session's `generate()`.
   *
   * @throws {TypeError | RangeError} `ERR_OPTION` at once for a bad prompt or option. The generation rejects with
   * `ContextOverflowError` when the prompt has more than `contextSize - 4` tokens, `signal.reason` when aborted,
   * `ERR_CLOSED` when the model is closed, and whatever `open()` throws.
   */
  generate(prompt: string | readonly number[], options?: ChatGenerateOptions): Generation {
    const session = this.currentChatSession
    if (session) return session.generate(prompt as string, options) // which refuses token ids
    const isText = typeof prompt === 'string'
    if (!isText && !(Array.isArray(prompt) && prompt.every(Number.isInteger)))
      throw optionError(
        'prompt',
        'a string or an array of token ids (messages go to chatSession() or renderPrompt())',
        prompt,
      )
    const given = isText ? prompt : [...prompt] // as they are now
    const resolved = resolveGenerateOptions(options)
    const handle = this.#handle
    async function* start(demand: Demand, signal: AbortSignal) {
      const opened = await handle.open()
      signal.throwIfAborted()
      yield* opened.generate(given, resolved, demand, signal)
    }
    return handle.start({ start }, resolved)
  }

  /** A conversation with this model, until its `close()`. Any number may live side by side. */
  chatSession(options?: ChatSessionOptions): ChatSession {
    return new ChatSession(this.#handle, options)
  }

  /**
   * Runs `fn` with a chat session that ends with it. Inside, in whatever `fn` calls and awaits, `model.generate()`
   * speaks to that session too. Scopes nest; each has its own history.
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

  /** The session of the `withChatSession()` scope that this code runs in; `undefined` outside of any. */
  get currentChatSession(): ChatSession | undefined {
    return this.#scope.getStore()
  }

  /**
   * The prompt that asks this model for its answer to `messages`, in the format it was trained on, or in that of
   * `promptTemplate` or `chatTemplate`.
   *
   * @throws {TypeError} `ERR_OPTION` for bad messages or options
   * @throws {TemplateError} `ERR_TEMPLATE` when the template fails on these messages
   */
  async renderPrompt(
    messages: readonly ChatMessage[],
    options?: TemplateOptions & Pick<ChatSessionOptions, 'enableThinking'>,
  ): Promise<string> {
    checkMessages(messages, 1)
    const { template, enableThinking } = resolveRenderOptions(options)
    return (await this.#handle.open()).renderPrompt(messages, template, enableThinking)
  }

  /** Token ids of `text`. */
  async tokenize(text: string, options?: TokenizeOptions): Promise<number[]> {
    if (typeof text !== 'string') throw optionError('text', 'a string', text)
    const resolved = resolveTokenizeOptions(options)
    return (await this.#handle.open()).tokenize(text, resolved)
  }

  /** Text of token ids; special tokens are written out. The inverse of `tokenize()`. */
  async detokenize(tokens: Iterable<number>): Promise<string> {
    if (typeof tokens !== 'object' || tokens === null || !(Symbol.iterator in tokens))
      throw optionError('tokens', 'an iterable of token ids', tokens)
    const ids = Array.from(tokens) // as they are now
    const wrong = ids.find((id) => !Number.isInteger(id))
    if (wrong !== undefined) throw optionError('tokens', 'integers', wrong)
    return (await this.#handle.open()).detokenize(ids)
  }

  /** Tokens that `generate(text)` would evaluate, the model's own start token included. */
  async countTokens(text: string): Promise<number> {
    if (typeof text !== 'string') throw optionError('text', 'a string', text)
    return (await this.#handle.open()).countTokens(text)
  }

  /** Its file's name, without folder and `.gguf`. */
  get name(): string {
    return this.#handle.name
  }

  /** Tokens the context holds, prompt and answer together (`nCtx`). */
  get contextSize(): number {
    return this.#handle.options.nCtx
  }

  /** The most threads that compute. Unless a number was asked for, fewer do while other programs want the cores. */
  get threadCount(): number {
    const { nThreads, nThreadsBatch } = this.#handle.threads
    return Math.max(nThreads, nThreadsBatch)
  }

  /**
   * Changes how many threads compute, of prompts and answers alike, from the next step on, also of what is being
   * generated. `undefined` leaves the number to the library again. More than the machine's cores are clamped.
   *
   * @throws {TypeError | RangeError} `ERR_OPTION` for what is no positive integer, and for any change of a `deterministic`
   * model that is open: other numbers of threads give other logits. `ClosedError` after `close()`
   */
  setThreadCount(count?: number): void {
    this.#handle.setThreadCount(count)
  }

  /** What computes: `cpu`, `cuda`, `vulkan`, `metal` ...; `undefined` before the model is open. */
  get backend(): string | undefined {
    return this.#handle.opened?.facts.backend
  }

  /** Name of the GPU in use, or of all that share the layers; `undefined` on the CPU (as in Python) and before it is open. */
  get device(): string | undefined {
    return this.#handle.opened?.facts.device
  }

  /** Whether another `GPT4All` of this process had loaded the same weights; `undefined` before it is open. */
  get sharesWeights(): boolean | undefined {
    return this.#handle.opened?.facts.sharesWeights
  }

  /**
   * Generations that are computed side by side at most: the number that was asked for or chosen, or fewer where memory has run
   * out since; `undefined` before it is open.
   */
  get parallel(): number | undefined {
    return this.#handle.opened?.parallel
  }

  /** With `isolated`: the process in which it computes. */
  get engine(): IsolatedEngine | undefined {
    return this.#handle.engine
  }

  /** What it is doing now. */
  get activity(): Activity {
    return this.#handle.opened?.activity ?? { running: 0, queued: 0 }
  }

  /** The devices of `device` that come before the one in use, and why they are not used; empty before it is open. */
  get fallbacks(): readonly DeviceFallback[] {
    return this.#handle.opened?.facts.fallbacks ?? []
  }

  /** What the model says of itself; `undefined` before it is open. */
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
   * Interrupts what is under way (those calls reject with `ERR_CLOSED`), waits for it, and frees the model.
   * Idempotent; whatever is called afterwards rejects with `ERR_CLOSED`.
   */
  close(): Promise<void> {
    return this.#handle.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
