const SIZE = 2 ** 17
/** Shorter pieces are copied, so that a few queued bytes do not hold a whole buffer. */
const SMALL = 2 ** 14

/**
 * Memory that a socket reads into, used again and again: a new buffer for every read would wait for the
 * garbage collector, which lets tens of megabytes gather first. Buffers are filled in the order in which they
 * are taken, so once a piece of one has been read, all buffers filled before it have been read too.
 */
export class ReadBuffers {
  /** Buffers taken, oldest first; the last one is read into next. */
  readonly #taken: Buffer[] = []
  readonly #free: Buffer[] = []
  /** The last one, if its content has been copied. */
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

  /** What was read into the last buffer that `next()` returned. */
  filled(length: number): Buffer {
    const buffer = this.#taken.at(-1)!
    const piece = buffer.subarray(0, length)
    if (length >= SMALL) return piece
    this.#again = buffer
    return Buffer.from(piece)
  }

  /** `pieces` and all before them have been read: buffers before the last of them may be filled again. */
  release(pieces: readonly Uint8Array[]): void {
    const at = this.#taken.findLastIndex((buffer) => pieces.some((piece) => piece.buffer === buffer.buffer))
    if (at > 0) this.#free.push(...this.#taken.splice(0, at))
  }
}
