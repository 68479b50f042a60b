import { AsyncResource } from 'node:async_hooks'
import { setMaxListeners } from 'node:events'
import { type InspectOptions, inspect } from 'node:util'
import { abortOf } from '../core/abort.ts'
import { DEFAULTS } from '../options/defaults.ts'
import type { ResolvedGenerateOptions } from '../options/generate.ts'
import { UNREAD_MS } from '../scheduler/runs.ts'
import type {
  DeltaEvent,
  EndEvent,
  EventStream,
  FinishReason,
  GenerationEvent,
  PromptEvent,
  UsageEvent,
} from './events.ts'
import type { TokenLogprob } from './logprobs.ts'
import type { Channel } from './reply.ts'
import type { GenerationResult, Part, PartialResult, Timings } from './result.ts'
import type { EventSource } from './source.ts'

// Both outside of the class: a function made inside would hold the generation as long as it is held itself.
// Nothing frees the slot here: the scheduler takes it from whoever does not ask.
function endOf(unlisten: () => void, source: EventSource): () => void {
  return () => {
    unlisten()
    source.end?.(undefined)
  }
}

const NO_PROMPT = { promptTokens: 0, dropped: [] }
const NO_USAGE = { cachedTokens: 0, queueMs: 0, proposedTokens: 0, acceptedTokens: 0 }
type End = Omit<EndEvent, 'type'>

const BREAK: End = { finishReason: 'break', stopSequence: undefined }
const BY_CALLBACK: End = { finishReason: 'callback', stopSequence: undefined }
const CUT: End = { finishReason: 'length', stopSequence: undefined }

/** Ends generations that nobody will end: their readers went away without `break`. A turn of a chat waits for its end. */
const abandoned = new FinalizationRegistry((end: () => void) => end())

/**
 * One generation: a promise of its text and an async iterable of its pieces. It starts when it is first awaited,
 * iterated or asked for its `result`. Iterated, it is pulled: the model computes the next token when the reader wants
 * it, and at most what it can in `streamInterval` ms beyond. `break` ends it; an abort, an error or a throwing callback rejects it, and what was made by then is `partial`.
 */
export class Generation implements Promise<string>, AsyncIterable<string> {
  readonly [Symbol.toStringTag] = 'Generation'
  readonly #source: EventSource
  readonly #options: ResolvedGenerateOptions
  readonly #signals: readonly AbortSignal[]
  readonly #stop = new AbortController()
  /** Rejects when the generation is aborted: for waits that know no signal. */
  readonly #aborted = abortOf(this.#stop.signal)
  readonly #demand = { interval: UNREAD_MS }
  readonly #parts: Part[] = []
  readonly #tokens: number[] = []
  readonly #logprobs: TokenLogprob[] = []
  /** Log probabilities that went out with the parts. */
  #sentLogprobs = 0
  #prompt: Pick<PromptEvent, 'promptTokens' | 'dropped'> = NO_PROMPT
  #usage: Omit<UsageEvent, 'type'> = NO_USAGE
  // Everything runs in the async context that generate() was called in, whoever pulls.
  readonly #inContext = AsyncResource.bind(<T>(run: () => T): T => run())
  #events: EventStream | undefined
  #advancing: Promise<boolean> | undefined
  #ended: { readonly result: GenerationResult } | { readonly error: unknown } | undefined
  #result: Promise<GenerationResult> | undefined
  #unlisten = () => {}
  #isStopped = false
  /** 0 until it starts. */
  #startedAt = 0
  #firstAt = 0
  #lastAt = 0

  /** @internal Made by `model.generate()`; each of `closing` ends it as the user's own signal does. */
  constructor(source: EventSource, options: ResolvedGenerateOptions, closing: readonly AbortSignal[]) {
    this.#source = source
    this.#options = options
    if (options.callback) this.#demand.interval = this.#readInterval
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
    const { promptTokens } = this.#prompt
    const { cachedTokens } = this.#usage
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
    this.#demand.interval = this.#readInterval
    try {
      while (read < this.#parts.length || (await this.#advance())) {
        const part = this.#parts[read]
        if (part === undefined) continue // a token without text of its own
        read++
        yield { ...part }
      }
    } finally {
      await this.#end(BREAK)
    }
  }

