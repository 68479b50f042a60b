import { type Readable, Writable } from 'node:stream'
import { finished } from 'node:stream/promises'
import { DownloadError } from '../../core/errors.ts'
import { basicAuth, checkUrl, shown } from './address.ts'
import type { AddressGuard } from './address-guard.ts'
import { type Connection, connect, proxyRefusal, USER_AGENT } from './connection.ts'
import type { ReadBuffers } from './read-buffers.ts'

/** How patient the client is; tests are less so. */
export type Patience = {
  /** The longest wait for an answer, and between two pieces of it, milliseconds. */
  readonly stallMs: number
  /** Before the first attempt after a failure, milliseconds; doubles with each failure in a row. */
  readonly retryMs: number
  /** Failures in a row, without a byte in between, after which it gives up. */
  readonly attempts: number
  /** After this long without a sign of life a lock's holder counts as dead, milliseconds, at least 2,000. */
  readonly staleMs: number
}

export const PATIENCE: Patience = { stallMs: 30_000, retryMs: 1000, attempts: 6, staleMs: 15_000 }

const REDIRECTS = [301, 302, 303, 307, 308]
const MOST_REDIRECTS = 10
/** OpenSSL's codes for an invalid certificate, as Node.js names them. */
const UNTRUSTED = /CERT|UNABLE_TO_VERIFY/
/** Bytes of a body that may gather while earlier ones are consumed. */
const HIGH_WATER = 2 ** 20
const MOST_WAIT_MS = 60_000
/** More chunks than this, of fewer bytes on average, are refused: one per byte costs a thousandfold. */
const MOST_TINY = 50_000
const TINY_BYTES = 64

/** What a server answered. The body must be `read()` to its end, or `close()`d. */
export type Answer = {
  /** As it may be shown: see `shown()`. */
  readonly url: string
  readonly status: number
  readonly header: (name: string) => string | undefined
  /** The proxy that it came through, as it may be shown. */
  readonly proxy: string | undefined
  /**
   * Passes the body to `consume` as it arrives; meanwhile the next pieces gather, up to 1 MiB. The memory of
   * the pieces is reused once the promise from `consume` has settled. What arrived before a failure is
   * consumed too.
   */
  read(consume: (pieces: readonly Uint8Array[]) => Promise<void>): Promise<void>
  close(): void
}

type GetOptions = {
  readonly headers?: Readonly<Record<string, string>>
  /** A token for the server in the URL; a user and password in that URL come before it. */
  readonly bearer?: string | undefined
  readonly signal: AbortSignal
  readonly patience: Patience
  readonly guard: AddressGuard
}

/**
 * GET, through the proxy that the environment names (`HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY`), with the user
 * and password in the address. Follows redirects, but never from https to http, nor where `guard` refuses; no
 * other server receives the user and password, or the token. Rejects with `signal.reason` when aborted.
 * @throws {DownloadError} `ERR_DOWNLOAD` if the server cannot be reached, is silent, or redirects in circles
 */
export async function get(
  url: string,
  { headers = {}, bearer, signal, patience, guard }: GetOptions,
): Promise<Answer> {
  signal.throwIfAborted()
  // Loaded on demand: a model on the disk needs no network.
  const packages = { undici: await import('undici'), proxies: await import('proxy-from-env') }
  let at = checkUrl(url)
  let own = bearer === undefined ? headers : { ...headers, authorization: `Bearer ${bearer}` }
  for (let redirects = 0; redirects <= MOST_REDIRECTS; redirects++) {
    const connection = connect(packages, at, { signal, stallMs: patience.stallMs, guard })
    const answer = await ask(connection, at, own, signal)
    const location = REDIRECTS.includes(answer.status) ? answer.header('location') : undefined
    if (location === undefined) return answer
    answer.close()
    const to = follow(at, location)
    if (to.origin !== at.origin) own = headers
    at = to
  }
  throw new DownloadError(`${shown(url)} redirects more than ${MOST_REDIRECTS} times`, {
    url: shown(url),
    retry: false,
  })
}

function follow(from: URL, location: string): URL {
  if (!URL.canParse(location, from.href) || !/^https?:$/.test(new URL(location, from).protocol)) {
    const message = `${from.host} redirects to something that is not an http or https URL`
    throw new DownloadError(message, { url: shown(from), retry: false })
  }
  const to = new URL(location, from)
  if (from.protocol === 'https:' && to.protocol !== 'https:') {
    const message = `${from.host} redirects from https to ${to.protocol}//${to.host}, which is refused`
    throw new DownloadError(message, { url: shown(from), retry: false })
  }
  if (to.origin === from.origin && to.username === '') {
    to.username = from.username
    to.password = from.password
  }
  return to
}

