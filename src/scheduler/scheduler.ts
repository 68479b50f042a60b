import { ClosedError, messageOf, QueueFullError } from '../core/errors.ts'
import type { NativeBinding, NativeContext, NativeEvalResult, NativeModel } from '../native/contract.ts'
import { nativeCode, translateFailure } from '../native/failures.ts'
import { measure, note } from './after-step.ts'
import { Placement } from './cache/placement.ts'
import { type Slot, Slots } from './cache/slots.ts'
import { type SequenceState, StateCache } from './cache/state-cache.ts'
import { contextMaker, type MakeContext, openDrafter, type SchedulerShape, warmUp } from './contexts.ts'
import { gather, nativeEntry } from './gather.ts'
import type { Drafter } from './guess/drafter.ts'
import { Guesses } from './guess/guesses.ts'
import { Pace } from './pace.ts'
import type { Ask, BatchEntry, Guess, SampledTokens } from './request.ts'
import { Request, type RequestOptions, type StepOptions } from './request.ts'
import { RequestQueue } from './request-queue.ts'
import { runOf } from './runs.ts'
import { servable, slotUse, withoutSlot } from './slot-use.ts'
import { type ThreadChoice, ThreadSetter } from './threads.ts'

/** Growing a context copies its cache, so it grows by this factor. */
const GROWTH = 4

/** What a model is doing. */
export type Activity = {
  /** Generations being computed. */
  readonly running: number
  /** Generations waiting in line, or whose prompt is being prepared. */
  readonly queued: number
}

/**
 * Runs many requests in one context. Requests ask for their next token; the scheduler gathers these, gives
 * each request a slot of the KV cache, evaluates one batch for all of them, and answers. Any number may ask
 * at once: those without a slot wait in line.
 */
export class Scheduler {
  readonly #make: MakeContext
  #context: NativeContext
  readonly #slots: Slots<Request>
  readonly #placement: Placement
  readonly #threads: ThreadSetter
  readonly #pace = new Pace()
  readonly #shape: SchedulerShape
  readonly #drafter: Drafter | undefined
  readonly #guesses: Guesses
  /** Wrong guesses can be taken back. */
  readonly #canGuess: boolean
  #mostSlots: number
  readonly #queue: RequestQueue
  #stepping: readonly BatchEntry[] = []
  #isStepping = false
  #growing = Promise.resolve()
  #idleTimer: NodeJS.Timeout | undefined
  #closed = false
  #isUnasked = true

