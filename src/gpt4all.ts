import { basename } from 'node:path'
import { type InspectOptions, inspect } from 'node:util'
import { type ChatMessage, renderMessages } from './chat/template.ts'
import { Engine } from './engine/engine.ts'
import { type Released, untilStop } from './engine/stop.ts'
import { toText } from './engine/text.ts'
import { generateTokens } from './engine/tokens.ts'
import { ClosedError, ContextOverflowError, optionError } from './errors.ts'
import { Generation, type RunRecord } from './generation.ts'
import { findModel, locateModel, type ModelLocation } from './models/locate.ts'
import { type OpenedModel, openModel } from './models/open.ts'
import { loadBinding } from './native/binding.ts'
import { decode, encode, pieceReader } from './native/tokenizer.ts'
import type { NativeBinding } from './native/types.ts'
import {
  type GenerateOptions,
  type ModelOptions,
  RESERVED_TOKENS,
  type ResolvedGenerateOptions,
  type ResolvedModelOptions,
  resolveGenerateOptions,
  resolveModelOptions,
  resolveTokenizeOptions,
  type TokenizeOptions,
} from './options.ts'

/** What a loaded model says of itself. */
export type ModelConfig = {
  /** The file's name, e.g. `Llama-3.2-1B-Instruct-Q4_0.gguf` */
  readonly filename: string
  readonly path: string
  /** Bytes of the file, or of all files of a split model. */
  readonly filesize: number
  /** `general.name` of the GGUF; the file's name where it has none. */
  readonly name: string
  /** e.g. `llama` */
  readonly architecture: string
  /** llama.cpp's description: kind, size and quantization. */
  readonly description: string
  /** Number of weights. */
  readonly parameters: number
  /** Tokens of context the model was trained with. */
  readonly trainedContextSize: number
  readonly vocabularySize: number
  /** Jinja source from the GGUF; `undefined` where it has none. */
  readonly chatTemplate: string | undefined
  /** The GGUF's scalar metadata, as text. */
  readonly metadata: Readonly<Record<string, string>>
}

