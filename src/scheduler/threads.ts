import type { Logger } from '../core/logger.ts'
import type { NativeContext } from '../native/contract.ts'
import type { Drafter } from './guess/drafter.ts'

/** Wait before more threads are tried again, ms; doubled, up to the longest, each time that fails. */
const SHORTEST_WAIT_MS = 1000
const LONGEST_WAIT_MS = 16_000

/**
 * Chooses how many threads compute. It begins with the most; a step crowded out by other programs halves the
 * count. From then on it tries more from time to time: half-way to the count that was too many, then that
 * count itself.
 */
export class ThreadBackoff {
  readonly #most: number
  #count: number
  /** The lowest count known to be too many. */
  #tooMany: number
  #wait = SHORTEST_WAIT_MS
  #nextTry = Number.POSITIVE_INFINITY
  /** The count before the latest try, while that is still unproven. */
  #before: number | undefined

  constructor(most: number) {
    this.#most = most
    this.#count = most
    this.#tooMany = most + 1
  }

  /** The count for a step that begins at `now`, as `performance.now()` gives it. */
  forStep(now: number): number {
    if (now < this.#nextTry) return this.#count
    // The last try went well.
    if (this.#before !== undefined) {
      this.#wait = SHORTEST_WAIT_MS
      if (this.#count >= this.#tooMany) this.#tooMany = this.#most + 1
    }
    if (this.#count === this.#most && this.#tooMany > this.#most) {
      this.#before = undefined
      this.#nextTry = Number.POSITIVE_INFINITY
      return this.#count
    }
    this.#before = this.#count
    this.#count = Math.min(this.#most, this.#count + Math.ceil((this.#tooMany - this.#count) / 2))
    this.#nextTry = now + this.#wait
    return this.#count
  }

  /** A step was given up at `now` because other programs use the cores. */
  crowdedOut(now: number): void {
    this.#tooMany = this.#count
    if (this.#before === undefined) {
      this.#wait = SHORTEST_WAIT_MS
      this.#count = Math.max(1, Math.floor(this.#count / 2))
    } else {
      this.#wait = Math.min(LONGEST_WAIT_MS, 2 * this.#wait)
      this.#count = this.#before
    }
    this.#before = undefined
    this.#nextTry = now + this.#wait
  }
}

/** How many threads compute. */
export type ThreadChoice = {
  /** For steps of one token. */
  readonly threads: number
  /** For steps of several: prompts, answers side by side, guesses to verify. */
  readonly batchThreads: number
  /**
   * While other programs want the cores, use fewer threads, the same for both, so that they need not wait for
   * each other.
   */
  readonly yields: boolean
}

/** Sets how many threads compute a context's next step. */
export class ThreadSetter {
  readonly #logger: Logger
  #choice: ThreadChoice
  #backoff: ThreadBackoff
  #count: number

  constructor(choice: ThreadChoice, logger: Logger) {
    this.#logger = logger
    this.#choice = choice
    this.#backoff = new ThreadBackoff(choice.threads)
    this.#count = choice.threads
  }

  /** The most threads that compute. */
  get most(): number {
    return Math.max(this.#choice.threads, this.#choice.batchThreads)
  }

  /** Changes the choice from the next step on. */
  choose(choice: ThreadChoice): void {
    this.#choice = choice
    this.#backoff = new ThreadBackoff(choice.threads)
    this.#count = choice.threads
  }

  /** Sets the threads for the step that begins now. */
  apply(context: Pick<NativeContext, 'setThreads'>, drafter?: Drafter): void {
    const { threads, batchThreads, yields } = this.#choice
    const count = yields ? this.#backoff.forStep(performance.now()) : threads
    if (count !== this.#count) this.#logger.debug(`computing with ${count} of ${threads} threads`)
    this.#count = count
    const batch = yields ? count : batchThreads
    const watch = yields && count > 1
    context.setThreads(count, batch, watch)
    drafter?.setThreads(count, batch, watch)
  }

  /** The step was given up because other programs use the cores. */
  crowdedOut(): void {
    this.#backoff.crowdedOut(performance.now())
  }
}
