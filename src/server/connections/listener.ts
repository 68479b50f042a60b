import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { getRequestListener } from '@hono/node-server'
import { ApiError } from '../errors.ts'
import { refuseGarbage } from './garbage.ts'
import { PacedSocket } from './paced-socket.ts'

/** Answers a request, whose body is read from `incoming`. */
export type AnswerFunction = (request: Request, incoming: IncomingMessage) => Promise<Response>

type ListenerOptions = { readonly port: number; readonly host: string; readonly bodyTimeout: number }

/** Node's HTTP server, which passes requests to `answer`. */
export class Listener {
  readonly #server: Server
  readonly #listening: Promise<void>

  constructor(answer: AnswerFunction, { port, host, bodyTimeout }: ListenerOptions) {
    // For headers from which no `Request` can be made.
    const errorHandler = () =>
      new ApiError(400, 'This is not a valid HTTP request.', { code: 'invalid_http' }).toResponse()
    this.#server = createServer(
      { requireHostHeader: false }, // we refuse in our own format
      getRequestListener((request, { incoming }) => answer(request, incoming as IncomingMessage), {
        overrideGlobalObjects: false,
        errorHandler,
      }),
    )
    // For bodies that are not read; those that are have a timer of their own.
    const { headersTimeout } = this.#server
    this.#server.requestTimeout = bodyTimeout === Number.POSITIVE_INFINITY ? 0 : headersTimeout + bodyTimeout
    for (const parse of this.#server.listeners('connection')) {
      this.#server.removeListener('connection', parse as () => void)
      this.#server.on('connection', (socket) => parse.call(this.#server, new PacedSocket(socket)))
    }
    this.#server.on('clientError', refuseGarbage)
    this.#server.on('checkExpectation', (_, response) => {
      const { status, body } = new ApiError(417, 'The Expect header is not supported.', {
        code: 'expectation_failed',
      })
      const text = JSON.stringify(body)
      const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }
      response.writeHead(status, headers).end(text)
    })
    this.#listening = new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(port, host, resolve)
    })
    this.#listening.catch(() => {}) // `address()` reports it
  }

  async address(): Promise<{ readonly url: string; readonly port: number }> {
    await this.#listening
    const { address, family, port } = this.#server.address() as AddressInfo
    return { url: `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`, port }
  }

  /** Accepts no more connections; `finish()` ends the open ones, and waits for that. */
  async stop(): Promise<{ finish(): Promise<void> }> {
    const isListening = await this.#listening.then(
      () => true,
      () => false,
    )
    if (!isListening) return { finish: async () => {} }
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    return {
      finish: async () => {
        this.#server.closeIdleConnections()
        const timer = setTimeout(() => this.#server.closeAllConnections(), LAST_BYTES_MS)
        await closed
        clearTimeout(timer)
      },
    }
  }
}

/** Time for the last bytes of finished answers. */
const LAST_BYTES_MS = 1000
