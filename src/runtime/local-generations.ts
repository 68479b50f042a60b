import { optionError } from '../core/errors.ts'
import { logPrompt } from '../core/prompt-channel.ts'
import type {
  DeltaEvent,
  EndEvent,
  EventStream,
  ProgressEvent,
  Stage,
  UsageEvent,
} from '../generation/events.ts'
import { logprobReader } from '../generation/logprobs.ts'
import type { MakePrompt, TokenPrompt } from '../generation/prompt.ts'
import { type ReplyFormat, splitReply } from '../generation/stages/reply.ts'
import { untilStop } from '../generation/stages/stop.ts'
import { type TextEvent, toText } from '../generation/stages/text.ts'
import { generateTokens, type TokenEvent } from '../generation/tokens.ts'
import type { NativeBinding, NativeModel } from '../native/contract.ts'
import { pieceReader } from '../native/tokenizer.ts'
import type { ResolvedGenerateOptions } from '../options/generate.ts'
import { checkPromptText, type ResolvedModelOptions } from '../options/model.ts'
import type { Demand, Request, RequestOptions } from '../scheduler/request.ts'
import type { Scheduler } from '../scheduler/scheduler.ts'

/** @internal Runs the generations of a model in this process. */
export class LocalGenerations {
  readonly #binding: NativeBinding
  readonly #native: NativeModel
  readonly #scheduler: Scheduler
  readonly #options: Pick<ResolvedModelOptions, 'nCtx' | 'logger'>
  readonly #endTokens: ReadonlySet<number>
  readonly #bytesOf: (token: number) => Uint8Array

  constructor(
    binding: NativeBinding,
    native: NativeModel,
    scheduler: Scheduler,
    options: Pick<ResolvedModelOptions, 'nCtx' | 'logger'>,
  ) {
    this.#binding = binding
    this.#native = native
    this.#scheduler = scheduler
    this.#options = options
    this.#endTokens = new Set(native.info.endTokens)
    this.#bytesOf = pieceReader(native)
  }

  /**
   * Takes a place in line, makes the prompt, evaluates it, and yields the model's answer.
   * @throws {QueueFullError} `ERR_QUEUE_FULL` before the prompt is made
   */
  async *generate(
    makePrompt: MakePrompt,
    options: ResolvedGenerateOptions,
    demand: Demand,
    signal: AbortSignal,
  ): EventStream {
    signal.throwIfAborted()
    const request = this.#enter(signal, { looksUp: options.promptLookup, drafts: options.draft })
    const usage = new UsageOf(request)
    let log = () => {}
    try {
      const prompt = await makePrompt((work) => request.aside(work))
      signal.throwIfAborted()
      const promptTokens = prompt.tokens.length
      const { fits, dropped = [] } = prompt
      yield { type: 'prompt', promptTokens, dropped, fits }
      if (!fits) return yield { type: 'end', finishReason: 'length', stopSequence: undefined }
      checkPromptText(promptTokens)
      checkBias(this.#native, options)
      request.begin(prompt)
      log = () => {
        const { cachedTokens = 0 } = request
        logPrompt(this.#options.logger, { prompt: prompt.text, promptTokens, cachedTokens })
        log = () => {}
      }
      const spell = this.#stages(prompt)
      for await (const drawn of this.#tokens(request, prompt, options, demand, signal)) {
        log()
        const changed = usage.changed()
        if (changed) yield changed
        if (drawn.type === 'progress') {
          yield drawn
          continue
        }
        for (const event of spell(drawn)) {
          yield event
          if (event.type === 'end') return
        }
      }
    } catch (error) {
      const changed = usage.changed()
      if (changed) yield changed
      throw error
    } finally {
      log()
      request.release()
    }
  }

  #tokens(
    request: Request,
    { tokens }: TokenPrompt,
    options: ResolvedGenerateOptions,
    demand: Demand,
    signal: AbortSignal,
  ): AsyncIterable<TokenEvent | ProgressEvent | EndEvent> {
    const sampler = new this.#binding.Sampler(this.#native.info.vocabSize, options.sampling)
    if (options.penalizePrompt) sampler.lookBackOn(Int32Array.from(tokens))
    const step = {
      sampler,
      batchSize: options.nBatch,
      logprobs: options.logprobs,
      demand,
      signal,
    }
    const limits = {
      maxTokens: options.maxTokens,
      contextSize: this.#options.nCtx,
      endTokens: this.#endTokens,
      reportsProgress: options.onPromptProgress !== undefined,
    }
    return generateTokens(request, tokens, step, limits, logprobReader(this.#native))
  }

  /** What each token adds to the answer. */
  #stages({ reply, stop }: TokenPrompt): Stage<TokenEvent, DeltaEvent> {
    const text = toText(this.#reader(reply))
    const cut: Stage<TextEvent, TextEvent> = stop.length > 0 ? untilStop(stop) : (event) => [event]
    const split = splitReply(reply)
    return (event) => text(event).flatMap(cut).flatMap(split)
  }

  /**
   * Does what must come before a generation can make its prompt; meanwhile the generation counts as waiting.
   * @throws {QueueFullError} `ERR_QUEUE_FULL`
   */
  async inLine<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const request = this.#enter(signal, { looksUp: false, drafts: false })
    try {
      return await work()
    } finally {
      request.release()
    }
  }

  // An abort frees the place at once, before it is reported.
  #enter(signal: AbortSignal, options: RequestOptions): Request {
    const request = this.#scheduler.request(options)
    signal.addEventListener('abort', () => request.release(), { once: true })
    return request
  }

  /**
   * Reads the bytes of a token's text; those of a control token only where the parser of the answer needs
   * them.
   */
  #reader(reply: ReplyFormat | undefined): (token: number) => Uint8Array {
    const shown = new Map<number, Uint8Array>()
    for (const text of reply?.preservedTexts ?? []) {
      const [token, ...more] = this.#native.tokenize(text, false, true)
      if (token !== undefined && more.length === 0) shown.set(token, Buffer.from(text))
    }
    return (token) => shown.get(token) ?? this.#bytesOf(token)
  }
}

/** The usage of a request, as an event where it has changed. */
class UsageOf {
  readonly #request: Request
  #last: UsageEvent | undefined

  constructor(request: Request) {
    this.#request = request
  }

  changed(): UsageEvent | undefined {
    const { cachedTokens = 0, queueMs, proposed, accepted } = this.#request
    const last = this.#last
    if (
      last?.cachedTokens === cachedTokens &&
      last.queueMs === queueMs &&
      last.proposedTokens === proposed &&
      last.acceptedTokens === accepted
    )
      return undefined
    this.#last = { type: 'usage', cachedTokens, queueMs, proposedTokens: proposed, acceptedTokens: accepted }
    return this.#last
  }
}

function checkBias({ info }: NativeModel, { sampling }: ResolvedGenerateOptions): void {
  const unknown = sampling.biasedTokens.find((token) => token >= info.vocabSize)
  if (unknown !== undefined)
    throw optionError('logitBias', `token ids of this model, 0 to ${info.vocabSize - 1}`, unknown)
  const banned = sampling.biases.filter((bias) => bias === Number.NEGATIVE_INFINITY).length
  if (banned >= info.vocabSize)
    throw optionError(
      'logitBias',
      'at least one token that may be drawn',
      Number.NEGATIVE_INFINITY,
      `for all ${banned} tokens`,
    )
}
