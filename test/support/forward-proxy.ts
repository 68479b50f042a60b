import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { pipeline } from 'node:stream'

type ProxyOptions = {
  /** `user:password` that it wants. */
  readonly credentials?: string
  /** Refuses everything with this status. */
  readonly status?: number
  /** Where hosts of the internet are: name, and address with port. */
  readonly hosts?: Readonly<Record<string, string>>
}

/** A proxy on the loopback: tunnels for https, asks for the address where it is http. */
export class ForwardProxy {
  readonly #server: Server
  readonly #options: ProxyOptions
  /** Its name and port. */
  readonly host: string
  /** What it was asked for: `CONNECT host:port`, `GET http://...`. */
  readonly requests: string[] = []

  private constructor(server: Server, options: ProxyOptions) {
    this.#server = server
    this.#options = options
    this.host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  }

  static async start(options: ProxyOptions = {}): Promise<ForwardProxy> {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const proxy = new ForwardProxy(server, options)
    server.on('request', (asked, response) => proxy.#forward(asked, response))
    server.on('connect', (asked, socket) => proxy.#tunnel(asked, socket as Socket))
    return proxy
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve)) // again does no harm
  }

  /** The status with which it refuses; `undefined` where it does not. */
  #refuses({ method, url, headers }: IncomingMessage): number | undefined {
    this.requests.push(`${method} ${url}`)
    const { credentials, status } = this.#options
    const wanted = credentials && `Basic ${Buffer.from(credentials).toString('base64')}`
    return wanted && headers['proxy-authorization'] !== wanted ? 407 : status
  }

  #forward(asked: IncomingMessage, response: ServerResponse): void {
    const status = this.#refuses(asked)
    if (status !== undefined) return void response.writeHead(status).end()
    const { 'proxy-authorization': _, ...headers } = asked.headers
    const url = new URL(asked.url ?? '')
    url.host = this.#options.hosts?.[url.host] ?? url.host
    const onward = request(url, { headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 500, answer.headers)
      pipeline(answer, response, () => {})
    })
    onward.on('error', () => response.destroy()).end()
  }

  #tunnel(asked: IncomingMessage, socket: Socket): void {
    const status = this.#refuses(asked)
    if (status !== undefined) return void socket.end(`HTTP/1.1 ${status} no\r\ncontent-length: 0\r\n\r\n`)
    const { hostname, port } = new URL(`http://${asked.url}`)
    const onward = connect(Number(port), hostname, () => {
      socket.write('HTTP/1.1 200 yes\r\n\r\n')
      socket.pipe(onward).pipe(socket)
    })
    for (const [one, other] of [
      [socket, onward],
      [onward, socket],
    ] as const)
      one.on('error', () => other.destroy()).on('close', () => other.destroy())
  }
}
