import { createCipheriv, createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { TLS } from './localhost.ts'

/** What a server does to one request, instead of answering it well. */
export const FAULTS = [
  'reset at 10 %',
  'reset at 50 %',
  'reset at 99 %',
  'stall',
  'silence',
  '200 for a range',
  'wrong range',
  'changed ETag',
  'no ETag',
  'short',
  'long',
  'wrong hash',
  'gzip',
  '302 loop',
  '302',
  '404',
  '401',
  '416',
  '429',
  '503',
  'no HTTP',
  'two lengths',
  'negative length',
  'endless length',
  'no chunks',
  'huge headers',
  'flood of 103',
  'false ETag',
  'range unasked for',
  'range beyond numbers',
  'answers twice',
  '302 to a file',
  '302 to nowhere',
  '302 without a word',
] as const
export type Fault = (typeof FAULTS)[number]

/** Those after which no later answer can help. */
export const FATAL: readonly Fault[] = [
  'long',
  'wrong hash',
  'gzip',
  '302 loop',
  '404',
  '401',
  '302 to a file',
  '302 to nowhere',
  '302 without a word',
  'endless length',
]

/** Answers that are none, as they go over the wire. */
const RAW: Partial<Record<Fault, string>> = {
  'no HTTP': 'SSH-2.0-OpenSSH_9.6\r\n',
  'two lengths': 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello!',
  'endless length': 'HTTP/1.1 200 OK\r\ncontent-length: 9007199254740993\r\n\r\nhello',
  'negative length': 'HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\nhello',
  'no chunks':
    'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\nhello\r\n0\r\n\r\n',
  'huge headers': `HTTP/1.1 200 OK\r\nx: ${'x'.repeat(2 ** 20)}\r\ncontent-length: 0\r\n\r\n`,
}
const LOCATIONS: Partial<Record<Fault, string>> = {
  '302 to a file': 'file:///etc/passwd',
  '302 to nowhere': 'http://',
}

export const md5 = (bytes: Uint8Array) => createHash('md5').update(bytes).digest('hex')

/** Bytes that look like nothing, the same for the same seed. */
export function fileBytes(seed: number, length: number): Buffer {
  const key = createHash('md5').update(String(seed)).digest()
  return createCipheriv('aes-128-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(length))
}

export type Hosted = {
  readonly bytes: Buffer
  /** What happens to the first, second ... request; all later ones are answered well. */
  readonly faults: readonly Fault[]
  /** Where it has moved to. */
  readonly location?: string
  /** `user:password`, without which there is nothing to be had. */
  readonly credentials?: string
  /** A token, without which there is nothing to be had. */
  readonly bearer?: string | undefined
  /** It answers nothing but this. */
  readonly refusal?: { readonly status: number; readonly headers?: Readonly<Record<string, string>> }
}

/** Serves files on the loopback, with ranges and ETags, and with the faults that it is told. */
export class HostileServer {
  readonly #server: Server
  readonly #scheme: string
  readonly #files = new Map<string, Hosted>()
  /** Requests so far. */
  readonly requests: {
    readonly path: string
    readonly range: string | undefined
    readonly authorization: string | undefined
    readonly userAgent: string | undefined
    /** What was done to it; `undefined` = nothing. */
    readonly fault: Fault | undefined
    readonly status: () => number
  }[] = []

  private constructor(server: Server, scheme: string) {
    this.#server = server
    this.#scheme = scheme
  }

  /** `secure`: over https, with the certificate of test/support. */
  static async start({ secure = false } = {}): Promise<HostileServer> {
    const server = secure ? createSecureServer(TLS) : createServer()
    const hostile = new HostileServer(server, secure ? 'https' : 'http')
    server.on('request', (request, response) => hostile.#answer(request, response))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return hostile
  }

  host(name: string, hosted: Hosted): string {
    this.#files.set(`/${name}`, hosted)
    return `${this.#scheme}://127.0.0.1:${(this.#server.address() as AddressInfo).port}/${name}`
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const [path = '', query] = (request.url ?? '').split('?')
    const range = request.headers.range
    const hosted = this.#files.get(path)
    if (!hosted) return void response.writeHead(404).end()
    const fault =
      query === 'loop'
        ? '302 loop'
        : hosted.faults[this.requests.filter((earlier) => earlier.path === path).length]
    const { authorization, 'user-agent': userAgent } = request.headers
    const status = () => response.statusCode
    this.requests.push({ path, range, authorization, userAgent, fault, status })
    const { bytes, location, credentials, bearer, refusal } = hosted
    if (refusal) return void response.writeHead(refusal.status, refusal.headers).end()
    if (bearer !== undefined && authorization !== `Bearer ${bearer}`)
      return void response.writeHead(401).end()
    if (credentials && authorization !== `Basic ${Buffer.from(credentials).toString('base64')}`)
      return void response.writeHead(401).end()
    if (location && fault === undefined) return void response.writeHead(302, { location }).end()
    const etag = fault === 'changed ETag' ? `"${Math.random()}"` : `"${md5(bytes)}"`
    if (request.headers['if-none-match'] === etag) return void response.writeHead(304).end()
    const ifRange = request.headers['if-range']
    const wanted = /^bytes=(\d+)-$/.exec(range ?? '')
    const usable = wanted && fault !== '200 for a range' && (ifRange === undefined || ifRange === etag)
    let from = usable ? Number(wanted[1]) : 0
    if (fault === 'wrong range') from = Math.max(0, from - 7)
    const rest = fault === 'wrong hash' ? Buffer.alloc(bytes.length - from, 7) : bytes.subarray(from)
    const headers: Record<string, string | number> = {
      'content-length': rest.length,
      ...(fault !== 'no ETag' && { etag }),
      ...(usable && { 'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` }),
    }
    const cut = (share: number) => {
      response.writeHead(usable ? 206 : 200, headers)
      // A hard reset takes with it what is still on its way, a soft one comes behind it.
      const end = share < 0.5 ? () => request.socket.resetAndDestroy() : () => request.socket.destroySoon()
      response.write(rest.subarray(0, Math.floor(rest.length * share)), end)
    }
    if (fault && RAW[fault] !== undefined) return void request.socket.end(RAW[fault])
    const location302 = fault && LOCATIONS[fault]
    if (location302 !== undefined) return void response.writeHead(302, { location: location302 }).end()
    switch (fault) {
      case 'reset at 10 %':
      case 'reset at 50 %':
      case 'reset at 99 %':
        cut(Number(/\d+/.exec(fault)?.[0]) / 100)
        return
      case 'silence':
        return
      case 'stall':
        response.writeHead(usable ? 206 : 200, headers)
        return void response.write(rest.subarray(0, Math.floor(rest.length / 3)))
      case 'short':
        delete headers['content-length'] // chunked: it ends as if all were well
        return void response.writeHead(usable ? 206 : 200, headers).end(rest.subarray(0, rest.length / 2))
      case 'long':
        delete headers['content-length']
        return void response.writeHead(usable ? 206 : 200, headers).end(Buffer.concat([rest, rest]))
      case 'gzip':
        return void response.writeHead(200, { ...headers, 'content-encoding': 'gzip' }).end(rest)
      case '302 loop':
        return void response.writeHead(302, { location: `${path}?loop` }).end()
      case '302':
        return void response.writeHead(302, { location: `${path}?moved` }).end()
      case '429':
        return void response.writeHead(429, { 'retry-after': '0' }).end()
      case 'flood of 103':
        for (let i = 0; i < 1000; i++) response.writeEarlyHints({ link: '</x>; rel=preload' })
        return void response.writeHead(usable ? 206 : 200, headers).end(rest)
      case 'false ETag':
        return void response.writeHead(usable ? 206 : 200, { ...headers, etag: '"\u00ff"; x="y' }).end(rest)
      case 'range unasked for':
        return void response
          .writeHead(206, { ...headers, 'content-range': `bytes 7-${bytes.length - 1}/${bytes.length}` })
          .end(bytes.subarray(7))
      case 'range beyond numbers':
        return void response
          .writeHead(206, {
            ...headers,
            'content-range': `bytes ${from}-${'9'.repeat(400)}/${'9'.repeat(400)}`,
          })
          .end(rest)
      case 'answers twice':
        response.writeHead(usable ? 206 : 200, headers).end(rest, () => request.socket.write(RAW['no HTTP']!))
        return
      case '302 without a word':
        return void response.writeHead(302).end()
      case '404':
      case '401':
      case '416':
      case '503':
        return void response.writeHead(Number(fault)).end()
      default:
        return void response.writeHead(usable ? 206 : 200, headers).end(rest)
    }
  }
}
