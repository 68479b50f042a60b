import { ClosedError } from '../errors.ts'
import type { Logger } from '../logger.ts'
import { nativeCode, translateFailure } from '../native/failures.ts'
import type { NativeBinding, NativeContext, NativeEvalResult, NativeModel } from '../native/types.ts'
import { DEFAULTS } from '../options.ts'
import { Sequence, type StepOptions } from './sequence.ts'
import { endOfWholeSlice, SLICE, wholeSlices } from './slices.ts'
import { commonPrefix, findGap, type Slot, Slots } from './slots.ts'
import { Threads } from './threads.ts'

export type EngineShape = {
  /** Tokens of one conversation. */
  readonly contextSize: number
  readonly threads: number
  /** Use fewer threads while other programs want the cores, instead of waiting for each other. */
  readonly yields: boolean
  /** The same tokens give the same logits, bit for bit, whatever was cached or asked before. */
  readonly deterministic: boolean
  readonly logger: Logger
}

type Ask = StepOptions & {
  readonly sequence: Sequence
  readonly resolve: (token: number) => void
  readonly reject: (reason: unknown) => void
  readonly onAbort: () => void
}

type Work = {
  readonly ask: Ask
  readonly slot: Slot<Sequence>
  readonly tokens: Int32Array
  /** The step reaches the end of what the sequence holds, so it draws the next token. */
  readonly last: boolean
}

/**
 * Runs the sequences of one context. They ask for their next token; the engine gathers what is asked, gives each
 * a slot of the KV cache, evaluates once for all, and answers. Any number may ask at once: those without a slot
 * wait in line.
 */
export class Engine {
  readonly #context: NativeContext
  readonly #slots: Slots<Sequence>
  readonly #threads: Threads
  readonly #shape: EngineShape
  #threadCount: number
  #asks: Ask[] = []
  #stepping: readonly Work[] = []
  #shifting: Promise<boolean>[] = []
  #running = false
  #idleTimer: NodeJS.Timeout | undefined
  #closed = false

  private constructor(context: NativeContext, shape: EngineShape) {
    this.#context = context
    this.#shape = shape
    this.#threads = new Threads(shape.threads)
    this.#threadCount = shape.threads
    context.setThreads(shape.threads, shape.threads, shape.yields && shape.threads > 1)
    this.#slots = new Slots(context.info.sequences)
  }

  static async open(binding: NativeBinding, model: NativeModel, shape: EngineShape): Promise<Engine> {
    const batchSize = Math.min(DEFAULTS.nBatch, shape.contextSize)
    const microBatchSize = shape.deterministic ? Math.min(SLICE, batchSize) : batchSize
    try {
      const context = await binding.Context.create(model, {
        contextSize: shape.contextSize,
        sequences: 1,
        batchSize,
        microBatchSize,
        maxOutputs: 1,
        threads: shape.threads,
        batchThreads: shape.threads,
        poll: 50,
        flashAttention: 'auto',
      })
      return new Engine(context, shape)
    } catch (error) {
      throw translateFailure(error, `A context of ${shape.contextSize} tokens (nCtx)`)
    }
  }

  /**
   * A new, empty sequence. It takes no slot before its first step. `moved`: tokens of the prompt stood further back
   * before, behind others that are left out now: their keys may be moved in the cache instead of evaluated again.
   */
  sequence({ moved }: { moved: boolean }): Sequence {
    return new Sequence(this, moved)
  }

