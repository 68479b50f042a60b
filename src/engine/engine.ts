import { ClosedError, QueueFullError } from '../errors.ts'
import type { Logger } from '../logger.ts'
import type { CacheOptions } from '../models/memory.ts'
import { nativeCode, translateFailure } from '../native/failures.ts'
import type { NativeBinding, NativeContext, NativeEvalResult, NativeModel } from '../native/types.ts'
import { DEFAULTS } from '../options.ts'
import { type Ask, gather, sizesOf, type Work } from './gather.ts'
import { LookupPace, MOST_PROPOSED } from './lookup.ts'
import { Pace } from './pace.ts'
import { Placement } from './placement.ts'
import { Sequence, type SequenceOptions, type StepOptions } from './sequence.ts'
import { SLICE } from './slices.ts'
import { Slots } from './slots.ts'
import { StateCache } from './state-cache.ts'
import { Threads } from './threads.ts'

export type EngineShape = {
  /** Tokens of one conversation. */
  readonly contextSize: number
  readonly threads: number
  readonly cache: CacheOptions
  /** Use fewer threads while other programs want the cores, instead of waiting for each other. */
  readonly yields: boolean
  /** The same tokens give the same logits, bit for bit, whatever was cached or asked before. */
  readonly deterministic: boolean
  /** The most sequences that are evaluated side by side. */
  readonly parallel: number
  /** Those for which there are slots from the beginning; more are made when they are needed. */
  readonly reserved: number
  /** The most sequences that may wait for a slot. */
  readonly maxQueue: number
  /** Bytes for the states of conversations that lost their slots. */
  readonly cacheMemory: number
  readonly logger: Logger
}

/**
 * Runs the sequences of one context. They ask for their next token; the engine gathers what is asked, gives each
 * a slot of the KV cache, evaluates once for all, and answers. Any number may ask at once: those without a slot
 * wait in line.
 */
export class Engine {
  readonly #make: (sequences: number) => Promise<NativeContext>
  #context: NativeContext
  readonly #slots: Slots<Sequence>
  readonly #placement: Placement
  readonly #threads: Threads
  readonly #pace = new Pace()
  readonly #shape: EngineShape
  readonly #lookupPace = new LookupPace()
  /** Wrong guesses can be taken back. */
  readonly #canGuess: boolean
  #mostSlots: number
  #threadCount = 0
  #asks: Ask[] = []
  #stepping: readonly Work[] = []
  #running = false
  #growing = Promise.resolve()
  #idleTimer: NodeJS.Timeout | undefined
  #closed = false

