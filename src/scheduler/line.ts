import type { Slots } from './cache/slots.ts'
import { waitingFor } from './demand.ts'
import type { Ask, Sequence } from './request.ts'

/**
 * Does what a function of the program does for a prompt. Meanwhile whoever wants the prompt does not count: the function may
 * generate something itself, and that counts.
 */
export type Aside = <T>(work: () => T | Promise<T>) => Promise<T>

/**
 * Who wants something of the engine: sequences that ask for their next token, and before them those whose prompts are
 * still being made. Each keeps the place in which it came.
 */
export class Line {
  readonly #slots: Slots<Sequence>
  #asks: Ask[] = []
  /** Who asks. */
  readonly #asking = new Set<Sequence>()
  /** Whose prompt is being made. */
  readonly #expected = new Set<Sequence>()
  /** Of those, who waits for a function of the program. */
  readonly #aside = new Set<Sequence>()

  constructor(slots: Slots<Sequence>) {
    this.#slots = slots
  }

  get asks(): readonly Ask[] {
    return this.#asks
  }

  /** How many wait for a slot, or will once their prompts are made. */
  get waiting(): number {
    return waitingFor(this.#slots, this.#asks).length + this.#expected.size - this.#aside.size
  }

  has(ask: Ask): boolean {
    return this.#asks.includes(ask)
  }

  readonly isAsking = (sequence: Sequence): boolean => this.#asking.has(sequence)

  /** Its prompt is being made. */
  expect(sequence: Sequence): void {
    this.#expected.add(sequence)
  }

  /** What is done for the prompt of `sequence`. */
  async aside<T>(sequence: Sequence, work: () => T | Promise<T>): Promise<T> {
    if (this.#expected.has(sequence)) this.#aside.add(sequence)
    try {
      return await work()
    } finally {
      this.#aside.delete(sequence)
    }
  }

  /** Behind all that are there, but before those that came later and have not begun, where its prompt took longer than theirs. */
  add(ask: Ask): void {
    const { sequence } = ask
    const isLater = (other: Sequence) => other.cachedTokens === undefined && other.number > sequence.number
    const at = this.leave(sequence) ? this.#asks.findIndex((other) => isLater(other.sequence)) : -1
    this.#asks.splice(at < 0 ? this.#asks.length : at, 0, ask)
    this.#asking.add(sequence)
  }

  settle(ask: Ask, answer: () => void): void {
    ask.signal?.removeEventListener('abort', ask.onAbort)
    this.#asks = this.#asks.filter((other) => other !== ask)
    this.#asking.delete(ask.sequence)
    answer()
  }

  rejectAll(reason: unknown): void {
    for (const ask of [...this.#asks]) this.settle(ask, () => ask.reject(reason))
  }

  /** Its prompt is not being made any more; true where it was. */
  leave(sequence: Sequence): boolean {
    this.#aside.delete(sequence)
    return this.#expected.delete(sequence)
  }
}
