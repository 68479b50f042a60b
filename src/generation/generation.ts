import { AsyncResource } from 'node:async_hooks'
import { setMaxListeners } from 'node:events'
import { type InspectOptions, inspect } from 'node:util'
import { abortOf } from '../core/abort.ts'
import type { ResolvedGenerateOptions } from '../options/generate.ts'
import { DEFAULTS } from '../options/model.ts'
import { UNREAD_MS } from '../scheduler/runs.ts'
import type { TokenLogprob } from './logprobs.ts'
import type { Channel, Delta } from './reply.ts'
import type { GenerationResult, Part, PartialResult, Timings } from './result.ts'
import { newRecord, type RunRecord, type StartRun } from './run.ts'
import type { FinishReason } from './tokens.ts'

// Both outside of the class: a function made inside would hold the generation as long as it is held itself.
// Its slot needs no word: the engine takes it from whoever does not ask.
function endOf(unlisten: () => void, record: RunRecord): () => void {
  return () => {
    unlisten()
    record.onEnd?.(undefined)
  }
}

/** Ends generations that nobody will end: their readers went away without `break`. A turn of a chat waits for its end. */
const abandoned = new FinalizationRegistry((end: () => void) => end())

/**
 * One generation: a promise of its text and an async iterable of its pieces. It starts when it is first awaited,
 * iterated or asked for its `result`. Iterated, it is pulled: the model computes the next token when the reader wants
 * it, and at most what it can in `streamInterval` ms beyond. `break` ends it; an abort, an error or a throwing callback rejects it, and what was made by then is `partial`.
 */
export class Generation implements Promise<string>, AsyncIterable<string> {
  readonly [Symbol.toStringTag] = 'Generation'
  readonly #start: StartRun
  readonly #options: ResolvedGenerateOptions
  readonly #signals: readonly AbortSignal[]
  readonly #stop = new AbortController()
  /** Rejects when the generation is aborted: for waits that know no signal. */
  readonly #aborted = abortOf(this.#stop.signal)
  readonly #reader = { interval: UNREAD_MS }
  readonly #record = newRecord(this.#reader)
  readonly #parts: Part[] = []
  readonly #tokens: number[] = []
  /** Log probabilities that went out with the parts. */
  #toldLogprobs = 0
  // Everything runs in the async context that generate() was called in, whoever pulls.
  readonly #inContext = AsyncResource.bind(<T>(run: () => T): T => run())
  #source: AsyncGenerator<Delta, void, void> | undefined
  #advancing: Promise<boolean> | undefined
  #ended: { readonly result: GenerationResult } | { readonly error: unknown } | undefined
  #result: Promise<GenerationResult> | undefined
  #unlisten = () => {}
  /** 0 until it starts. */
  #startedAt = 0
  #firstAt = 0
  #lastAt = 0

  /** @internal Made by `model.generate()`; each of `closing` ends it as the user's own signal does. */
  constructor(start: StartRun, options: ResolvedGenerateOptions, closing: readonly AbortSignal[]) {
    this.#start = start
    this.#options = options
    if (options.callback) this.#reader.interval = this.#readInterval
    this.#signals = options.signal ? [options.signal, ...closing] : closing
    this.#aborted.catch(() => {}) // nobody may be waiting
  }