  private constructor(
    make: (sequences: number) => Promise<NativeContext>,
    context: NativeContext,
    native: NativeModel,
    shape: EngineShape,
  ) {
    this.#make = make
    this.#context = context
    this.#shape = shape
    this.#mostSlots = shape.deterministic ? 1 : shape.parallel
    this.#threads = new Threads(shape.threads)
    this.#setThreads(shape.threads)
    this.#slots = new Slots(context.info.sequences)
    const rollsBack = !native.info.isRecurrent && !native.info.isHybrid
    this.#canGuess = rollsBack && !shape.deterministic
    this.#placement = new Placement(context, this.#slots, new StateCache(shape.cacheMemory), {
      ...shape,
      rollsBack,
      keepsAll: native.info.slidingWindow === 0,
    })
  }

  static async open(binding: NativeBinding, model: NativeModel, shape: EngineShape): Promise<Engine> {
    const batchSize = Math.min(DEFAULTS.nBatch, shape.contextSize)
    const microBatchSize = shape.deterministic ? Math.min(SLICE, batchSize) : batchSize
    const make = (sequences: number) =>
      binding.Context.create(model, {
        contextSize: shape.contextSize,
        sequences,
        batchSize: Math.max(batchSize, sequences, MOST_PROPOSED + 1),
        microBatchSize: Math.max(microBatchSize, sequences, MOST_PROPOSED + 1),
        maxOutputs: Math.max(sequences, MOST_PROPOSED + 1),
        threads: shape.threads,
        batchThreads: shape.threads,
        poll: 50,
        ...shape.cache,
      })
    try {
      return new Engine(make, await make(shape.deterministic ? 1 : shape.reserved), model, shape)
    } catch (error) {
      throw translateFailure(error, `A context of ${shape.contextSize} tokens (nCtx)`)
    }
  }

  /** A new, empty sequence. It takes no slot before its first step. */
  sequence(options: SequenceOptions): Sequence {
    return new Sequence(this, { ...options, guesses: options.guesses && this.#canGuess })
  }

  /** Waits for the step under way to be interrupted; whoever asked is rejected with `ERR_CLOSED`. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#idleTimer)
    for (const ask of [...this.#asks]) this.#settle(ask, () => ask.reject(new ClosedError('The model')))
    await this.#growing
    await this.#context.close()
    this.#placement.clear()
  }

  /** @internal Evaluates what `sequence` holds beyond its cache and draws the next token. */
  ask(sequence: Sequence, options: StepOptions): Promise<readonly number[]> {
    if (this.#closed) return Promise.reject(new ClosedError('The model'))
    if (options.signal?.aborted) return Promise.reject(options.signal.reason)
    if (this.#isFull(sequence)) return Promise.reject(new QueueFullError(this.#shape.maxQueue))
    return new Promise((resolve, reject) => {
      const ask: Ask = { ...options, sequence, resolve, reject, onAbort: () => this.#abort(ask) }
      options.signal?.addEventListener('abort', ask.onAbort, { once: true })
      this.#asks.push(ask)
      this.#wake()
    })
  }

  /** @internal The sequence is done: its slot is free, its tokens stay cached. */
  release(sequence: Sequence): void {
    const slot = this.#slots.of(sequence)
    if (slot) slot.owner = undefined
    this.#wake()
  }

  // Only who never had a slot is turned away.
  #isFull(sequence: Sequence): boolean {
    if (sequence.cachedTokens !== undefined || this.#slots.of(sequence)) return false
    const free = this.#mostSlots - this.#slots.all.length + this.#slots.free(this.#isWaiting)
    return this.#waiting().length >= free + this.#shape.maxQueue
  }

  /** Those who ask and have no slot. */
  #waiting(): Ask[] {
    return this.#asks.filter((ask) => !this.#slots.of(ask.sequence))
  }

  #isWaiting = (sequence: Sequence) => this.#asks.some((ask) => ask.sequence === sequence)

  #abort(ask: Ask): void {
    this.#settle(ask, () => ask.reject(ask.signal?.reason))
    const stillWanted = this.#stepping.some((work) => this.#asks.includes(work.ask))
    if (this.#stepping.length > 0 && !stillWanted) this.#context.abort()
  }

  #settle(ask: Ask, answer: () => void): void {
    ask.signal?.removeEventListener('abort', ask.onAbort)
    this.#asks = this.#asks.filter((other) => other !== ask)
    answer()
  }

  // Sequences that were answered by the last step ask again within this turn of the event loop. When all that
  // hold a slot have done so there is nothing to wait for.
  #wake(): void {
    if (this.#running || this.#asks.length === 0) return
    this.#running = true
    const everyoneAsked = this.#slots.all.every((slot) => !slot.owner || this.#isWaiting(slot.owner))
    if (everyoneAsked) queueMicrotask(() => this.#run())
    else setImmediate(() => this.#run())
  }

  async #run(): Promise<void> {
    clearTimeout(this.#idleTimer)
    this.#growing = this.#grow()
    await this.#growing
    const work = gather(this.#asks, {
      slotOf: (sequence) => this.#slots.of(sequence) ?? this.#placement.attach(sequence, this.#isWaiting),
      pending: (sequence) => sequence.tokens.length - (this.#slots.of(sequence)?.tokens.length ?? 0),
      room: this.#context.info.batchSize,
      cells: this.#shape.contextSize,
      beside: this.#pace.beside,
      guesses: this.#lookupPace.length,
      deterministic: this.#shape.deterministic,
    })
    try {
      if (work.length > 0) await this.#step(work)
    } catch (error) {
      await this.#fail(work, error)
    }
    this.#running = false
    if (work.length > 0) this.#wake()
    else this.#wakeWhenIdle()
  }

  // All slots belong to sequences that do not ask: look again when one of them counts as idle.
  #wakeWhenIdle(): void {
    if (this.#asks.length === 0 || this.#closed) return
    const wait = this.#slots.untilIdle(this.#isWaiting)
    if (wait !== undefined) this.#idleTimer = setTimeout(() => this.#wake(), wait)
  }

  // A context with more slots, where more sequences ask than there are. llama.cpp cannot read the states of one context into
  // another of more sequences: what was cached is evaluated again, once.
  async #grow(): Promise<void> {
    const { length } = this.#slots.all
    const missing = this.#waiting().length - this.#slots.free(this.#isWaiting)
    if (missing <= 0 || length >= this.#mostSlots) return
    const count = Math.min(this.#mostSlots, Math.max(2 * length, length + missing))
    const { logger } = this.#shape
    let context: NativeContext
    try {
      context = await this.#make(count)
    } catch (error) {
      this.#mostSlots = length
      return logger.warn(
        `no memory for ${count} sequences side by side, it stays at ${length}: ${(error as Error).message}`,
      )
    }
    const past = this.#context
    this.#context = context
    this.#placement.begin(context)
    this.#setThreads()
    logger.debug(`${count} sequences side by side`)
    await past.close()
  }

  async #step(work: readonly Work[]): Promise<void> {
    const entries = work.map(({ ask, slot, tokens, guessed, last }) => ({
      sequence: slot.id,
      position: slot.tokens.length,
      tokens,
      sampler: last ? ask.sampler : undefined,
      outputs: guessed > 0 ? Array.from(tokens.keys()) : undefined,
    }))
    this.#chooseThreads()
    this.#stepping = work
    const started = performance.now()
    let results: NativeEvalResult[]
    try {
      // What was not brought in as it was meant to be is evaluated.
      if (this.#placement.isPreparing && !(await this.#placement.prepared()))
        return await this.#placement.forget(work.map(({ slot }) => slot))
      results = await this.#context.eval(entries)
      this.#placement.evaluated()
    } finally {
      this.#stepping = []
    }
    this.#measure(work, results, performance.now() - started)
    work.forEach(({ ask, slot, tokens, guessed, last }, i) => {
      const { sequence } = ask
      const drawn = results[i]?.tokens ?? new Int32Array()
      sequence.cachedTokens ??= slot.tokens.length
      sequence.proposed += guessed
      sequence.accepted += Math.max(0, drawn.length - 1)
      // Wrong guesses are dropped by the next step.
      const kept = tokens.length - guessed + (guessed > 0 ? drawn.length - 1 : 0)
      for (const token of tokens.subarray(0, kept)) slot.tokens.push(token)
      if (slot.tokens.length <= sequence.promptLength) slot.inSlices = slot.tokens.length
      slot.lastUsed = performance.now()
      if (last && drawn.length > 0 && this.#asks.includes(ask))
        this.#settle(ask, () => ask.resolve(Array.from(drawn)))
    })
  }

  #measure(work: readonly Work[], results: readonly NativeEvalResult[], ms: number): void {
    const { streams, prompts, guessed } = sizesOf(work)
    if (guessed === 0) this.#pace.took(ms, streams, prompts)
    if (streams === 1 && work.length === 1)
      this.#lookupPace.took(ms, guessed, (results[0]?.tokens.length ?? 1) - 1)
  }

  #chooseThreads(): void {
    const count = this.#threads.forStep(performance.now())
    if (count === this.#threadCount) return
    this.#setThreads(count)
    this.#shape.logger.debug(`computing with ${count} of ${this.#shape.threads} threads`)
  }

  #setThreads(count = this.#threadCount): void {
    this.#threadCount = count
    this.#context.setThreads(count, count, this.#shape.yields && count > 1)
  }

  // A part of a failed step may have reached the cache: ask it what it holds. Where the step was only given up,
  // or the cache could not be rolled back, whoever still waits is served by the next one.
  async #fail(work: readonly Work[], error: unknown): Promise<void> {
    const code = nativeCode(error)
    if (code === 'ERR_CROWDED') this.#threads.crowdedOut(performance.now())
    const again = code === 'ERR_ABORTED' || code === 'ERR_CROWDED' || code === 'ERR_CANNOT_ROLL_BACK'
    for (const { ask, slot } of work) {
      await this.#placement.resync(slot)
      if (!again && this.#asks.includes(ask)) {
        this.#settle(ask, () => ask.reject(translateFailure(error, 'The model')))
      }
    }
  }
}
