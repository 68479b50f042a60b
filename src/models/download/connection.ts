import type { LookupFunction, Socket } from 'node:net'
import type { buildConnector, Client } from 'undici'
import { DownloadError } from '../../core/errors.ts'
import { VERSION } from '../../native/package.ts'
import { basicAuth, checkUrl, shown } from './address.ts'
import type { AddressGuard } from './address-guard.ts'
import { ReadBuffers } from './read-buffers.ts'

/** Some servers refuse a program that does not name itself. */
export const USER_AGENT = `gpt4all-ts/${VERSION}`

type Undici = Pick<typeof import('undici'), 'Client' | 'buildConnector'>
type Proxies = Pick<typeof import('proxy-from-env'), 'getProxyForUrl'>
type Packages = { readonly undici: Undici; readonly proxies: Proxies }

/** A connection to a server for one request, directly or through a proxy. */
export type Connection = {
  readonly client: Client
  /** Where the request is sent, and the path it asks for. */
  readonly origin: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  /** The proxy, as it may be shown; `undefined` if there is none. */
  readonly proxy: string | undefined
  /** The answer is read into these. */
  readonly buffers: ReadBuffers
}

/** How to connect. */
type ConnectOptions = {
  readonly signal: AbortSignal
  readonly stallMs: number
  readonly guard: AddressGuard
}

/**
 * A connection to the server of `url`, through the proxy that the environment names for it: for https over a
 * tunnel, which the proxy cannot look into; for http by requesting the address from the proxy.
 * @throws {DownloadError} `ERR_DOWNLOAD` if the environment's proxy is neither http nor https, or the guard
 * refuses
 */
export function connect(
  { undici, proxies }: Packages,
  url: URL,
  { signal, stallMs, guard }: ConnectOptions,
): Connection {
  const buffers = new ReadBuffers()
  const timeouts = { headersTimeout: stallMs, bodyTimeout: stallMs }
  const straight = intoBuffers(undici, buffers, stallMs)
  const open = (origin: string, connect: buildConnector.connector) =>
    new undici.Client(origin, { ...timeouts, connect })
  const { origin } = url
  const path = `${url.pathname}${url.search}`
  const proxy = proxyFor(url, proxies)
  guard.enter(url, proxy !== undefined)
  if (proxy === undefined) {
    const client = open(origin, guarded(intoBuffers(undici, buffers, stallMs, guard.lookup(url)), url, guard))
    return { client, origin, path, headers: {}, proxy, buffers }
  }
  const authorization = basicAuth(proxy)
  const headers = authorization === undefined ? {} : { 'proxy-authorization': authorization }
  const at = shown(proxy.origin)
  if (url.protocol === 'http:') {
    const client = open(proxy.origin, straight)
    const asked = `${origin}${path}`
    return {
      client,
      origin: proxy.origin,
      path: asked,
      headers: { ...headers, host: url.host },
      proxy: at,
      buffers,
    }
  }
  const tunnelled: buildConnector.connector = (options, callback) => {
    const client = new undici.Client(proxy.origin, { ...timeouts, connect: { timeout: stallMs } })
    tunnel(client, url, headers, at, signal).then(
      (httpSocket) => straight({ ...options, httpSocket }, callback),
      (error: Error) => {
        client.destroy().catch(() => {})
        callback(error, null)
      },
    )
  }
  return { client: open(origin, tunnelled), origin, path, headers: {}, proxy: at, buffers }
}

/** Makes sure that the guard checks the address that was reached, whatever a name means the next time. */
function guarded(connect: buildConnector.connector, url: URL, guard: AddressGuard): buildConnector.connector {
  return (options, callback) =>
    connect(options, (...[error, socket]: Parameters<buildConnector.Callback>) => {
      if (!socket) return callback(error, null)
      try {
        guard.reached(url, socket.remoteAddress)
      } catch (refusal) {
        socket.destroy()
        return callback(refusal as Error, null)
      }
      callback(null, socket)
    })
}

/** Connects as undici does, but the socket reads into `buffers`. */
function intoBuffers(
  undici: Undici,
  buffers: ReadBuffers,
  timeout: number,
  lookup?: LookupFunction,
): buildConnector.connector {
  return (options, callback) => {
    let socket: Socket | undefined
    const onread = {
      buffer: () => buffers.next(),
      // `push()` returns whether to go on reading.
      callback: (length: number) => socket?.push(buffers.filled(length)) ?? true,
    }
    const made = (error: Error | null, connected: Socket | null | undefined) => {
      if (!connected) return callback(error ?? new Error('no connection'), null)
      socket = connected
      callback(null, connected)
    }
    undici.buildConnector({ timeout, onread, lookup } as buildConnector.BuildOptions)(options, made)
  }
}

async function tunnel(
  client: Client,
  { host, hostname, port, href }: URL,
  headers: Readonly<Record<string, string>>,
  proxy: string,
  signal: AbortSignal,
): Promise<Socket> {
  const path = `${hostname}:${port || 443}`
  const { statusCode, socket } = await client.connect({
    path,
    headers: { 'user-agent': USER_AGENT, ...headers, host },
    signal,
  })
  if (statusCode === 200) return socket as Socket
  socket.on('error', () => {}).destroy()
  throw proxyRefusal(proxy, statusCode, shown(href))
}

/** The error for a proxy that does not let us through. */
export function proxyRefusal(proxy: string, status: number, url: string): DownloadError {
  const advice = status === 407 ? ': it requires a user and a password in its URL' : ''
  const message = `the proxy ${proxy} refuses with status ${status}${advice}`
  return new DownloadError(message, { url, status, retry: status === 429 || status >= 500 })
}

function proxyFor({ href }: URL, { getProxyForUrl }: Proxies): URL | undefined {
  const named = getProxyForUrl(href)
  if (named === '') return undefined
  // A proxy without a scheme is given that of the target; but proxies speak http.
  const isGiven = Object.values(process.env).includes(named)
  try {
    return checkUrl(isGiven ? named : named.replace(/^https:/, 'http:'))
  } catch {
    const proxy = shown(named)
    throw new DownloadError(
      `the environment names the proxy ${JSON.stringify(proxy)}, which is not an http or https URL`,
      {
        url: shown(href),
        retry: false,
      },
    )
  }
}
