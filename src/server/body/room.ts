import { ApiError, tooMany } from '../errors.ts'

/** A body of which so few bytes come in so long is slow: its room is another's where that is needed. */
const SLOW_BYTES = 2 ** 15
const SLOW_MS = 2000

/** What a body takes, in bytes, for each of its bytes: as it comes, as text, as what the text says, and what waits to be collected. */
export const MEMORY_PER_BYTE = 4
/** And for its request and its connection, however small it is. */
export const MEMORY_PER_BODY = 64 * 2 ** 10

/** The memory that the bodies of all requests under way may take. */
export class BodyRoom {
  readonly #most: number
  #used = 0
  /** Those of which something is still to come. */
  readonly #coming = new Set<BodyHold>()

  constructor(most: number) {
    this.#most = most
  }

  /**
   * For a body that begins; `giveUp` is called where it comes too slowly and its room is needed.
   * @throws {ApiError} 429 where there is no room
   */
  enter(giveUp: (error: ApiError) => void): BodyHold {
    const hold = new BodyHold(this, giveUp)
    this.take(MEMORY_PER_BODY, hold)
    this.#coming.add(hold)
    return hold
  }

  /** @internal Of `BodyHold`. */
  take(memory: number, asking: BodyHold): void {
    while (this.#used + memory > this.#most) {
      const slow = [...this.#coming].filter((hold) => hold !== asking && hold.isSlow)
      const [slowest] = slow.sort((a, b) => a.since - b.since)
      if (!slowest)
        throw tooMany(
          'The requests under way take all the memory that bodies may have; try again later.',
          1,
          { code: 'bodies_full', advice: 'option bodyMemory' },
        )
      slowest.giveUp()
    }
    this.#used += memory
  }

  /** @internal The same. */
  complete(hold: BodyHold): void {
    this.#coming.delete(hold)
  }

  /** @internal The same. */
  give(memory: number): void {
    this.#used -= memory
  }
}

/** What one body takes of the room, until it is released. */
export class BodyHold {
  readonly #room: BodyRoom
  readonly #giveUp: (error: ApiError) => void
  #memory = MEMORY_PER_BODY
  /** When bytes had come that are many enough, and how many came since. */
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

  /** Takes room for so many more bytes of the body. @throws {ApiError} 429 where there is none */
  grow(bytes: number): void {
    const memory = MEMORY_PER_BYTE * bytes
    this.#room.take(memory, this)
    this.#memory += memory
  }

  /** So many bytes have come. */
  came(bytes: number): void {
    this.#came += bytes
    if (this.#came < SLOW_BYTES) return
    this.#came = 0
    this.#since = performance.now()
  }

  /** All of it has come. */
  complete(): void {
    this.#room.complete(this)
  }

  giveUp(): void {
    this.release()
    const message = 'The body came too slowly, and others needed its room.'
    this.#giveUp(new ApiError(408, message, { code: 'body_timeout' }))
  }

  /** Gives the room back. Idempotent. */
  release(): void {
    this.complete()
    this.#room.give(this.#memory)
    this.#memory = 0
  }
}
