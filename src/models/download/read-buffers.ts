const SIZE = 2 ** 17
/** Less than this is copied, so that little in a queue holds little memory. */
const SMALL = 2 ** 14

/**
 * Memory that a socket reads into, used again and again: a new buffer for every read would wait for the garbage
 * collector, which lets tens of megabytes gather first. Buffers are filled in the order in which they are taken, so
 * whoever is done with a piece of one is done with all that were filled before it.
 */
export class ReadBuffers {
  /** Those that were taken, oldest first; the last is the one that is read into next. */
  readonly #taken: Buffer[] = []
  readonly #free: Buffer[] = []
  /** The last one, when what it was filled with has been copied. */
  #again: Buffer | undefined

  /** The buffer for the next read. */
  next(): Buffer {
    const again = this.#again
    this.#again = undefined
    if (again) return again
    const buffer = this.#free.pop() ?? Buffer.allocUnsafeSlow(SIZE)
    this.#taken.push(buffer)
    return buffer
  }

  /** What was read into the buffer that `next()` gave last. */
  filled(length: number): Buffer {
    const buffer = this.#taken.at(-1)!
    const piece = buffer.subarray(0, length)
    if (length >= SMALL) return piece
    this.#again = buffer
    return Buffer.from(piece)
  }

  /** `pieces` have been read, and all that came before them: what they lie in may be filled again. */
  release(pieces: readonly Uint8Array[]): void {
    const at = this.#taken.findLastIndex((buffer) => pieces.some((piece) => piece.buffer === buffer.buffer))
    if (at > 0) this.#free.push(...this.#taken.splice(0, at))
  }
}
