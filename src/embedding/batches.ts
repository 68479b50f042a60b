import { deferred } from '../core/async.ts'
import { ClosedError } from '../core/errors.ts'
import type { NativeEmbedder } from '../native/contract.ts'
import { nativeCode, translateFailure } from '../native/failures.ts'
import type { ThreadSetter } from '../scheduler/threads.ts'

/** Whose chunks are computed; only its identity counts. */
export type Caller = object

/** A chunk that waits for its vector, or is being computed. */
type Job = {
  readonly caller: Caller
  readonly tokens: Int32Array
  readonly resolve: (vector: Float32Array) => void
  readonly reject: (reason: unknown) => void
}

/** What a batch holds at most. A longer chunk is a batch by itself. */
export type BatchLimits = { readonly tokens: number; readonly texts: number }

/**
 * Computes chunks of all callers in batches. Callers take turns, so that a short text need not wait for
 * another caller's thousands.
 */
export class Batches {
  readonly #embedder: NativeEmbedder
  readonly #threads: ThreadSetter
  readonly #limits: BatchLimits
  readonly #waiting = new Map<Caller, Job[]>()
  /** What is being computed. */
  #running: readonly Job[] | undefined
  readonly #left = new WeakSet<Caller>()
  /** Settled when chunks have been taken into a batch, or dropped. */
  #taken = deferred()
  #isScheduled = false
  #closed: Promise<void> | undefined

  constructor(embedder: NativeEmbedder, threads: ThreadSetter, limits: BatchLimits) {
    this.#embedder = embedder
    this.#threads = threads
    this.#limits = limits
  }

  /** The vector of a chunk. */
  compute(caller: Caller, tokens: Int32Array): Promise<Float32Array> {
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(new ClosedError('The model'))
      if (this.#left.has(caller)) return reject(new Error('the caller has left')) // which it knows
      const jobs = this.#waiting.get(caller) ?? []
      this.#waiting.set(caller, jobs)
      jobs.push({ caller, tokens, resolve, reject })
      if (this.#isScheduled) return
      this.#isScheduled = true
      setImmediate(() => this.#start()) // with all that arrives in this turn
    })
  }

  /** Resolves when few chunks of the caller wait: then it should bring more. */
  async room(caller: Caller): Promise<void> {
    for (;;) {
      const jobs = this.#waiting.get(caller) ?? []
      let tokens = 0
      for (const job of jobs) tokens += job.tokens.length
      if (tokens < 4 * this.#limits.tokens) return
      await this.#taken.promise
    }
  }

  /** The caller wants no more: its chunks are dropped, and a batch that has no others is given up. */
  leave(caller: Caller, reason: unknown): void {
    this.#left.add(caller)
    const jobs = this.#waiting.get(caller) ?? []
    this.#waiting.delete(caller)
    for (const { reject } of jobs) reject(reason)
    if (this.#running?.every((job) => this.#left.has(job.caller))) this.#embedder.abort()
    this.#tellTaken()
  }

  /** Gives up what is being computed, and frees the embedder. */
  close(): Promise<void> {
    this.#closed ??= (async () => {
      const closed = new ClosedError('The model')
      for (const caller of [...this.#waiting.keys()]) this.leave(caller, closed)
      await this.#embedder.close()
    })()
    return this.#closed
  }

  #start(): void {
    this.#isScheduled = false
    if (!this.#running) void this.#run()
  }

  async #run(): Promise<void> {
    for (let batch = this.#take(); batch.length > 0; batch = this.#take()) {
      this.#running = batch
      this.#tellTaken()
      await this.#embed(batch)
    }
    this.#running = undefined
  }

  #tellTaken(): void {
    this.#taken.resolve()
    this.#taken = deferred()
  }

  // One chunk of each caller in turn, while they fit.
  #take(): readonly Job[] {
    const batch: Job[] = []
    let tokens = 0
    while (this.#waiting.size > 0) {
      const [caller, jobs] = this.#waiting.entries().next().value!
      const job = jobs[0]!
      const fits = tokens + job.tokens.length <= this.#limits.tokens && batch.length < this.#limits.texts
      if (batch.length > 0 && !fits) break
      tokens += job.tokens.length
      batch.push(job)
      jobs.shift()
      this.#waiting.delete(caller)
      if (jobs.length > 0) this.#waiting.set(caller, jobs) // as the last
    }
    return batch
  }

  async #embed(batch: readonly Job[]): Promise<void> {
    const tokens = new Int32Array(batch.reduce((sum, job) => sum + job.tokens.length, 0))
    let at = 0
    for (const job of batch) {
      tokens.set(job.tokens, at)
      at += job.tokens.length
    }
    const lengths = Int32Array.from(batch, (job) => job.tokens.length)
    try {
      this.#threads.apply(this.#embedder)
      const vectors = await this.#embedder.embed(tokens, lengths)
      const size = vectors.length / batch.length
      for (const [i, { resolve }] of batch.entries()) resolve(vectors.subarray(i * size, (i + 1) * size))
    } catch (error) {
      if (nativeCode(error) !== 'ERR_CROWDED') return this.#recover(batch, error)
      this.#threads.crowdedOut()
      await this.#embed(batch) // with fewer threads
    }
  }

  /** Finds out whose chunk a batch failed for: the others must not suffer from it. */
  async #recover(batch: readonly Job[], error: unknown): Promise<void> {
    const others = batch.filter((job) => !this.#left.has(job.caller))
    const isOwn = batch.length === 1 && nativeCode(error) !== 'ERR_ABORTED'
    if (this.#closed || isOwn) {
      const reason = translateFailure(error, 'Embedding')
      for (const { reject } of batch) reject(reason)
      return
    }
    for (const job of batch) if (this.#left.has(job.caller)) job.reject(error)
    for (const job of others) await this.#embed([job])
  }
}