  /** Waits for the step under way to be interrupted; whoever asked is rejected with `ERR_CLOSED`. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#idleTimer)
    for (const ask of [...this.#asks]) this.#settle(ask, () => ask.reject(new ClosedError('The model')))
    await this.#context.close()
  }

  /** @internal Evaluates what `sequence` holds beyond its cache and draws the next token. */
  ask(sequence: Sequence, options: StepOptions): Promise<number> {
    if (this.#closed) return Promise.reject(new ClosedError('The model'))
    if (options.signal?.aborted) return Promise.reject(options.signal.reason)
    return new Promise((resolve, reject) => {
      const ask: Ask = { ...options, sequence, resolve, reject, onAbort: () => this.#abort(ask) }
      options.signal?.addEventListener('abort', ask.onAbort, { once: true })
      this.#asks.push(ask)
      this.#wake()
    })
  }

  /** @internal The sequence is done: its slot is free, its tokens stay cached. */
  release(sequence: Sequence): void {
    const slot = this.#slotOf(sequence)
    if (slot) slot.owner = undefined
    this.#wake()
  }

  #slotOf(sequence: Sequence): Slot<Sequence> | undefined {
    return this.#slots.all.find((slot) => slot.owner === sequence)
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
    const work = this.#gather()
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

  // Who needs one token goes first; prompts share what the batch has left. Nothing is awaited between here and the
  // step: an abort in between would give one slot to two sequences.
  #gather(): Work[] {
    const work: Work[] = []
    let room = this.#context.info.batchSize
    const pending = (ask: Ask) =>
      ask.sequence.tokens.length - (this.#slotOf(ask.sequence)?.tokens.length ?? 0)
    for (const ask of [...this.#asks].sort((a, b) => Math.min(2, pending(a)) - Math.min(2, pending(b)))) {
      if (room === 0) break
      const slot = this.#slotOf(ask.sequence) ?? this.#attach(ask.sequence)
      if (!slot) continue
      const { tokens } = ask.sequence
      const from = slot.tokens.length
      const to = this.#endOfSlice(ask, from, room)
      work.push({ ask, slot, tokens: Int32Array.from(tokens.slice(from, to)), last: to === tokens.length })
      room -= to - from
      slot.lastUsed = performance.now()
      if (this.#shape.deterministic) break // one sequence per step
    }
    return work
  }

  #endOfSlice({ sequence, batchSize }: Ask, from: number, room: number): number {
    const end = from + Math.min(room, batchSize)
    const { tokens, promptLength } = sequence
    return this.#shape.deterministic ? endOfWholeSlice(from, end, promptLength) : Math.min(tokens.length, end)
  }

  #attach(sequence: Sequence): Slot<Sequence> | undefined {
    const slot = this.#slots.take(sequence, sequence.tokens, this.#isWaiting)
    if (!slot) return undefined
    if (sequence.moved && this.#context.info.canShift && !this.#shape.deterministic)
      this.#close(slot, sequence)
    // At least one token must be evaluated: its logits choose the next one. The step itself drops the rest.
    const kept = Math.min(commonPrefix(slot.tokens, sequence.tokens), sequence.tokens.length - 1)
    slot.keep(this.#shape.deterministic ? wholeSlices(Math.min(kept, slot.inSlices)) : kept)
    return slot
  }

  /** Closes the gap that left-out messages leave in the cache. The context does it before the step that follows. */
  #close(slot: Slot<Sequence>, sequence: Sequence): void {
    const gap = findGap(slot.tokens, sequence.tokens)
    if (!gap) return
    this.#shape.logger.debug(`moving cached tokens from position ${gap.to} to ${gap.from}`)
    this.#shifting.push(this.#context.shift(slot.id, gap.from, gap.to).catch(() => false))
    slot.tokens.splice(gap.from, gap.to - gap.from)
  }

  async #step(work: readonly Work[]): Promise<void> {
    const entries = work.map(({ ask, slot, tokens, last }) => ({
      sequence: slot.id,
      position: slot.tokens.length,
      tokens,
      sampler: last ? ask.sampler : undefined,
    }))
    this.#chooseThreads()
    this.#stepping = work
    const shifting = this.#shifting
    this.#shifting = []
    let results: NativeEvalResult[]
    try {
      const evaluating = this.#context.eval(entries)
      evaluating.catch(() => {}) // it is awaited below
      const shifted = (await Promise.all(shifting)).every(Boolean)
      if (!shifted) for (const { slot } of work) slot.keep(0)
      results = await evaluating
      // What the step saw was not what it was meant to see: everything again.
      if (!shifted) return await this.#forget(work)
    } finally {
      this.#stepping = []
    }
    work.forEach(({ ask, slot, tokens, last }, i) => {
      ask.sequence.cachedTokens ??= slot.tokens.length
      for (const token of tokens) slot.tokens.push(token)
      if (slot.tokens.length <= ask.sequence.promptLength) slot.inSlices = slot.tokens.length
      slot.lastUsed = performance.now()
      const token = results[i]?.tokens[0]
      if (last && token !== undefined && this.#asks.includes(ask)) this.#settle(ask, () => ask.resolve(token))
    })
  }

  async #forget(work: readonly Work[]): Promise<void> {
    for (const { slot } of work) {
      slot.keep(0)
      await this.#resync(slot)
    }
  }

  #chooseThreads(): void {
    const { threads, yields, logger } = this.#shape
    const count = this.#threads.forStep(performance.now())
    if (count === this.#threadCount) return
    this.#threadCount = count
    this.#context.setThreads(count, count, yields && count > 1)
    logger.debug(`computing with ${count} of ${threads} threads`)
  }

  // A part of a failed step may have reached the cache: ask it what it holds. Where the step was only given up,
  // or the cache could not be rolled back, whoever still waits is served by the next one.
  async #fail(work: readonly Work[], error: unknown): Promise<void> {
    const code = nativeCode(error)
    if (code === 'ERR_CROWDED') this.#threads.crowdedOut(performance.now())
    const again = code === 'ERR_ABORTED' || code === 'ERR_CROWDED' || code === 'ERR_CANNOT_ROLL_BACK'
    for (const { ask, slot } of work) {
      await this.#resync(slot)
      if (!again && this.#asks.includes(ask)) {
        this.#settle(ask, () => ask.reject(translateFailure(error, 'The model')))
      }
    }
  }

  async #resync(slot: Slot<Sequence>): Promise<void> {
    try {
      const held = (await this.#context.positions(slot.id)).max + 1
      // More than was meant to be kept: recurrent memories hold one state, not one per token. Begin anew.
      const stuck =
        held > slot.tokens.length && !(await this.#context.remove(slot.id, slot.tokens.length, -1))
      if (stuck) await this.#context.remove(slot.id, 0, -1)
      slot.keep(stuck ? 0 : held)
    } catch {
      slot.keep(0) // closed: nobody will use it again
    }
  }
}
