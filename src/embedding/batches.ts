import { deferred } from '../core/async.ts'
import { ClosedError } from '../core/errors.ts'
import type { NativeEmbedder } from '../native/contract.ts'
import { nativeCode, translateFailure } from '../native/failures.ts'
import type { ThreadSetter } from '../scheduler/threads.ts'
import { joined } from './chunks.ts'

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

/** How to open another context of the same weights, for chunks of at most so many tokens; `undefined` if it cannot be. */
export type AnotherContext = {
  readonly longest: number
  readonly open: () => Promise<NativeEmbedder | undefined>
}

/** A context, and what it is computing. */
type Lane = {
  readonly embedder: NativeEmbedder
  readonly longest: number
  running: readonly Job[] | undefined
}

/**
 * Computes chunks of all callers in batches. Callers take turns, so that a short text need not wait for another
 * caller's thousands. A few batches are computed one after the other, with all threads; many side by side, with one
 * thread each, which need not wait for one another after each operation.
 */
export class Batches {
  readonly #threads: ThreadSetter
  readonly #limits: BatchLimits
  readonly #another: AnotherContext | undefined
  /** The first takes chunks of any length, and has all threads where it is alone. */
  readonly #lanes: Lane[]
  /** Settled when all that were asked for are open. */
  #opening: Promise<unknown> | undefined
  readonly #waiting = new Map<Caller, Job[]>()
  /** Tokens of the waiting chunks that any context takes. */
  #shortWaiting = 0
  readonly #left = new WeakSet<Caller>()
  /** Settled when chunks have been taken into a batch, or dropped. */
  #taken = deferred()
  #isScheduled = false
  #closed: Promise<void> | undefined

  constructor(
    embedder: NativeEmbedder,
    threads: ThreadSetter,
    limits: BatchLimits,
    another?: AnotherContext | undefined,
  ) {
    this.#lanes = [{ embedder, longest: Number.POSITIVE_INFINITY, running: undefined }]
    this.#threads = threads
    this.#limits = limits
    this.#another = another
  }

