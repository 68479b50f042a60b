import type { Slots } from './cache/slots.ts'
import { waitingFor } from './gather.ts'
import type { Ask, Request } from './request.ts'

/**
 * Does what a function of the program does for a prompt. Meanwhile whoever wants the prompt does not count: the function may
 * generate something itself, and that counts.
 */
export type Aside = <T>(work: () => T | Promise<T>) => Promise<T>

/**
 * Who wants something of the engine: requests that ask for their next token, and before them those whose prompts are
 * still being made. Each keeps the place in which it came.
 */
export class RequestQueue {
  readonly #slots: Slots<Request>
  #asks: Ask[] = []
  /** Who asks. */
  readonly #asking = new Set<Request>()
  /** Whose prompt is being made. */
  readonly #expected = new Set<Request>()
  /** Of those, who waits for a function of the program. */
  readonly #aside = new Set<Request>()

  constructor(slots: Slots<Request>) {
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

  readonly isAsking = (request: Request): boolean => this.#asking.has(request)

  /** Its prompt is being made. */
  expect(request: Request): void {
    this.#expected.add(request)
  }

  /** What is done for the prompt of `request`. */
  async aside<T>(request: Request, work: () => T | Promise<T>): Promise<T> {
    if (this.#expected.has(request)) this.#aside.add(request)
    try {
      return await work()
    } finally {
      this.#aside.delete(request)
    }
  }

  /** Behind all that are there, but before those that came later and have not begun, where its prompt took longer than theirs. */
  add(ask: Ask): void {
    const { request } = ask
    const isLater = (other: Request) => other.cachedTokens === undefined && other.number > request.number
    const at = this.leave(request) ? this.#asks.findIndex((other) => isLater(other.request)) : -1
    this.#asks.splice(at < 0 ? this.#asks.length : at, 0, ask)
    this.#asking.add(request)
  }

  settle(ask: Ask, answer: () => void): void {
    ask.signal?.removeEventListener('abort', ask.onAbort)
    this.#asks = this.#asks.filter((other) => other !== ask)
    this.#asking.delete(ask.request)
    answer()
  }

  rejectAll(reason: unknown): void {
    for (const ask of [...this.#asks]) this.settle(ask, () => ask.reject(reason))
  }

  /** Its prompt is not being made any more; true where it was. */
  leave(request: Request): boolean {
    this.#aside.delete(request)
    return this.#expected.delete(request)
  }
}
