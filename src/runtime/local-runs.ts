import { optionError } from '../core/errors.ts'
import { logPrompt } from '../core/logger.ts'
import { logprobsInto } from '../generation/logprobs.ts'
import { type Delta, type ReplyFormat, splitReply } from '../generation/reply.ts'
import type { Prepare, RunRecord } from '../generation/run.ts'
import { untilStop } from '../generation/stop.ts'
import { toText } from '../generation/text.ts'
import { generateTokens } from '../generation/tokens.ts'
import type { NativeBinding, NativeModel } from '../native/contract.ts'
import { pieceReader } from '../native/tokenizer.ts'
import type { ResolvedGenerateOptions } from '../options/generate.ts'
import { checkPromptText, type ResolvedModelOptions } from '../options/model.ts'
import type { Request, RequestOptions } from '../scheduler/request.ts'
import type { Scheduler } from '../scheduler/scheduler.ts'

/** @internal Runs the generations of a model of this process. */
export class LocalRuns {
  readonly #binding: NativeBinding
  readonly #native: NativeModel
  readonly #engine: Scheduler
  readonly #options: Pick<ResolvedModelOptions, 'nCtx' | 'logger'>
  readonly #endTokens: ReadonlySet<number>
  readonly #bytesOf: (token: number) => Uint8Array

  constructor(
    binding: NativeBinding,
    native: NativeModel,
    engine: Scheduler,
    options: Pick<ResolvedModelOptions, 'nCtx' | 'logger'>,
  ) {
    this.#binding = binding
    this.#native = native
    this.#engine = engine
    this.#options = options
    this.#endTokens = new Set(native.info.endTokens)
    this.#bytesOf = pieceReader(native)
  }

  /**
   * Takes a place in line, makes the prompt, evaluates it, and yields what the model answers.
   * @throws {QueueFullError} `ERR_QUEUE_FULL` before the prompt is made
   */
  async *run(
    prepare: Prepare,
    options: ResolvedGenerateOptions,
    record: RunRecord,
    signal: AbortSignal,
  ): AsyncGenerator<Delta, void, void> {
    signal.throwIfAborted()
    const request = this.#enter(signal, { looksUp: options.promptLookup, drafts: options.draft })
    let tell = () => {}
    try {
      const prompt = await prepare((work) => request.aside(work))
      signal.throwIfAborted()
      record.promptTokens = prompt.tokens.length
      record.dropped = prompt.dropped ?? []
      if (prompt.full) return
      checkPromptText(prompt.tokens.length)
      record.onPrompt?.()
      checkBias(this.#native, options)
      request.moved = prompt.moved ?? false
      request.conversation = prompt.conversation ?? request
      const step = {
        sampler: new this.#binding.Sampler(this.#native.info.vocabSize, options.sampling),
        batchSize: options.nBatch,
        logprobs:
          options.logprobs === undefined
            ? undefined
            : logprobsInto(record.logprobs, options.logprobs, this.#native),
        reader: record.reader,
        signal,
      }
      const limits = {
        maxTokens: options.maxTokens,
        contextSize: this.#options.nCtx,
        endTokens: this.#endTokens,
      }
      record.refresh = () => {
        record.cachedTokens = request.cachedTokens ?? 0
        record.queueMs = request.queueMs
        record.guessed = { proposedTokens: request.proposed, acceptedTokens: request.accepted }
      }
      let told = false
      tell = () => {
        record.refresh()
        if (told) return
        told = true
        const { promptTokens, cachedTokens } = record
        logPrompt(this.#options.logger, { prompt: prompt.text, promptTokens, cachedTokens })
      }
      const tokens = generateTokens(request, prompt.tokens, step, limits, record.outcome)
      const pieces = toText(tokens, this.#reader(prompt.reply, record))
      const released = untilStop(pieces, prompt.stop, record.outcome)
      for await (const spoken of splitReply(released, prompt.reply, record.transcript, record.outcome)) {
        tell()
        yield spoken
      }
    } finally {
      tell()
      request.release()
    }
  }

  /**
   * Does what is to be done before a generation can make its prompt; that counts as one that waits meanwhile.
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

  // Whoever is told of an abort finds the place free.
  #enter(signal: AbortSignal, options: RequestOptions): Request {
    const request = this.#engine.request(options)
    signal.addEventListener('abort', () => request.release(), { once: true })
    return request
  }

  /** The bytes of a token's text, counted; those of control tokens only where the parser of the answer needs them. */
  #reader(reply: ReplyFormat | undefined, record: RunRecord): (token: number) => Uint8Array {
    const shown = new Map<number, Uint8Array>()
    for (const text of reply?.preservedTexts ?? []) {
      const [token, ...more] = this.#native.tokenize(text, false, true)
      if (token !== undefined && more.length === 0) shown.set(token, Buffer.from(text))
    }
    return (token) => {
      const bytes = shown.get(token) ?? this.#bytesOf(token)
      record.tokenBytes += bytes.length
      return bytes
    }
  }
}

function checkBias({ info }: NativeModel, { sampling }: ResolvedGenerateOptions): void {
  const unknown = sampling.biasedTokens.find((token) => token >= info.vocabSize)
  if (unknown !== undefined)
    throw optionError('logitBias', `token ids of this model, 0 to ${info.vocabSize - 1}`, unknown)
}
