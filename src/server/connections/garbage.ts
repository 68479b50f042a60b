import { STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import { ApiError } from '../errors.ts'

/** Answers what is not HTTP; handles the `clientError` of a server. */
export function refuseGarbage({ code }: NodeJS.ErrnoException, socket: Duplex): void {
  if (code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  const { status, body: said } =
    code === 'HPE_HEADER_OVERFLOW'
      ? new ApiError(431, 'The headers are too large.', { code: 'headers_too_large' })
      : code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? new ApiError(408, 'The request did not arrive completely in time.', { code: 'request_timeout' })
        : new ApiError(400, 'This is not an HTTP request.', { code: 'invalid_http' })
  const body = JSON.stringify(said)
  const lines = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    'content-type: application/json',
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
  ]
  socket.end(`${lines.join('\r\n')}\r\n\r\n${body}`)
}
