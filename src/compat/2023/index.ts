import { type ChatSession, type GenerateOptions, GPT4All as Model } from '../../index.ts'
import { warnOnce } from '../common/warn.ts'

/** What the names of 2023 stand for today: a chat model of a similar size, in GPT4All's list. */
const TODAY = 'Llama-3.2-3B-Instruct-Q4_0.gguf'
/** Files of 2023 that nothing opens any more. */
const GONE = /^(ggml-)?gpt4all-(lora|j|l13b|snoozy)/i

/** Options of the program that the package started, by the names of its flags. Unknown ones are ignored. */
export type DecoderConfig = Record<string, unknown>

/**
 * The class of the gpt4all package of 2023, version 1.0.0: `init()`, `open()`, `prompt()`, `close()`.
 *
 * @example
 * ```ts
 * const gpt4all = new GPT4All('gpt4all-lora-unfiltered-quantized', true)
 * await gpt4all.init()
 * await gpt4all.open()
 * console.log(await gpt4all.prompt('Write a poem about data science'))
 * gpt4all.close()
 * ```
 */
export class GPT4All {
  readonly #name: string
  readonly #decoderConfig: DecoderConfig
  #bot:
    | { readonly model: Model; readonly session: ChatSession; readonly options: GenerateOptions }
    | undefined

  /**
   * Names a model. Those of 2023 can no longer be opened: `Llama-3.2-3B-Instruct-Q4_0.gguf` takes their place, with a
   * warning. Other names, and paths, are those of `GPT4All.load()`.
   *
   * @param _forceDownload has no effect, as in 1.0.0: see `init()`
   * @param decoderConfig `n_predict` (128), `temp` (0.1), `top_k` (40), `top_p` (0.9), `repeat_penalty` (1.3),
   * `repeat_last_n` (64), `seed`, `threads`, `ctx_size` (2048) and `model`, a path
   */
  constructor(model = 'gpt4all-lora-quantized', _forceDownload = false, decoderConfig: DecoderConfig = {}) {
    this.#decoderConfig = { ...decoderConfig }
    const path = this.#decoderConfig.model
    const name = typeof path === 'string' ? path : model
    this.#name = GONE.test(name) ? TODAY : name
    if (this.#name !== name)
      warnOnce(`${name} is of a format that nothing opens any more: ${TODAY}, another model, is used.`)
  }

  /** Downloads the model if it is not there, or in any case with `forceDownload`. */
  async init(forceDownload = false): Promise<void> {
    if (forceDownload && !/[\\/]/.test(this.#name))
      await Model.downloadModel(this.#name, { force: true, verbose: true })
    else await Model.retrieveModel(this.#name, { verbose: true })
  }

  /** Counts calls of `open()` and `close()`: what they overtake is not used. */
  #calls = 0

  /** Opens the model for a new conversation, in place of one that is open. */
  async open(): Promise<void> {
    this.close()
    const call = this.#calls
    const { threads, ctx_size } = this.#decoderConfig
    const nThreads = countOf(threads)
    const nCtx = countOf(ctx_size)
    const model = await Model.load(this.#name, { ...(nThreads && { nThreads }), ...(nCtx && { nCtx }) })
    if (call !== this.#calls) return model.close() // it was closed or opened again meanwhile
    const options = generateOptions(this.#decoderConfig)
    this.#bot = { model, session: model.chatSession(), options }
  }

  /**
   * The answer to `prompt`, in the conversation that began with `open()`.
   *
   * @throws {Error} at once before `open()` and after `close()`
   */
  prompt(prompt: string): Promise<string> {
    if (!this.#bot) throw new Error('Bot is not initialized.')
    const { session, options } = this.#bot
    return session.generate(prompt, options).then((text) => text)
  }

  /** Ends the conversation and frees the model. A second call does nothing. */
  close(): void {
    this.#calls++
    this.#bot?.model.close().catch(() => {}) // there is nobody to hear of it
    this.#bot = undefined
  }
}

function generateOptions(config: DecoderConfig): GenerateOptions {
  const seed = numberOf(config.seed)
  return {
    maxTokens: countOf(config.n_predict) ?? 128,
    temp: Math.max(0, numberOf(config.temp) ?? 0.1),
    topK: countOf(config.top_k, 0) ?? 40,
    topP: Math.min(1, Math.max(0, numberOf(config.top_p) ?? 0.9)),
    repeatPenalty: Math.max(1e-6, numberOf(config.repeat_penalty) ?? 1.3),
    repeatLastN: countOf(config.repeat_last_n, 0) ?? 64,
    penalizePrompt: true,
    ...(seed !== undefined && seed >= 0 && { seed: Math.floor(seed) % 2 ** 32 }),
  }
}

/** Flags came as numbers or as text. */
function numberOf(value: unknown): number | undefined {
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value
  return typeof number === 'number' && Number.isFinite(number) ? number : undefined
}

/** An integer of at least `least`. */
function countOf(value: unknown, least = 1): number | undefined {
  const number = numberOf(value)
  return number === undefined || number < least ? undefined : Math.floor(number)
}