  get #readInterval(): number {
    return this.#options.streamInterval ?? DEFAULTS.streamInterval
  }

  /** The text and how it came to be. */
  get result(): Promise<GenerationResult> {
    this.#result ??= this.#runToEnd()
    return this.#result
  }

  /** What was made so far; of interest after a failure or an abort. */
  get partial(): PartialResult {
    const of = (channel: Channel) =>
      this.#parts.map((part) => (part.channel === channel ? part.text : '')).join('')
    this.#record.refresh()
    const { promptTokens, cachedTokens } = this.#record
    const usage = { promptTokens, cachedTokens, completionTokens: this.#tokens.length }
    return { text: of('answer'), reasoning: of('reasoning'), tokens: [...this.#tokens], usage }
  }

  // biome-ignore lint/suspicious/noThenProperty: a generation is meant to be awaited
  then<T = string, E = never>(
    onFulfilled?: ((text: string) => T | PromiseLike<T>) | null,
    onRejected?: ((reason: unknown) => E | PromiseLike<E>) | null,
  ): Promise<T | E> {
    return this.result.then((result) => result.text).then(onFulfilled, onRejected)
  }

  catch<E = never>(onRejected?: ((reason: unknown) => E | PromiseLike<E>) | null): Promise<string | E> {
    return this.then(undefined, onRejected)
  }

  finally(onFinally?: (() => void) | null): Promise<string> {
    return this.then().finally(onFinally)
  }

  /** Pieces of the answer as they come, none of them empty. A later iteration gets the same pieces again. */
  async *[Symbol.asyncIterator](): AsyncGenerator<string, void, void> {
    for await (const { channel, text } of this.parts()) if (channel === 'answer') yield text
  }

  /** The same with the reasoning: each piece says which `channel` it belongs to, `reasoning` or `answer`. */
  async *parts(): AsyncGenerator<Part, void, void> {
    let read = 0
    this.#reader.interval = this.#readInterval
    try {
      while (read < this.#parts.length || (await this.#advance())) {
        const part = this.#parts[read]
        if (part === undefined) continue // a token without text of its own
        read++
        yield { ...part }
      }
    } finally {
      await this.#end('break')
    }
  }

  /**
   * Ends it now, as `break` does, also from outside of the loop and in the middle of a long prompt: what was made is the
   * result, with `finishReason: 'break'`, and joins the conversation. (An abort rejects, and leaves the conversation as
   * it was.) After the end it does nothing.
   */
  async stop(): Promise<void> {
    if (this.#ended) return
    const busy = this.#advancing !== undefined
    const ending = this.#end('break')
    if (!busy) return ending
    this.#stop.abort(new Error('stopped')) // nobody wants the token that is under way
    await this.#advancing?.catch(() => {})
  }

  /** What `console.log(generation)` shows: a reminder, mostly, that it wants to be awaited or iterated. */
  [Symbol.for('nodejs.util.inspect.custom')](_depth: number, options: InspectOptions): string {
    const state = this.#ended ? ('error' in this.#ended ? 'failed' : 'done') : 'under way'
    const shown = { state: this.#source || this.#ended ? state : 'not started', text: this.partial.text }
    return `Generation ${inspect(shown, options)}`
  }

  async #runToEnd(): Promise<GenerationResult> {
    while (await this.#advance()) {}
    if (this.#ended && 'result' in this.#ended) return this.#ended.result
    throw new Error('a generation that does not advance has ended')
  }

  /** One more token; false at the end. Readers that ask at the same time share the step. */
  #advance(): Promise<boolean> {
    this.#advancing ??= this.#pull().finally(() => {
      this.#advancing = undefined
    })
    return this.#advancing
  }

  async #pull(): Promise<boolean> {
    if (this.#ended) {
      if ('error' in this.#ended) throw this.#ended.error
      return false
    }
    try {
      const { done, value } = await this.#next()
      if (this.#ended) return false // the reader left meanwhile
      if (done) return this.#finish()
      if (!(await this.#take(value))) await this.#end('callback')
      return true
    } catch (error) {
      if (this.#ended && 'result' in this.#ended) return false // stopped while it was under way
      if (!this.#ended) {
        this.#ended = { error }
        this.#record.onEnd?.(undefined)
      }
      this.#unlisten()
      // Frees the slot. Not awaited: the source may be busy loading or tokenizing for a while.
      this.#source?.return().catch(() => {})
      throw error
    }
  }

  #next(): Promise<IteratorResult<Delta, void>> {
    if (this.#source) return this.#advanceSource(this.#source)
    this.#startedAt = performance.now()
    for (const signal of this.#signals) signal.throwIfAborted()
    this.#listen()
    const source = this.#inContext(() => this.#start(this.#record, this.#stop.signal))
    this.#source = source
    abandoned.register(this, endOf(this.#unlisten, this.#record))
    // Until the first token the source may wait for things that know no signal: opening, tokenizing.
    return Promise.race([this.#advanceSource(source), this.#aborted])
  }

  #advanceSource(source: AsyncGenerator<Delta, void, void>) {
    return this.#inContext(() => source.next())
  }

  #listen(): void {
    const weak = new WeakRef(this)
    const onAbort = (event: Event) => {
      const generation = weak.deref()
      if (generation) generation.#abort((event.target as AbortSignal).reason)
    }
    const signals = this.#signals
    this.#unlisten = () => {
      for (const signal of signals) signal.removeEventListener('abort', onAbort)
    }
    for (const signal of signals) {
      setMaxListeners(0, signal) // one listener per generation under way is no leak
      signal.addEventListener('abort', onAbort, { once: true })
    }
  }

  // A reader that is slow to pull holds a slot: an abort must not wait for its next pull.
  #abort(reason: unknown): void {
    this.#stop.abort(reason)
    this.#advance().catch(() => {})
  }

  /** Notes what came; false when the callback wants no more. */
  async #take({ token, text, reasoning }: Delta): Promise<boolean> {
    this.#lastAt = this.#record.madeAt ?? performance.now()
    if (this.#tokens.length === 0) this.#firstAt = this.#lastAt
    if (reasoning) this.#say('reasoning', reasoning)
    if (text) this.#say('answer', text)
    if (token !== undefined) this.#tokens.push(token)
    const { callback } = this.#options
    const tokenId = token ?? this.#tokens.at(-1)
    if (!callback || tokenId === undefined) return true
    const answer = this.#inContext(() => callback(tokenId, text))
    const wanted = answer instanceof Promise ? await Promise.race([answer, this.#aborted]) : answer
    // Text that was held back comes when the generation has ended already.
    return wanted !== false || token === undefined
  }

  #say(channel: Channel, text: string): void {
    const logprobs = this.#logprobs?.slice(this.#toldLogprobs)
    this.#parts.push({ channel, text, ...(logprobs && { logprobs }) })
    this.#toldLogprobs += logprobs?.length ?? 0
  }

  get #logprobs(): readonly TokenLogprob[] | undefined {
    return this.#options.logprobs === undefined ? undefined : this.#record.logprobs
  }

  async #end(reason: FinishReason): Promise<void> {
    if (this.#ended) return
    this.#record.outcome.finishReason = reason
    this.#finish()
    await this.#source?.return().catch(() => {})
  }

  #finish(): false {
    this.#unlisten()
    const made = this.partial
    const { outcome, promptTokens, cachedTokens, dropped, onEnd } = this.#record
    this.#ended = {
      result: {
        ...made,
        ...outcome,
        logprobs: this.#logprobs?.slice(0, this.#tokens.length),
        seed: this.#options.sampling.seed,
        timings: this.#timings(promptTokens - cachedTokens),
        dropped,
      },
    }
    onEnd?.(made)
    return false
  }

  #timings(evaluated: number): Timings {
    const firstAt = this.#tokens.length > 0 ? this.#firstAt : performance.now()
    const promptMs = this.#startedAt === 0 ? 0 : firstAt - this.#startedAt
    const { queueMs, guessed, outcome } = this.#record
    // A model may end its answer before it begins.
    const wasEvaluated = this.#tokens.length > 0 || outcome.finishReason === 'stop'
    const completionMs = this.#lastAt - this.#firstAt
    const perSecond = (count: number, ms: number) => (count > 0 && ms > 0 ? (count / ms) * 1000 : 0)
    return {
      queueMs,
      promptMs,
      completionMs,
      promptTokensPerSecond: wasEvaluated ? perSecond(evaluated, promptMs - queueMs) : 0,
      tokensPerSecond: perSecond(this.#tokens.length - 1, completionMs),
      ...guessed,
    }
  }
}
