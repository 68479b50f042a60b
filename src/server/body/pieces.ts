import type { IncomingMessage } from 'node:http'
import { types } from 'node:util'
import { ApiError } from '../errors.ts'

/** The bytes of a body as they come, no faster than they are taken; throws where they end early, or `signal` aborts. */
export type Pieces = (signal: AbortSignal) => AsyncGenerator<Uint8Array, void, void>

/** Of any standard request. */
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
          throw new ApiError(400, 'The body is a stream of something else than bytes.', {
            code: 'invalid_body',
          })
        yield next.value
      }
      signal.throwIfAborted() // to cancel ends it as well
    } finally {
      signal.removeEventListener('abort', leave)
      leave()
    }
  }
}

/**
 * Of a request of Node's server. As a standard stream it would be read ahead by thousands of chunks, and each of them, however
 * small, be an object and several promises: here all that lies there comes as one.
 */
export function piecesOfIncoming(incoming: IncomingMessage): Pieces {
  return async function* (signal) {
    let wake = () => {}
    const onChange = () => wake()
    const events = ['readable', 'end', 'error', 'close'] as const
    for (const event of events) incoming.on(event, onChange)
    signal.addEventListener('abort', onChange, { once: true })
    try {
      for (;;) {
        signal.throwIfAborted()
        const piece = incoming.read() as Buffer | null
        if (piece !== null) yield piece
        else if (incoming.readableEnded) return
        else if (incoming.destroyed) throw incoming.errored ?? new Error('the connection was closed')
        else
          await new Promise<void>((resolve) => {
            wake = resolve
          })
      }
    } finally {
      for (const event of events) incoming.off(event, onChange)
      signal.removeEventListener('abort', onChange)
    }
  }
}
