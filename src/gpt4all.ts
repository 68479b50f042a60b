import { AsyncLocalStorage } from 'node:async_hooks'
import { basename } from 'node:path'
import { type InspectOptions, inspect } from 'node:util'
import { type ChatGenerateOptions, type ChatSessionOptions, resolveChatOptions } from './chat/options.ts'
import { type ChatMessage, checkMessages, type TemplateOptions } from './chat/template.ts'
import { ChatSession } from './chat-session.ts'
import { checkKnown, checkObject } from './checks.ts'
import { type ResolvedThreads, resolveThreadCount } from './compute-options.ts'
import type { IsolatedEngineOptions } from './distribution-options.ts'
import type { Activity } from './engine/engine.ts'
import { ClosedError, type DeviceFallback, optionError } from './errors.ts'
import { type ResolvedGenerateOptions, resolveGenerateOptions } from './generate-options.ts'
import { Generation } from './generation.ts'
import type { RunRecord, StartRun } from './generation-run.ts'
import { IsolatedEngine, openRemote } from './isolated/engine.ts'
import { LoadedModel } from './loaded-model.ts'
import { ModelFiles } from './model-files.ts'
import { locateModel, type ModelLocation } from './models/locate.ts'
import type { ModelConfig, OpenModel } from './open-model.ts'
import {
  DEFAULTS,
  type ModelOptions,
  type ResolvedModelOptions,
  resolveModelOptions,
  resolveTokenizeOptions,
  type TokenizeOptions,
} from './options.ts'

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
export class GPT4All extends ModelFiles {
  readonly #location: ModelLocation
  readonly #draft: ModelLocation | undefined
  readonly #options: ResolvedModelOptions
  readonly #engine: IsolatedEngine | undefined
  readonly #ownsEngine: boolean
  readonly #closing = new AbortController()
  readonly #scope = new AsyncLocalStorage<ChatSession>()
  #threads: ResolvedThreads
  #opening: Promise<OpenModel> | undefined
  #opened: OpenModel | undefined
  #closed: Promise<void> | undefined

  /**
   * Names a model without touching the disk: it is opened by `open()` or by the first call that needs it.
   *
   * @param name a name within `modelPath`, or a path. `.gguf` is appended where missing.
   * @throws {TypeError | RangeError} `ERR_OPTION` for a bad name or option
   */
  constructor(name: string, options?: ModelOptions) {
    super()
    this.#options = resolveModelOptions(options)
    this.#threads = this.#options
    const { modelPath, draftModel, lora, isolated } = this.#options
    this.#ownsEngine = !(isolated instanceof IsolatedEngine)
    this.#engine =
      isolated instanceof IsolatedEngine || !isolated
        ? isolated
        : new IsolatedEngine(isolated as IsolatedEngineOptions)
    // A wrong name is told at once.
    for (const [i, { path }] of lora.entries()) locateModel(path, modelPath, `lora[${i}].path`)
    this.#location = locateModel(name, modelPath)
    this.#draft = draftModel === undefined ? undefined : locateModel(draftModel, modelPath, 'draftModel')
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
    await this.#open()
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
    const open = () => this.#open()
    async function* run(record: RunRecord, signal: AbortSignal) {
      const opened = await open()
      signal.throwIfAborted()
      yield* opened.generate(given, resolved, record, signal)
    }
    return this.#start(run, resolved)
  }