  private constructor(
    make: MakeContext,
    context: NativeContext,
    drafter: Drafter | undefined,
    native: NativeModel,
    shape: SchedulerShape,
  ) {
    this.#make = make
    this.#context = context
    this.#shape = shape
    this.#mostSlots = shape.deterministic ? 1 : shape.parallel
    this.#drafter = drafter
    this.#threads = new ThreadSetter(shape, shape.logger)
    this.#guesses = new Guesses(drafter, () => this.#threads.crowdedOut())
    this.#slots = new Slots(context.info.sequences)
    this.#queue = new RequestQueue(this.#slots)
    const rollsBack = !native.info.isRecurrent && !native.info.isHybrid
    this.#canGuess = rollsBack && !shape.deterministic
    this.#placement = new Placement(context, this.#slots, new StateCache(shape.cacheMemory), {
      ...shape,
      rollsBack,
      keepsAll: native.info.slidingWindow === 0,
    })
  }

  static async open(binding: NativeBinding, model: NativeModel, shape: SchedulerShape): Promise<Scheduler> {
    const make = contextMaker(binding, model, shape)
    let context: NativeContext | undefined
    try {
      context = await make(shape.deterministic ? 1 : shape.reserved)
      const drafter = shape.draft && (await openDrafter(binding, shape.draft, model, shape))
      return new Scheduler(make, context, drafter, model, shape)
    } catch (error) {
      await context?.close()
      throw translateFailure(error, `A context of ${shape.contextSize} tokens (nCtx)`)
    }
  }

  /** Called before the first request; see `warmUp()` in contexts.ts. */
  warmUp(): void {
    void warmUp(this.#context, this.#shape.logger)
  }

  /**
   * The most sequences that are evaluated side by side; fewer than were asked for where memory has run out.
   */
  get parallel(): number {
    return this.#mostSlots
  }

  /**
   * A new, empty request. It takes no slot before its first step, but from now until it is released it counts
   * as waiting for one, even while its prompt has yet to be made.
   * @throws {QueueFullError} `ERR_QUEUE_FULL` when no more may wait
   */
  request(options: RequestOptions): Request {
    if (this.#closed) throw new ClosedError('The model')
    const free = this.#mostSlots - this.#slots.all.length + this.#slots.free(this.#queue.isAsking)
    if (this.#queue.waiting >= free + this.#shape.maxQueue) throw new QueueFullError(this.#shape.maxQueue)
    const looksUp = options.looksUp && this.#canGuess
    const drafts = options.drafts && this.#canGuess && this.#drafter !== undefined
    const request = new Request(this, { looksUp, drafts })
    this.#queue.expect(request)
    return request
  }

  get activity(): Activity {
    const running = this.#slots.all.filter((slot) => slot.owner).length
    return { running, queued: this.#queue.waiting }
  }

  /** See `Placement`. Unaffected by aborts of other conversations. */
  async stateOf(conversation: object, tokens: readonly number[]): Promise<SequenceState | undefined> {
    const isBusy = (slot: Slot<Request>) => this.#stepping.some((work) => work.slot === slot)
    try {
      return await this.#placement.stateOf(conversation, tokens, isBusy)
    } catch (error) {
      throw translateFailure(error, 'The model')
    }
  }

  /** See `Placement`. */
  offer(conversation: object, state: SequenceState): void {
    this.#placement.offer(conversation, state)
  }

  /** Takes effect with the next step. */
  setThreads(choice: ThreadChoice): void {
    this.#threads.choose(choice)
    if (this.#stepping.length > 0) this.#context.endRun()
  }

  /**
   * Rejects all asking requests with `ERR_CLOSED` and waits for the current step to be interrupted.
   * Idempotent.
   */
  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#idleTimer)
    this.#queue.rejectAll(new ClosedError('The model'))
    await this.#growing
    await Promise.all([this.#context.close(), this.#drafter?.close()])
    this.#placement.clear()
  }

  /** @internal Evaluates the tokens of `request` that are not cached and draws the next one. */
  ask(request: Request, options: StepOptions): Promise<SampledTokens> {
    if (this.#closed) return Promise.reject(new ClosedError('The model'))
    if (options.signal?.aborted) return Promise.reject(options.signal.reason)
    return new Promise((resolve, reject) => {
      const ask: Ask = { ...options, request, resolve, reject, onAbort: () => this.#abort(ask) }
      options.signal?.addEventListener('abort', ask.onAbort, { once: true })
      this.#queue.add(ask)
      if (this.#isUnasked) this.#context.abort() // it may still be warming up
      this.#isUnasked = false
      // A request that can run beside another does not wait for the guess being made for that one.
      if (this.#drafter && !this.#isAlone()) this.#drafter.abort()
      if (this.#stepping.length > 0) this.#context.endRun()
      this.#wake()
    })
  }

  /** @internal See `Aside`. */
  aside<T>(request: Request, work: () => T | Promise<T>): Promise<T> {
    return this.#queue.aside(request, work)
  }

  /** @internal The request is done: its slot is free, its tokens stay cached. */
  release(request: Request): void {
    this.#queue.leave(request)
    const slot = this.#slots.of(request)
    if (slot) slot.owner = undefined
    this.#wake()
  }

  #slotUse(): ReturnType<typeof slotUse> {
    return slotUse(this.#queue.asks, {
      slots: this.#slots,
      placement: this.#placement,
      isAsking: this.#queue.isAsking,
      canGrow: this.#slots.all.length < this.#mostSlots,
    })
  }

  // Guesses are made only for a request that runs alone.
  #isAlone(): boolean {
    return servable(this.#queue.asks, this.#slots, this.#queue.isAsking, this.#mostSlots) === 1
  }

  #abort(ask: Ask): void {
    this.#queue.settle(ask, () => ask.reject(ask.signal?.reason))
    this.#drafter?.abort()
    const stillWanted = this.#stepping.some((work) => this.#queue.has(work.ask))
    if (this.#stepping.length > 0 && !stillWanted) this.#context.abort()
  }

  // Requests that the last step answered ask again within this turn of the event loop. When all that hold a
  // slot have done so, there is nothing left to wait for.
  #wake(): void {
    if (this.#isStepping || this.#queue.asks.length === 0) return
    this.#isStepping = true
    const everyoneAsked = this.#slots.all.every((slot) => !slot.owner || this.#queue.isAsking(slot.owner))
    if (everyoneAsked) queueMicrotask(() => this.#doStep())
    else setImmediate(() => this.#doStep())
  }

  async #doStep(): Promise<void> {
    clearTimeout(this.#idleTimer)
    let work: BatchEntry[] = []
    try {
      this.#growing = this.#grow()
      await this.#growing
      if (!this.#closed) this.#threads.apply(this.#context, this.#drafter)
      const guess = await this.#guess()
      work = this.#gather(guess)
      if (work.length > 0) await this.#step(work, guess)
    } catch (error) {
      await this.#fail(work, error)
    }
    this.#isStepping = false
    if (work.length > 0) this.#wake()
    else this.#wakeWhenIdle()
  }

  #gather(guess: Guess | undefined): BatchEntry[] {
    const { served } = this.#slotUse()
    this.#placement.beginStep()
    return gather(this.#queue.asks, {
      slotOf: (request) => this.#slots.of(request) ?? this.#placement.attach(request, this.#queue.isAsking),
      pending: this.#pending,
      mostTokens: this.#context.info.batchSize,
      beside: this.#pace.beside,
      served,
      guess,
      deterministic: this.#shape.deterministic,
    })
  }

  // How many tokens of the request are not in the cache.
  #pending = (request: Request) => request.tokens.length - (this.#slots.of(request)?.tokens.length ?? 0)

  // What may come next, where one stream runs alone, even if other requests wait for its slot.
  async #guess(): Promise<Guess | undefined> {
    if (!this.#canGuess || !this.#isAlone()) return undefined
    const ask = this.#queue.asks.find(({ request }) => this.#slots.of(request))
    if (!ask || this.#pending(ask.request) !== 1) return undefined
    const most = Math.min((ask.most ?? 1) - 1, this.#shape.contextSize - ask.request.tokens.length)
    return most < 1 ? undefined : this.#guesses.make(ask, most)
  }

  // All slots belong to requests that do not ask: try again when one of them counts as idle.
  #wakeWhenIdle(): void {
    if (this.#queue.asks.length === 0 || this.#closed) return
    const wait = this.#slots.untilIdle(this.#queue.isAsking)
    if (wait !== undefined) this.#idleTimer = setTimeout(() => this.#wake(), wait)
  }

  // Moves to a context with more slots where more requests ask than there are slots.
  async #grow(): Promise<void> {
    const { length } = this.#slots.all
    if (length >= this.#mostSlots) return
    const { missing } = this.#slotUse()
    if (missing <= 0) return
    const count = Math.min(this.#mostSlots, Math.max(GROWTH * length, length + missing))
    const { logger } = this.#shape
    let context: NativeContext
    try {
      context = await this.#make(count)
    } catch (error) {
      this.#mostSlots = length
      return logger.warn(
        `no memory for ${count} sequences side by side, staying at ${length}: ${messageOf(error)}`,
      )
    }
    const past = this.#context
    this.#context = context
    await this.#placement.moveTo(context)
    logger.debug(`${count} sequences side by side`)
    await past.close()
  }

  async #step(work: readonly BatchEntry[], guess: Guess | undefined): Promise<void> {
    this.#stepping = work
    const started = performance.now()
    let results: NativeEvalResult[]
    try {
      // Slots that could not be filled as planned are emptied, and their tokens evaluated by the next step.
      const { fills } = this.#placement
      const failed = fills.isEmpty ? [] : await fills.failed()
      if (failed.length > 0) return await this.#placement.forget(failed)
      if (!work.some(({ ask }) => this.#queue.has(ask))) return // all of them have left meanwhile
      for (const { ask, slot } of work) ask.onStep?.(slot.tokens.length)
      const waiting = withoutSlot(this.#slots, this.#queue.asks).length
      const run =
        this.#canGuess && !guess ? runOf(work, this.#queue.asks, waiting, this.#shape.contextSize) : undefined
      results = await this.#context.eval(work.map(nativeEntry), run)
      this.#placement.evaluated()
    } finally {
      this.#stepping = []
    }
    measure(this.#pace, this.#guesses, { work, guess, results, ms: performance.now() - started })
    work.forEach((done, i) => {
      const drawn = results[i]?.tokens ?? new Int32Array()
      note(done, drawn)
      const { ask, slot, last } = done
      const error = results[i]?.error
      if (error) slot.keep(0)
      if (!this.#queue.has(ask)) return
      const answer = { tokens: Array.from(drawn), logprobs: results[i]?.logprobs }
      if (last && drawn.length > 0) this.#queue.settle(ask, () => ask.resolve(answer))
      else if (error) this.#queue.settle(ask, () => ask.reject(translateFailure(error, 'The model')))
    })
    if (results.some(({ error }) => error)) await this.#resyncAll()
  }

  // Kinds of memory about which llama.cpp reports too little lose everything when one sequence is spoilt.
  async #resyncAll(): Promise<void> {
    for (const slot of this.#slots.all) await this.#placement.resync(slot)
  }

  // Part of a failed step may have reached the cache, so ask the cache what it holds. Where the step was only
  // aborted, or the cache could not be rolled back, the next step serves the requests that still wait.
  async #fail(work: readonly BatchEntry[], error: unknown): Promise<void> {
    const code = nativeCode(error)
    if (code === 'ERR_CROWDED') this.#threads.crowdedOut()
    if (work.length === 0) return this.#queue.rejectAll(translateFailure(error, 'The model'))
    const again = code === 'ERR_ABORTED' || code === 'ERR_CROWDED' || code === 'ERR_CANNOT_ROLL_BACK'
    for (const { ask, slot } of work) {
      await this.#placement.resync(slot)
      if (!again && this.#queue.has(ask)) {
        this.#queue.settle(ask, () => ask.reject(translateFailure(error, 'The model')))
      }
    }
  }
}