type Opened = OpenedModel & {
  readonly binding: NativeBinding
  readonly engine: Engine
  readonly endTokens: ReadonlySet<number>
  readonly bytesOf: (token: number) => Uint8Array
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
  readonly #location: ModelLocation
  readonly #options: ResolvedModelOptions
  readonly #closing = new AbortController()
  #opening: Promise<Opened> | undefined
  #opened: Opened | undefined
  #closed: Promise<void> | undefined

  /**
   * Names a model without touching the disk: it is opened by `open()` or by the first call that needs it.
   *
   * @param name a name within `modelPath`, or a path. `.gguf` is appended where missing.
   * @throws {TypeError | RangeError} `ERR_OPTION` for a bad name or option
   */
  constructor(name: string, options?: ModelOptions) {
    this.#options = resolveModelOptions(options)
    this.#location = locateModel(name, this.#options.modelPath)
  }

  /**
   * `new GPT4All(name, options)` and `open()` in one.
   *
   * @throws {ModelError} when the file is missing, unreadable, no GGUF, damaged, or of an unsupported kind
   * @throws {OutOfMemoryError} `ERR_MEMORY` when weights and context do not fit into this machine
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
   * Generates text that continues `prompt`. Await it for the text, iterate it for the pieces, or ask for its
   * `result`. Special tokens written in the prompt (`<|im_start|>`) are read as such, since templates are written by
   * hand here; `renderPrompt()` writes them for you.
   *
   * @throws {TypeError | RangeError} `ERR_OPTION` at once for a bad prompt or option. The generation rejects with
   * `ContextOverflowError` when the prompt has more than `contextSize - 4` tokens, `signal.reason` when aborted,
   * `ERR_CLOSED` when the model is closed, and whatever `open()` throws.
   */
  generate(prompt: string, options?: GenerateOptions): Generation {
    if (typeof prompt !== 'string') throw optionError('prompt', 'a string', prompt)
    const resolved = resolveGenerateOptions(options)
    const start = (record: RunRecord, signal: AbortSignal) => this.#run(prompt, resolved, record, signal)
    return new Generation(start, resolved, this.#closing.signal)
  }

  /** The prompt that asks this model for its answer to `messages`, in the format it was trained on. */
  async renderPrompt(messages: readonly ChatMessage[]): Promise<string> {
    return renderMessages((await this.#open()).native, messages)
  }

  /** Token ids of `text`. */
  async tokenize(text: string, options?: TokenizeOptions): Promise<number[]> {
    if (typeof text !== 'string') throw optionError('text', 'a string', text)
    const { addSpecial, parseSpecial } = resolveTokenizeOptions(options)
    const { native } = await this.#open()
    return Array.from(await encode(native, text, addSpecial, parseSpecial))
  }

  /** Text of token ids; special tokens are written out. The inverse of `tokenize()`. */
  async detokenize(tokens: Iterable<number>): Promise<string> {
    if (typeof tokens !== 'object' || tokens === null || !(Symbol.iterator in tokens)) {
      throw optionError('tokens', 'an iterable of token ids', tokens)
    }
    const ids = Array.from(tokens)
    const { native } = await this.#open()
    const last = native.info.vocabSize - 1
    const wrong = ids.find((id) => !Number.isInteger(id) || id < 0 || id > last)
    if (wrong !== undefined) throw optionError('tokens', `integers from 0 to ${last}`, wrong)
    return decode(native, Int32Array.from(ids))
  }

  /** Tokens that `generate(text)` would evaluate, the model's own start token included. */
  async countTokens(text: string): Promise<number> {
    return (await this.tokenize(text, { addSpecial: true, parseSpecial: true })).length
  }

  /** Tokens the context holds, prompt and answer together (`nCtx`). */
  get contextSize(): number {
    return this.#options.nCtx
  }

  /** What computes: `cpu`, `cuda`, `vulkan`, `metal` ...; `undefined` before the model is open. */
  get backend(): string | undefined {
    if (!this.#opened) return undefined
    const device = this.#opened.devices[0]
    return device ? device.name.replace(/\d+$/, '').toLowerCase() : 'cpu'
  }

  /** Name of the GPU in use; `undefined` on the CPU, as in Python, and before the model is open. */
  get device(): string | undefined {
    return this.#opened?.devices[0]?.description
  }

  /** What the model says of itself; `undefined` before it is open. */
  get config(): ModelConfig | undefined {
    if (!this.#opened) return undefined
    const { native, header } = this.#opened
    const { info } = native
    return {
      filename: basename(header.path),
      path: header.path,
      filesize: header.fileBytes,
      name: info.metadata['general.name'] ?? basename(header.path),
      architecture: header.architecture,
      description: info.description,
      parameters: info.parameters,
      trainedContextSize: info.trainedContextSize,
      vocabularySize: info.vocabSize,
      chatTemplate: info.metadata['tokenizer.chat_template'],
      metadata: info.metadata,
    }
  }

  /** What `console.log(model)` shows. */
  [Symbol.for('nodejs.util.inspect.custom')](_depth: number, options: InspectOptions): string {
    const state = this.#closing.signal.aborted ? 'closed' : this.#opened ? 'open' : 'not open'
    const { contextSize, backend, device } = this
    const shown = { model: basename(this.#location.asGiven), state, contextSize, backend, device }
    return `GPT4All ${inspect(shown, options)}`
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
    await opened?.engine.close()
    opened?.native.close()
    this.#opened = undefined
  }

  // A failed attempt is forgotten, so that the file can be repaired and opened again.
  #open(): Promise<Opened> {
    if (this.#closing.signal.aborted) return Promise.reject(this.#closing.signal.reason)
    this.#opening ??= this.#load().catch((error: unknown) => {
      this.#opening = undefined
      throw error
    })
    return this.#opening
  }

  async #load(): Promise<Opened> {
    const { signal } = this.#closing
    const binding = loadBinding()
    const model = await openModel(binding, await findModel(this.#location), this.#options, signal)
    const { native } = model
    const { nCtx, nThreads, fixedThreads, logger } = this.#options
    if (nCtx > native.info.trainedContextSize) {
      const trained = native.info.trainedContextSize
      logger.warn(
        `nCtx ${nCtx} is more than the ${trained} tokens the model was trained with: expect poor text beyond`,
      )
    }
    const shape = {
      contextSize: nCtx,
      threads: nThreads,
      // A recurrent state cannot take back a step that was given up.
      yields: !fixedThreads && !native.info.isRecurrent && !native.info.isHybrid,
      logger,
    }
    const engine = await Engine.open(binding, native, shape).catch((error) => {
      native.close()
      throw error
    })
    const endTokens = new Set(native.info.endTokens)
    this.#opened = { ...model, binding, engine, endTokens, bytesOf: pieceReader(native) }
    return this.#opened
  }

  async *#run(
    prompt: string,
    options: ResolvedGenerateOptions,
    record: RunRecord,
    signal: AbortSignal,
  ): AsyncGenerator<Released, void, void> {
    const { binding, native, engine, endTokens, bytesOf } = await this.#open()
    signal.throwIfAborted()
    const promptTokens = await encode(native, prompt, true, true)
    signal.throwIfAborted()
    this.#checkLength(promptTokens.length)
    record.promptTokens = promptTokens.length
    const sequence = engine.sequence()
    const step = {
      sampler: new binding.Sampler(native.info.vocabSize, options.sampling),
      batchSize: options.nBatch,
      signal,
    }
    const limits = { maxTokens: options.maxTokens, contextSize: this.contextSize, endTokens }
    try {
      const tokens = generateTokens(sequence, promptTokens, step, limits, record.outcome)
      for await (const released of untilStop(toText(tokens, bytesOf), options.stop, record.outcome)) {
        record.cachedTokens = sequence.cachedTokens ?? 0
        yield released
      }
    } finally {
      record.cachedTokens = sequence.cachedTokens ?? 0
      sequence.release()
    }
  }

  #checkLength(promptTokens: number): void {
    if (promptTokens === 0)
      throw optionError('prompt', 'text (this model adds no start token to an empty one)', '')
    const most = this.contextSize - RESERVED_TOKENS
    if (promptTokens > most) throw new ContextOverflowError(promptTokens, this.contextSize, most)
  }
}
