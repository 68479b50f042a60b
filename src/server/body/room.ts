import { ApiError, tooMany } from '../errors.ts'

/** A body that brings fewer bytes than this in this time is slow: another that needs its room gets it. */
const SLOW_BYTES = 2 ** 15
const SLOW_MS = 2000

/** Bytes of memory per byte of a body: as it arrives, as text, as parsed values, and as garbage. */
export const MEMORY_PER_BYTE = 4
/** Plus this much for its request and connection, however small it is. */
export const MEMORY_PER_BODY = 64 * 2 ** 10

/** The memory that the bodies of all requests in progress may take. */
export class BodyRoom {
  readonly #most: number
  #used = 0
  /** Bodies that are still arriving. */
  readonly #coming = new Set<BodyHold>()

  constructor(most: number) {
    this.#most = most
  }

  /**
   * Admits a body; `giveUp` is called if it arrives too slowly and its room is needed.
   * @throws {ApiError} 429 if there is no room
   */
  enter(giveUp: (error: ApiError) => void): BodyHold {
    const hold = new BodyHold(this, giveUp)
    this.take(MEMORY_PER_BODY, hold)
    this.#coming.add(hold)
    return hold
  }

  /** @internal For `BodyHold`. */
  take(memory: number, asking: BodyHold): void {
    while (this.#used + memory > this.#most) {
      const slow = [...this.#coming].filter((hold) => hold !== asking && hold.isSlow)
      const [slowest] = slow.sort((a, b) => a.since - b.since)
      if (!slowest)
        throw tooMany('The requests in progress use all the memory for bodies. Try again later.', 1, {
          code: 'bodies_full',
          advice: 'increase the option bodyMemory',
        })
      slowest.giveUp()
    }
    this.#used += memory
  }

  /** @internal For `BodyHold`. */
  complete(hold: BodyHold): void {
    this.#coming.delete(hold)
  }

  /** @internal For `BodyHold`. */
  give(memory: number): void {
    this.#used -= memory
  }
}

/** The room that one body takes until it is released. */
export class BodyHold {
  readonly #room: BodyRoom
  readonly #giveUp: (error: ApiError) => void
  #memory = MEMORY_PER_BODY
  /** When the last `SLOW_BYTES` were complete, and how many bytes have arrived since. */
  #since = performance.now()
  #came = 0

  constructor(room: BodyRoom, giveUp: (error: ApiError) => void) {
    this.#room = room
    this.#giveUp = giveUp
  }

  get since(): number {
    return this.#since
  }

  get isSlow(): boolean {
    return performance.now() - this.#since > SLOW_MS
  }

  /** Takes room for this many more bytes of the body. @throws {ApiError} 429 if there is none */
  grow(bytes: number): void {
    const memory = MEMORY_PER_BYTE * bytes
    this.#room.take(memory, this)
    this.#memory += memory
  }

  /** Notes that `bytes` have arrived. */
  came(bytes: number): void {
    this.#came += bytes
    if (this.#came < SLOW_BYTES) return
    this.#came = 0
    this.#since = performance.now()
  }

  /** Notes that the whole body has arrived. */
  complete(): void {
    this.#room.complete(this)
  }

  giveUp(): void {
    this.release()
    const message = 'The body arrived too slowly, and another request needed its memory.'
    this.#giveUp(new ApiError(408, message, { code: 'body_timeout' }))
  }

  /** Gives the room back. Idempotent. */
  release(): void {
    this.complete()
    this.#room.give(this.#memory)
    this.#memory = 0
  }
}
