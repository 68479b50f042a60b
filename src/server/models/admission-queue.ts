import { tooMany } from '../errors.ts'
import type { Entry } from './entry.ts'

/** A request that waits for room to load its model. */
export type Place = { readonly entry: Entry; wake: () => void }

/** Requests that wait for room, in order of arrival. */
export class AdmissionQueue {
  readonly #places: Place[] = []
  readonly #most: number

  /** `most` requests may wait, but at least one. */
  constructor(most: number) {
    this.#most = Math.max(1, most)
  }

  get isFull(): boolean {
    return this.#places.length >= this.#most
  }

  /** Whether no other model is first: requests for the same model need the same room. */
  isTurnOf(place: Place): boolean {
    const first = this.#places[0]
    return first === undefined || first === place || first.entry === place.entry
  }

  /**
   * Resolves when the queue is woken; rejects when the signal aborts. The first call enters the queue.
   * @throws {ApiError} 429 if it is full
   */
  async wait(place: Place, signal: AbortSignal): Promise<void> {
    if (!this.#places.includes(place)) this.#enter(place)
    await wakened(place, signal)
  }

  /** Leaves the queue, if the place is in it. */
  leave(place: Place): void {
    const at = this.#places.indexOf(place)
    if (at >= 0) this.#places.splice(at, 1)
    if (at === 0) this.wake()
  }

  /** Lets all places look again whether there is room. */
  wake(): void {
    for (const { wake } of this.#places) wake()
  }

  #enter(place: Place): void {
    if (this.isFull)
      throw tooMany('All loaded models are busy, and no other can be loaded. Try again later.', 5)
    this.#places.push(place)
  }
}

/** Resolves when the place is woken; rejects when the signal aborts. */
function wakened(place: Place, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const leave = () => reject(signal.reason)
    signal.addEventListener('abort', leave, { once: true })
    place.wake = () => {
      signal.removeEventListener('abort', leave)
      resolve()
    }
  })
}