async function ask(
  { client, origin, path, headers: forProxy, proxy, buffers }: Connection,
  at: URL,
  asked: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<Answer> {
  const authorization = basicAuth(at)
  const headers = {
    'user-agent': USER_AGENT,
    ...asked,
    ...forProxy,
    ...(authorization !== undefined && { authorization }),
  }
  const url = shown(at)
  const disconnect = () => {
    client.destroy().catch(() => {})
  }
  try {
    const {
      statusCode: status,
      headers: answered,
      body,
    } = await client.request({
      origin,
      path,
      method: 'GET',
      headers,
      signal,
      highWaterMark: HIGH_WATER,
    })
    body.on('error', () => {}) // `read()` rejects with it
    const header = (name: string) => [answered[name]].flat()[0]
    const read: Answer['read'] = (consume) =>
      drain(body, buffers, consume).catch((error: unknown) => {
        throw error instanceof BodyFailure ? failure(error.cause, at, proxy, signal) : error
      })
    const close = () => {
      body.destroy()
      disconnect()
    }
    return { url, status, header, proxy, read, close }
  } catch (error) {
    disconnect()
    throw failure(error, at, proxy, signal)
  }
}

/** A failure of the body, as opposed to an error that its reader throws. */
class BodyFailure extends Error {}
class TinyPieces extends Error {}

async function drain(
  body: Readable,
  buffers: ReadBuffers,
  consume: (pieces: readonly Uint8Array[]) => Promise<void>,
): Promise<void> {
  let thrown: { readonly error: unknown } | undefined
  const take = async (pieces: readonly Uint8Array[], done: (error?: Error) => void) => {
    try {
      await consume(pieces)
    } catch (error) {
      thrown = { error } // which may be anything, `null` as well
      return done(new Error('the pieces are not consumed'))
    }
    buffers.release(pieces)
    done()
  }
  const sink = new Writable({
    highWaterMark: HIGH_WATER,
    write: (piece: Uint8Array, _, done) => void take([piece], done),
    writev: (chunks, done) =>
      void take(
        chunks.map(({ chunk }) => chunk),
        done,
      ),
  })
  const all = { pieces: 0, bytes: 0 }
  body.on('data', (piece: Uint8Array) => {
    all.pieces++
    all.bytes += piece.length
    if (!sink.write(piece)) body.pause()
    if (all.pieces > MOST_TINY && all.bytes < TINY_BYTES * all.pieces)
      body.destroy(new TinyPieces('it arrives in pieces of a few bytes'))
  })
  sink.on('drain', () => body.resume())
  // Not `pipeline()`, which drops what waits in the sink when the body fails.
  body.once('close', () => sink.end())
  if (body.closed) sink.end()
  await finished(sink).catch((error) => {
    throw thrown ? thrown.error : error
  })
  if (!body.readableEnded) throw new BodyFailure('the body ends early', { cause: body.errored })
}

function failure(error: unknown, at: URL, proxy: string | undefined, signal: AbortSignal): unknown {
  if (signal.aborted) return signal.reason
  if (error instanceof DownloadError) return error
  const { code, message, data } = (error ?? {}) as { code?: string; message?: string; data?: string }
  // The part of an answer that cannot be parsed, which must not be printed with the error.
  if (data !== undefined) Object.assign(error as Error, { data: undefined })
  const why =
    (message?.includes(code ?? '') ? message : [code, message].filter(Boolean).join(' ')) ||
    'the connection was closed'
  const way = proxy === undefined ? '' : ` through the proxy ${proxy}`
  const isUntrusted = code !== undefined && UNTRUSTED.test(code)
  const advice = isUntrusted ? ' (NODE_EXTRA_CA_CERTS names a file of certificates to trust)' : ''
  return new DownloadError(`${at.host} cannot be read${way}: ${why}${advice}`, {
    url: shown(at),
    retry: !isUntrusted && !(error instanceof TinyPieces),
    cause: error,
  })
}

/** The error for an answer that is not the file; `undefined` if it is. */
export function refusal({ url, status, header, proxy }: Answer): DownloadError | undefined {
  if (status === 200 || status === 206) return undefined
  if (status === 407 && proxy !== undefined) return proxyRefusal(proxy, status, url)
  const retry = status === 429 || status === 408 || status >= 500
  const after = retry ? retryAfter(header('retry-after')) : undefined
  const way = proxy === undefined ? '' : ` through the proxy ${proxy}`
  return new DownloadError(`${url} answers with status ${status}${way}`, {
    url,
    status,
    retry,
    retryAfterMs: after,
  })
}

/** `etag`, if it can be sent back as it is. */
export function soundEtag(etag: string | undefined): string | undefined {
  return /^(W\/)?"[\x21\x23-\x7e]*"$/.test(etag ?? '') ? etag : undefined
}

function retryAfter(value: string | undefined): number | undefined {
  if (value === undefined) return undefined
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now()
  return Number.isFinite(ms) ? Math.min(Math.max(0, ms), MOST_WAIT_MS) : undefined
}

/**
 * How long to wait after `failures` failures in a row; half is random, so that clients do not come together.
 */
export function backoff(failures: number, patience: Patience, error: DownloadError): number {
  const ms = Math.min(patience.retryMs * 2 ** (failures - 1), MOST_WAIT_MS)
  return Math.max(error.retryAfterMs ?? 0, ms * (0.5 + Math.random() / 2))
}