  /**
   * Ends it now, as `break` does, also from outside of the loop and in the middle of a long prompt: what was made is the
   * result, with `finishReason: 'break'`, and joins the conversation. (An abort rejects, and leaves the conversation as
   * it was.) After the end it does nothing.
   */
  async stop(): Promise<void> {
    if (this.#ended) return
    const advancing = this.#advancing
    if (advancing) {
      this.#isStopped = true
      this.#stop.abort(new Error('stopped')) // the token that is under way is not wanted
      await advancing.catch(() => {})
    }
    await this.#end(BREAK)
  }

  /** What `console.log(generation)` shows: a reminder, mostly, that it wants to be awaited or iterated. */
  [Symbol.for('nodejs.util.inspect.custom')](_depth: number, options: InspectOptions): string {
    const state = this.#ended ? ('error' in this.#ended ? 'failed' : 'done') : 'under way'
    const shown = { state: this.#events || this.#ended ? state : 'not started', text: this.partial.text }
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
      const delta = await this.#nextDelta()
      if (!delta || this.#ended) return false // the reader may have left meanwhile
      if (!(await this.#take(delta))) await this.#end(BY_CALLBACK)
      return true
    } catch (error) {
      if (this.#isStopped) await this.#end(BREAK)
      if (this.#ended && 'result' in this.#ended) return false
      if (!this.#ended) {
        this.#ended = { error }
        this.#source.end?.(undefined)
      }
      this.#unlisten()
      // Frees the slot. Not awaited: the source may be busy loading or tokenizing for a while.
      this.#events?.return().catch(() => {})
      throw error
    }
  }

  /** The next delta; `undefined` at the end. */
  async #nextDelta(): Promise<DeltaEvent | undefined> {
    let end: End = CUT
    for (;;) {
      const { done, value: event } = await this.#next()
      if (this.#ended) return undefined
      if (done) return void this.#finish(end)
      if (event.type === 'delta') return event
      if (event.type === 'prompt') this.#prompt = event
      else if (event.type === 'usage') this.#usage = event
      else end = event // reported once the source is through, and its slot free
    }
  }

  #next(): Promise<IteratorResult<GenerationEvent, void>> {
    if (!this.#events) {
      this.#startedAt = performance.now()
      for (const signal of this.#signals) signal.throwIfAborted()
      this.#listen()
      this.#events = this.#inContext(() => this.#source.start(this.#demand, this.#stop.signal))
      abandoned.register(this, endOf(this.#unlisten, this.#source))
    }
    const events = this.#events
    const next = this.#inContext(() => events.next())
    // Until the prompt is made the source may wait for things that know no signal: opening, a function of the program.
    return this.#prompt === NO_PROMPT ? Promise.race([next, this.#aborted]) : next
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

  /** Adds what came; false when the callback wants no more. */
  async #take({ token, text, reasoning, logprob, at }: DeltaEvent): Promise<boolean> {
    this.#lastAt = at
    if (this.#tokens.length === 0) this.#firstAt = at
    if (logprob) this.#logprobs.push(logprob)
    if (reasoning) this.#add('reasoning', reasoning)
    if (text) this.#add('answer', text)
    if (token !== undefined) this.#tokens.push(token)
    const { callback } = this.#options
    const tokenId = token ?? this.#tokens.at(-1)
    if (!callback || tokenId === undefined) return true
    const answer = this.#inContext(() => callback(tokenId, text))
    const wanted = answer instanceof Promise ? await Promise.race([answer, this.#aborted]) : answer
    // Text that was held back comes when the generation has ended already.
    return wanted !== false || token === undefined
  }

  #add(channel: Channel, text: string): void {
    const logprobs = this.#wantsLogprobs ? this.#logprobs.slice(this.#sentLogprobs) : undefined
    this.#parts.push({ channel, text, ...(logprobs && { logprobs }) })
    this.#sentLogprobs += logprobs?.length ?? 0
  }

  get #wantsLogprobs(): boolean {
    return this.#options.logprobs !== undefined
  }

  async #end(end: End): Promise<void> {
    if (this.#ended) return
    this.#finish(end)
    await this.#events?.return().catch(() => {})
  }

  #finish({ finishReason, stopSequence }: End): void {
    this.#unlisten()
    const made = this.partial
    this.#ended = {
      result: {
        ...made,
        finishReason,
        stopSequence,
        logprobs: this.#wantsLogprobs ? [...this.#logprobs] : undefined,
        seed: this.#options.sampling.seed,
        timings: this.#timings(finishReason),
        dropped: this.#prompt.dropped,
      },
    }
    this.#source.end?.(made)
  }

  #timings(finishReason: FinishReason): Timings {
    const firstAt = this.#tokens.length > 0 ? this.#firstAt : performance.now()
    const promptMs = this.#startedAt === 0 ? 0 : firstAt - this.#startedAt
    const { cachedTokens, queueMs, proposedTokens, acceptedTokens } = this.#usage
    const evaluated = this.#prompt.promptTokens - cachedTokens
    // A model may end its answer before it begins.
    const wasEvaluated = this.#tokens.length > 0 || finishReason === 'stop'
    const completionMs = this.#lastAt - this.#firstAt
    const perSecond = (count: number, ms: number) => (count > 0 && ms > 0 ? (count / ms) * 1000 : 0)
    return {
      queueMs,
      promptMs,
      completionMs,
      promptTokensPerSecond: wasEvaluated ? perSecond(evaluated, promptMs - queueMs) : 0,
      tokensPerSecond: perSecond(this.#tokens.length - 1, completionMs),
      proposedTokens,
      acceptedTokens,
    }
  }
}
