import type { IncomingMessage } from 'node:http'
import { types } from 'node:util'
import { Bell } from '../../core/async.ts'
import { ApiError } from '../errors.ts'

/** The bytes of a body as they arrive, no faster than they are taken; throws on an early end or abort. */
export type Pieces = (signal: AbortSignal) => AsyncGenerator<Uint8Array, void, void>

/** For any standard `Request`. */
export function piecesOfRequest(request: Request): Pieces {
  return async function* (signal) {
    signal.throwIfAborted()
    const reader = request.body?.getReader()
    if (!reader) return
    const leave = () => void reader.cancel(signal.reason).catch(() => {})
    signal.addEventListener('abort', leave, { once: true })
    try {
      for (let next = await reader.read(); !next.done; next = await reader.read()) {
        if (!types.isUint8Array(next.value))
          throw new ApiError(400, 'The body must be a stream of bytes.', {
            code: 'invalid_body',
          })
        yield next.value
      }
      signal.throwIfAborted() // cancelling also ends the body
    } finally {
      signal.removeEventListener('abort', leave)
      leave()
    }
  }
}

/**
 * For a request of Node's server. A standard stream would read ahead by thousands of chunks, each of them an
 * object and several promises, however small. Here everything that has arrived comes as one piece.
 */
export function piecesOfIncoming(incoming: IncomingMessage): Pieces {
  return async function* (signal) {
    const change = new Bell()
    const events = ['readable', 'end', 'error', 'close'] as const
    for (const event of events) incoming.on(event, change.ring)
    signal.addEventListener('abort', change.ring, { once: true })
    try {
      for (;;) {
        signal.throwIfAborted()
        const piece = incoming.read() as Buffer | null
        if (piece !== null) yield piece
        else if (incoming.readableEnded) return
        else if (incoming.destroyed) throw incoming.errored ?? new Error('the connection was closed')
        else await change.next()
      }
    } finally {
      for (const event of events) incoming.off(event, change.ring)
      signal.removeEventListener('abort', change.ring)
    }
  }
}
