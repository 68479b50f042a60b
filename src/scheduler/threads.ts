/** Wait before more threads are tried again, ms; doubled, up to the longest, each time that fails. */
const SHORTEST_WAIT_MS = 1000
const LONGEST_WAIT_MS = 16_000

/**
 * Chooses how many threads compute. It begins with the most; steps that are crowded out by other programs halve them.
 * From then on it tries more from time to time: half-way to the count that was too many, then that count itself.
 */
export class Threads {
  readonly #most: number
  #count: number
  /** The lowest count known to be too many. */
  #tooMany: number
  #wait = SHORTEST_WAIT_MS
  #nextTry = Number.POSITIVE_INFINITY
  /** The count before the try that is still fresh. */
  #before: number | undefined

  constructor(most: number) {
    this.#most = most
    this.#count = most
    this.#tooMany = most + 1
  }

  /** The count for a step that begins at `now`, `performance.now()`. */
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
