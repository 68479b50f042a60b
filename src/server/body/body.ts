import { anySignal } from '../../core/async.ts'
import type { JsonShape } from '../../core/json-shape.ts'
import { ApiError } from '../errors.ts'
import type { Exchange } from '../exchange.ts'
import type { ResolvedServerOptions } from '../options.ts'
import type { Pieces } from './pieces.ts'
import { type BodyHold, BodyRoom } from './room.ts'
import { bodyShape } from './shape.ts'
import { inTurn } from './turns.ts'

type BodyOptions = Pick<ResolvedServerOptions, 'maxBodyBytes' | 'bodyMemory' | 'bodyTimeout' | 'maxMessages'>

/**
 * Blocks grow with the bytes received, between these sizes: up to half is empty, and nothing is copied twice.
 */
const LEAST_BLOCK = 4 * 2 ** 10
const MOST_BLOCK = 256 * 2 ** 10
/** Above this many bytes, parsing and checking get event-loop turns of their own, as decoding always does. */
const LARGE = 64 * 2 ** 10
/** How long pieces that have already arrived are taken without a pause, ms. */
const BURST_MS = 2
/** The longest delay of a timer. */
const MOST_MS = 2 ** 31 - 1

/** Reads the bodies of a server's requests. */
export class Bodies {
  readonly #options: BodyOptions
  readonly #room: BodyRoom

  constructor(options: BodyOptions) {
    this.#options = options
    this.#room = new BodyRoom(options.bodyMemory)
  }

  /** What `read` makes of the JSON object in the body, whose room is held until the exchange is over. */
  async read<T>(
    request: Request,
    exchange: Exchange,
    read: (body: Readonly<Record<string, unknown>>) => T,
  ): Promise<T> {
    checkEncoding(request)
    if (Number(request.headers.get('content-length')) > this.#options.maxBodyBytes) throw this.#tooLarge()
    const blocks = await this.#blocks(request, exchange)
    const inTurnIfLarge = <R>(work: () => R) => (blocks.bytes > LARGE ? inTurn(work) : work())
    const text = await inTurn(() => decode(blocks.take()))
    const body = await inTurnIfLarge(() => parse(text))
    return inTurnIfLarge(() => read(body))
  }

  async #blocks(request: Request, exchange: Exchange): Promise<Blocks> {
    const late = new AbortController()
    const hold = this.#room.enter((error) => late.abort(error))
    exchange.onEnd(() => hold.release())
    const timer = this.#timer(late)
    const shape = bodyShape(this.#options.maxMessages)
    const announced = Number(request.headers.get('content-length'))
    const blocks = new Blocks(hold, announced, this.#options.maxBodyBytes)
    const signal = anySignal(exchange.signal, late.signal)
    try {
      await this.#readInto(blocks, shape, exchange.pieces(signal))
    } catch (error) {
      if (error instanceof ApiError) throw error
      throw new ApiError(400, 'The body ended before it was complete.', {
        code: 'incomplete_body',
        cause: error,
      })
    } finally {
      clearTimeout(timer)
    }
    hold.complete()
    return blocks
  }

  async #readInto(blocks: Blocks, shape: JsonShape, pieces: ReturnType<Pieces>): Promise<void> {
    let pauseAt = performance.now() + BURST_MS
    for await (const piece of pieces) {
      if (blocks.bytes + piece.length > this.#options.maxBodyBytes) throw this.#tooLarge()
      shape.add(piece)
      blocks.add(piece)
      if (performance.now() < pauseAt) continue
      await inTurn(() => {})
      pauseAt = performance.now() + BURST_MS
    }
  }

  #timer(late: AbortController): NodeJS.Timeout {
    const { bodyTimeout } = this.#options
    const message = `The body did not arrive within ${bodyTimeout} ms.`
    const error = new ApiError(408, message, {
      code: 'body_timeout',
      advice: 'increase the option bodyTimeout',
    })
    return setTimeout(() => late.abort(error), Math.min(bodyTimeout, MOST_MS))
  }

  #tooLarge(): ApiError {
    return new ApiError(413, `The body is larger than ${this.#options.maxBodyBytes} bytes.`, {
      code: 'body_too_large',
      advice: 'increase the option maxBodyBytes',
    })
  }
}

/** The bytes received, in few blocks of memory, however small the pieces in which they arrive. */
class Blocks {
  bytes = 0
  readonly #hold: BodyHold
  /** Bytes that the sender has announced; only a hint. */
  readonly #announced: number
  readonly #most: number
  #blocks: Buffer[] = []
  /** Free bytes of the last block. */
  #free = 0

  constructor(hold: BodyHold, announced: number, most: number) {
    this.#hold = hold
    this.#announced = announced
    this.#most = most
  }

  add(piece: Uint8Array): void {
    this.#hold.came(piece.length)
    for (let rest = piece; rest.length > 0; ) {
      const block = this.#free > 0 ? this.#blocks.at(-1)! : this.#grow()
      const fitting = rest.subarray(0, this.#free)
      block.set(fitting, block.length - this.#free)
      this.#free -= fitting.length
      this.bytes += fitting.length
      rest = rest.subarray(fitting.length)
    }
  }

  /** Returns all bytes, and keeps none. */
  take(): Buffer {
    const whole = Buffer.concat(this.#blocks, this.bytes)
    this.#blocks = []
    return whole
  }

  #grow(): Buffer {
    const left = this.#announced > this.bytes ? this.#announced - this.bytes : MOST_BLOCK
    const wanted = Math.max(LEAST_BLOCK, Math.min(this.bytes, left, MOST_BLOCK))
    const size = Math.min(wanted, this.#most - this.bytes)
    this.#hold.grow(size)
    const block = Buffer.allocUnsafeSlow(size)
    this.#blocks.push(block)
    this.#free = size
    return block
  }
}

const unsupported = (message: string) => new ApiError(415, message, { code: 'unsupported_media_type' })
const invalid = (message: string) => new ApiError(400, message, { code: 'invalid_json' })

function checkEncoding(request: Request): void {
  const encoding = request.headers.get('content-encoding') ?? 'identity'
  if (encoding !== 'identity') throw unsupported(`The body must not be encoded ("${encoding}").`)
  const type = request.headers.get('content-type') ?? ''
  const charset = /charset="?([^\s;"]+)/i.exec(type)?.[1] ?? 'utf-8'
  if (!/^utf-?8$/i.test(charset)) throw unsupported(`The body must be UTF-8, not "${charset}".`)
  if (/^multipart\//i.test(type)) throw unsupported('The body must be JSON (application/json).')
}

function decode(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw invalid('The body is not valid UTF-8.')
  }
}

function parse(text: string): Record<string, unknown> {
  if (text.trim() === '') throw invalid('The request has no body. Send a JSON object.')
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw invalid(`The body is not valid JSON: ${(error as Error).message.slice(0, 200)}.`)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalid('The body must be a JSON object.')
  return value as Record<string, unknown>
}