  /** The vector of a chunk. */
  compute(caller: Caller, tokens: Int32Array): Promise<Float32Array> {
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(new ClosedError('The model'))
      if (this.#left.has(caller)) return reject(new Error('the caller has left')) // which it knows
      const jobs = this.#waiting.get(caller) ?? []
      this.#waiting.set(caller, jobs)
      jobs.push({ caller, tokens, resolve, reject })
      this.#shortWaiting += this.#shortOf(tokens)
      if (this.#isScheduled) return
      this.#isScheduled = true
      setImmediate(() => this.#start()) // with all that arrives in this turn
    })
  }

  /**
   * The vectors of chunks, in their order. The calling thread waits for them, and for the batch that the first context
   * is at.
   */
  computeNow(chunks: readonly Int32Array[]): Float32Array[] {
    if (this.#closed) throw new ClosedError('The model')
    const { embedder } = this.#lanes[0]!
    const vectors: Float32Array[] = []
    while (vectors.length < chunks.length) {
      const batch: Int32Array[] = []
      for (let i = vectors.length; i < chunks.length && this.#fits(batch, chunks[i]!); i++)
        batch.push(chunks[i]!)
      this.#threads.apply(embedder)
      try {
        vectors.push(...split(embedder.embedNow(...flat(batch)), batch.length))
      } catch (error) {
        if (nativeCode(error) !== 'ERR_CROWDED') throw translateFailure(error, 'Embedding')
        this.#threads.crowdedOut() // again, with fewer threads
      }
    }
    return vectors
  }

  #fits(batch: readonly Int32Array[], next: Int32Array): boolean {
    if (batch.length === 0) return true
    const tokens = batch.reduce((sum, { length }) => sum + length, next.length)
    return tokens <= this.#limits.tokens && batch.length < this.#limits.texts
  }

  /** Resolves when few chunks of the caller wait: then it should bring more. */
  async room(caller: Caller): Promise<void> {
    for (;;) {
      const jobs = this.#waiting.get(caller) ?? []
      let tokens = 0
      for (const job of jobs) tokens += job.tokens.length
      if (tokens < Math.max(4, 2 * this.#threads.most) * this.#limits.tokens) return
      await this.#taken.promise
    }
  }

  /** The caller wants no more: its chunks are dropped, and a batch that has no others is given up. */
  leave(caller: Caller, reason: unknown): void {
    this.#left.add(caller)
    const jobs = this.#waiting.get(caller) ?? []
    this.#waiting.delete(caller)
    for (const { tokens, reject } of jobs) {
      this.#shortWaiting -= this.#shortOf(tokens)
      reject(reason)
    }
    for (const { running, embedder } of this.#lanes)
      if (running?.every((job) => this.#left.has(job.caller))) embedder.abort()
    this.#tellTaken()
  }

  /** Gives up what is being computed, and frees the contexts. */
  close(): Promise<void> {
    this.#closed ??= (async () => {
      const closed = new ClosedError('The model')
      for (const caller of [...this.#waiting.keys()]) this.leave(caller, closed)
      await this.#opening
      await Promise.all(this.#lanes.map(({ embedder }) => embedder.close()))
    })()
    return this.#closed
  }

  #shortOf({ length }: Int32Array): number {
    return length <= (this.#another?.longest ?? 0) ? length : 0
  }

  /** Whether there is a batch for each thread, or other contexts than the first are at it already. */
  get #isMany(): boolean {
    const [first, ...others] = this.#lanes
    if (others.some(({ running }) => running)) return true
    const { most } = this.#threads
    if (most === 1 || this.#shortWaiting === 0) return false
    const isLong = first!.running?.some(({ tokens }) => this.#shortOf(tokens) === 0)
    return isLong === true || this.#shortWaiting >= most * this.#limits.tokens
  }

  /** Gives batches to contexts that rest. */
  #start(): void {
    this.#isScheduled = false
    const isMany = this.#isMany
    if (isMany) this.#opening ??= this.#openOthers()
    for (const lane of isMany ? this.#lanes : this.#lanes.slice(0, 1)) if (!lane.running) void this.#run(lane)
  }

  async #openOthers(): Promise<void> {
    const { longest, open } = this.#another!
    while (!this.#closed && this.#lanes.length < this.#threads.most) {
      const embedder = await open()
      if (embedder === undefined) return // those that are open suffice
      this.#lanes.push({ embedder, longest, running: undefined })
      if (!this.#closed) this.#start()
    }
    this.#opening = undefined // there may be more threads one day
  }

  async #run(lane: Lane): Promise<void> {
    while (this.#lanes.indexOf(lane) < this.#threads.most) {
      const batch = this.#take(lane)
      if (batch.length === 0) break
      lane.running = batch
      this.#tellTaken()
      this.#start() // another may rest because it could not take what this one has taken
      await this.#embed(lane, batch)
    }
    lane.running = undefined
  }

  #sharesThreads(lane: Lane): boolean {
    const [first, ...others] = this.#lanes
    return lane !== first || (others.length > 0 && this.#isMany)
  }

  #tellTaken(): void {
    this.#taken.resolve()
    this.#taken = deferred()
  }

  // One chunk of each caller in turn, while they fit; callers whose next one is too long for the context are left out.
  #take({ longest }: Lane): readonly Job[] {
    const batch: Job[] = []
    let tokens = 0
    for (const [caller, jobs] of this.#waiting) {
      const job = jobs[0]!
      if (job.tokens.length > longest) continue
      const fits = tokens + job.tokens.length <= this.#limits.tokens && batch.length < this.#limits.texts
      if (batch.length > 0 && !fits) break
      tokens += job.tokens.length
      this.#shortWaiting -= this.#shortOf(job.tokens)
      batch.push(job)
      jobs.shift()
      this.#waiting.delete(caller)
      if (jobs.length > 0) this.#waiting.set(caller, jobs) // as the last
    }
    return batch
  }

  async #embed(lane: Lane, batch: readonly Job[]): Promise<void> {
    const { embedder } = lane
    try {
      if (this.#sharesThreads(lane)) embedder.setThreads(1, 1, false)
      else this.#threads.apply(embedder)
      const vectors = await embedder.embed(...flat(batch.map(({ tokens }) => tokens)))
      for (const [i, vector] of split(vectors, batch.length).entries()) batch[i]!.resolve(vector)
    } catch (error) {
      if (nativeCode(error) !== 'ERR_CROWDED') return this.#recover(lane, batch, error)
      this.#threads.crowdedOut()
      await this.#embed(lane, batch) // with fewer threads
    }
  }

  /** Finds out whose chunk a batch failed for: the others must not suffer from it. */
  async #recover(lane: Lane, batch: readonly Job[], error: unknown): Promise<void> {
    const others = batch.filter((job) => !this.#left.has(job.caller))
    const isOwn = batch.length === 1 && nativeCode(error) !== 'ERR_ABORTED'
    if (this.#closed || isOwn) {
      const reason = translateFailure(error, 'Embedding')
      for (const { reject } of batch) reject(reason)
      return
    }
    for (const job of batch) if (this.#left.has(job.caller)) job.reject(error)
    for (const job of others) await this.#embed(lane, [job])
  }
}

/** Chunks as the addon takes them: their tokens one after the other, and how many each has. */
function flat(chunks: readonly Int32Array[]): [tokens: Int32Array, lengths: Int32Array] {
  return [joined(...chunks), Int32Array.from(chunks, ({ length }) => length)]
}

function split(numbers: Float32Array, count: number): Float32Array[] {
  const size = numbers.length / count
  return Array.from({ length: count }, (_, i) => numbers.subarray(i * size, (i + 1) * size))
}
