import type { Slots } from './cache/slots.ts'
import type { Ask, Request } from './request.ts'
import { withoutSlot } from './slot-use.ts'

/**
 * Runs `work`, a function of the program that helps make a prompt. Meanwhile the request that needs the
 * prompt does not count as waiting: the function may itself generate something, and that counts.
 */
export type Aside = <T>(work: () => T | Promise<T>) => Promise<T>

/**
 * The requests that want something of the scheduler: those that ask for their next token, and those whose
 * prompts are still being made. Each keeps its place in order of arrival.
 */
export class RequestQueue {
  readonly #slots: Slots<Request>
  #asks: Ask[] = []
  /** Requests that ask for a token. */
  readonly #asking = new Set<Request>()
  /** Requests whose prompts are being made. */
  readonly #expected = new Set<Request>()
  /** Of those, the ones that wait for a function of the program. */
  readonly #aside = new Set<Request>()

  constructor(slots: Slots<Request>) {
    this.#slots = slots
  }

  get asks(): readonly Ask[] {
    return this.#asks
  }

  /** How many requests wait for a slot, or will once their prompts are made. */
  get waiting(): number {
    return withoutSlot(this.#slots, this.#asks).length + this.#expected.size - this.#aside.size
  }

  has(ask: Ask): boolean {
    return this.#asks.includes(ask)
  }

  readonly isAsking = (request: Request): boolean => this.#asking.has(request)

  /** The prompt of `request` is being made. */
  expect(request: Request): void {
    this.#expected.add(request)
  }

  /** Does `work` for the prompt of `request`; see `Aside`. */
  async aside<T>(request: Request, work: () => T | Promise<T>): Promise<T> {
    if (this.#expected.has(request)) this.#aside.add(request)
    try {
      return await work()
    } finally {
      this.#aside.delete(request)
    }
  }

  /**
   * Appends `ask`; where its prompt took longer to make than those of requests that came later, it goes
   * before the ones of them that have not begun.
   */
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

  /** The prompt of `request` is no longer being made; true where it was. */
  leave(request: Request): boolean {
    this.#aside.delete(request)
    return this.#expected.delete(request)
  }
}
