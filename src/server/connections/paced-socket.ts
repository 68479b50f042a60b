import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { inSlices } from '../body/turns.ts'

/** Bytes that are read from a connection at a time. */
const SLICE = 4096

/**
 * A connection whose bytes reach Node's HTTP parser in small slices, in turn with those of other connections.
 * Node reads and parses 64 KiB at once on every connection that has data: bodies in one-byte chunks on a
 * hundred of them would stop the event loop for seconds.
 */
export class PacedSocket extends Duplex {
  readonly #socket: Socket
  #isWanted = false
  #isInLine = false

  constructor(socket: Socket) {
    super({ allowHalfOpen: true })
    this.#socket = socket
    socket.on('readable', this.#enter)
    socket.on('end', () => this.push(null))
    socket.on('error', (error) => this.destroy(error))
    socket.on('close', () => this.destroy())
    socket.on('timeout', () => this.emit('timeout'))
  }

  override _read(): void {
    this.#isWanted = true
    this.#enter()
  }

  override _write(piece: Buffer, _: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#socket.write(piece, done)
  }

  override _writev(
    pieces: readonly { readonly chunk: Buffer }[],
    done: (error?: Error | null) => void,
  ): void {
    const last = pieces.length - 1
    this.#socket.cork()
    for (const [i, { chunk }] of pieces.entries()) this.#socket.write(chunk, i === last ? done : undefined)
    this.#socket.uncork()
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#socket.end(() => done())
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#socket.destroy()
    done(error)
  }

  /** Like that of Node's own sockets; Node's parser needs it. */
  destroySoon(): void {
    this.end(() => this.destroy())
  }

  /** Likewise. */
  setTimeout(ms: number): this {
    this.#socket.setTimeout(ms)
    return this
  }

  readonly #enter = (): void => {
    if (this.#isInLine || !this.#isWanted || this.destroyed) return
    this.#isInLine = true
    inSlices(this.#take)
  }

  // After the last byte `read()` returns null, and 'end' follows.
  readonly #take = (): void => {
    this.#isInLine = false
    if (this.destroyed) return
    const slice = this.#socket.read(Math.min(SLICE, this.#socket.readableLength)) as Buffer | null
    if (slice === null) return
    this.#isWanted = false
    this.push(slice)
  }
}