  /** A conversation with this model, until its `close()`. Any number may live side by side. */
  chatSession(options?: ChatSessionOptions): ChatSession {
    return new ChatSession(
      {
        name: this.name,
        open: () => this.#open(),
        start: (run, resolved, closing) => this.#start(run, resolved, closing),
      },
      options,
    )
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
    options: TemplateOptions & Pick<ChatSessionOptions, 'enableThinking'> = {},
  ): Promise<string> {
    checkMessages(messages, 1)
    checkObject('options', options)
    checkKnown(options, { promptTemplate: true, chatTemplate: true, enableThinking: true })
    const { enableThinking } = resolveChatOptions(options)
    return (await this.#open()).renderPrompt(messages, options, enableThinking)
  }

  /** Token ids of `text`. */
  async tokenize(text: string, options?: TokenizeOptions): Promise<number[]> {
    if (typeof text !== 'string') throw optionError('text', 'a string', text)
    const resolved = resolveTokenizeOptions(options)
    return (await this.#open()).tokenize(text, resolved)
  }

  /** Text of token ids; special tokens are written out. The inverse of `tokenize()`. */
  async detokenize(tokens: Iterable<number>): Promise<string> {
    if (typeof tokens !== 'object' || tokens === null || !(Symbol.iterator in tokens))
      throw optionError('tokens', 'an iterable of token ids', tokens)
    const ids = Array.from(tokens) // as they are now
    const wrong = ids.find((id) => !Number.isInteger(id))
    if (wrong !== undefined) throw optionError('tokens', 'integers', wrong)
    return (await this.#open()).detokenize(ids)
  }

  /** Tokens that `generate(text)` would evaluate, the model's own start token included. */
  async countTokens(text: string): Promise<number> {
    if (typeof text !== 'string') throw optionError('text', 'a string', text)
    return (await this.#open()).countTokens(text)
  }

  /** Its file's name, without folder and `.gguf`. */
  get name(): string {
    return basename(this.#location.asGiven).replace(/\.gguf$/, '')
  }

  /** Tokens the context holds, prompt and answer together (`nCtx`). */
  get contextSize(): number {
    return this.#options.nCtx
  }

  /** The most threads that compute. Unless a number was asked for, fewer do while other programs want the cores. */
  get threadCount(): number {
    return Math.max(this.#threads.nThreads, this.#threads.nThreadsBatch)
  }

  /**
   * Changes how many threads compute, of prompts and answers alike, from the next step on, also of what is being
   * generated. `undefined` leaves the number to the library again. More than the machine's cores are clamped.
   *
   * @throws {TypeError | RangeError} `ERR_OPTION` for what is no positive integer, and for any change of a `deterministic`
   * model that is open: other numbers of threads give other logits. `ClosedError` after `close()`
   */
  setThreadCount(count?: number): void {
    this.#closing.signal.throwIfAborted()
    const threads = resolveThreadCount(count, this.#options.logger)
    if (this.#options.deterministic && this.#opening)
      throw optionError('count', 'no change while the deterministic model is open', count)
    this.#threads = threads
    this.#opened?.setThreads(threads)
  }

  /** What computes: `cpu`, `cuda`, `vulkan`, `metal` ...; `undefined` before the model is open. */
  get backend(): string | undefined {
    return this.#opened?.facts.backend
  }

  /** Name of the GPU in use, or of all that share the layers; `undefined` on the CPU (as in Python) and before it is open. */
  get device(): string | undefined {
    return this.#opened?.facts.device
  }

  /** Whether another `GPT4All` of this process had loaded the same weights; `undefined` before it is open. */
  get sharesWeights(): boolean | undefined {
    return this.#opened?.facts.sharesWeights
  }

  /**
   * Generations that are computed side by side at most: the number that was asked for or chosen, or fewer where memory has run
   * out since; `undefined` before it is open.
   */
  get parallel(): number | undefined {
    return this.#opened?.parallel
  }

  /** With `isolated`: the process in which it computes. */
  get engine(): IsolatedEngine | undefined {
    return this.#engine
  }

  /** What it is doing now. */
  get activity(): Activity {
    return this.#opened?.activity ?? { running: 0, queued: 0 }
  }

  /** The devices of `device` that come before the one in use, and why they are not used; empty before it is open. */
  get fallbacks(): readonly DeviceFallback[] {
    return this.#opened?.facts.fallbacks ?? []
  }

  /** What the model says of itself; `undefined` before it is open. */
  get config(): ModelConfig | undefined {
    return this.#opened?.facts.config
  }

  /** What `console.log(model)` shows. */
  [Symbol.for('nodejs.util.inspect.custom')](_depth: number, options: InspectOptions): string {
    const state = this.#closing.signal.aborted ? 'closed' : this.#opened ? 'open' : 'not open'
    const { contextSize, backend, device } = this
    const model = basename(this.#location.asGiven)
    return `GPT4All ${inspect({ model, state, contextSize, backend, device }, options)}`
  }

  /**
   * Interrupts what is under way (those calls reject with `ERR_CLOSED`), waits for it, and frees the model.
   * Idempotent; whatever is called afterwards rejects with `ERR_CLOSED`.
   */
  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    this.#closing.abort(new ClosedError('The model'))
    const opened = await this.#opening?.catch(() => undefined)
    await opened?.close()
    if (this.#ownsEngine) await this.#engine?.close()
    this.#opened = undefined
    this.#opening = undefined
  }

  // A failed attempt is forgotten, so that the file can be repaired and opened again.
  #open(): Promise<OpenModel> {
    if (this.#closing.signal.aborted) return Promise.reject(this.#closing.signal.reason)
    if (this.#opening) return this.#opening
    const { signal = this.#closing.signal } = this.#options
    const either = AbortSignal.any([this.#closing.signal, signal])
    const options = { ...this.#options, ...this.#threads }
    const load = this.#engine
      ? openRemote(this.#engine, this.#location, this.#draft, options, either)
      : LoadedModel.open(this.#location, this.#draft, options, either)
    this.#opening = load.then(async (opened: OpenModel) => {
      if (signal.aborted) await opened.close() // it came too late to be heard
      signal.throwIfAborted()
      opened.setThreads(this.#threads) // as chosen meanwhile
      this.#opened = opened
      return opened
    })
    this.#opening.catch(() => {
      this.#opening = undefined
      if (this.#ownsEngine) this.#engine?.rest() // nobody may ever close it
    })
    return this.#opening
  }

  #start(run: StartRun, options: ResolvedGenerateOptions, ...closing: AbortSignal[]): Generation {
    const byDefault = this.#engine ? DEFAULTS.isolatedStreamInterval : DEFAULTS.streamInterval
    const { streamInterval = byDefault } = options
    return new Generation(run, { ...options, streamInterval }, [this.#closing.signal, ...closing])
  }
}
