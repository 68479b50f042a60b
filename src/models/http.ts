import { getProxyForUrl } from 'proxy-from-env'
import { DownloadError } from '../errors.ts'

/** How patient the client is; tests are less so. */
export type Patience = {
  /** Until the server answers, and between any two pieces of its answer, milliseconds. */
  readonly stallMs: number
  /** Before the first attempt after a failure, milliseconds; doubles with each failure in a row. */
  readonly retryMs: number
  /** Failures in a row, without a byte in between, after which it gives up. */
  readonly attempts: number
  /** After this long without a sign of life the holder of a lock is dead, milliseconds, at least 2,000. */
  readonly staleMs: number
}

export const PATIENCE: Patience = { stallMs: 30_000, retryMs: 1000, attempts: 6, staleMs: 15_000 }

const MOST_REDIRECTS = 10
const MOST_WAIT_MS = 60_000

/** What a server answered. The body must be read to its end, or `close()`d. */
export type Answer = {
  readonly url: string
  readonly status: number
  readonly header: (name: string) => string | undefined
  readonly body: AsyncIterable<Uint8Array>
  close(): void
}

type Request = {
  readonly headers?: Readonly<Record<string, string>>
  readonly signal: AbortSignal
  readonly patience: Patience
}

/**
 * GET, through the proxy that the environment names (`HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY`). Follows redirects, but
 * never from https to http. Rejects with `signal.reason` when aborted.
 * @throws {DownloadError} `ERR_DOWNLOAD` when the server cannot be reached, is silent, or redirects in circles
 */
export async function get(url: string, { headers = {}, signal, patience }: Request): Promise<Answer> {
  // Loaded when it is needed: a model on the disk needs no network.
  const { Agent, ProxyAgent, request } = await import('undici')
  const timeouts = {
    headersTimeout: patience.stallMs,
    bodyTimeout: patience.stallMs,
    connect: { timeout: patience.stallMs },
  }
  const dispatcherFor = ({ href }: URL) => {
    const proxy = getProxyForUrl(href)
    return proxy ? new ProxyAgent({ uri: proxy, ...timeouts }) : new Agent(timeouts)
  }
  let at = checkUrl(url)
  let dispatcher = dispatcherFor(at)
  try {
    for (let redirects = 0; ; redirects++) {
      const { statusCode, headers: answered, body } = await request(at, { dispatcher, headers, signal })
      body.on('error', () => {}) // who reads it hears of it
      const header = (name: string) => {
        const value = answered[name]
        return Array.isArray(value) ? value[0] : value
      }
      const location = statusCode >= 300 && statusCode < 400 ? header('location') : undefined
      if (location === undefined) {
        const used = dispatcher
        const close = () => {
          body.destroy()
          used.destroy().catch(() => {})
        }
        return { url: at.href, status: statusCode, header, body: untilEnd(body, at, signal, close), close }
      }
      body.destroy()
      if (redirects === MOST_REDIRECTS)
        throw new DownloadError(`${url} redirects more than ${MOST_REDIRECTS} times`, { url, retry: false })
      const next = checkUrl(new URL(location, at).href)
      if (at.protocol === 'https:' && next.protocol !== 'https:')
        throw new DownloadError(
          `${at.host} redirects from https to ${next.protocol}//${next.host}, which is refused`,
          {
            url,
            retry: false,
          },
        )
      at = next
      dispatcher.destroy().catch(() => {})
      dispatcher = dispatcherFor(at)
    }
  } catch (error) {
    dispatcher.destroy().catch(() => {})
    throw failure(error, at, signal)
  }
}

async function* untilEnd(
  body: AsyncIterable<Uint8Array>,
  url: URL,
  signal: AbortSignal,
  close: () => void,
): AsyncGenerator<Uint8Array, void, void> {
  try {
    yield* body
  } catch (error) {
    throw failure(error, url, signal)
  } finally {
    close()
  }
}

function checkUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url && (url.protocol === 'https:' || url.protocol === 'http:')) return url
  throw new DownloadError(`${JSON.stringify(text)} is no http or https address`, { url: text, retry: false })
}

function failure(error: unknown, url: URL, signal: AbortSignal): unknown {
  if (signal.aborted) return signal.reason
  if (error instanceof DownloadError) return error
  const { code, message } = error as { code?: string; message: string }
  return new DownloadError(`${url.host} cannot be read: ${code ?? ''} ${message}`.replace('  ', ' '), {
    url: url.href,
    retry: true,
    cause: error,
  })
}

/** The error for an answer that is not the file; `undefined` where it is. */
export function refusal({ url, status, header }: Answer): DownloadError | undefined {
  if (status === 200 || status === 206) return undefined
  const retry = status === 429 || status === 408 || status >= 500
  const after = retry ? retryAfter(header('retry-after')) : undefined
  return new DownloadError(`${url} answers with status ${status}`, {
    url,
    status,
    retry,
    retryAfterMs: after,
  })
}

function retryAfter(value: string | undefined): number | undefined {
  if (value === undefined) return undefined
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now()
  return Number.isFinite(ms) ? Math.min(Math.max(0, ms), MOST_WAIT_MS) : undefined
}

/** How long to wait after `failures` failures in a row; half of it is chance, so that clients do not come together. */
export function backoff(failures: number, patience: Patience, error: DownloadError): number {
  const ms = Math.min(patience.retryMs * 2 ** (failures - 1), MOST_WAIT_MS)
  return Math.max(error.retryAfterMs ?? 0, ms * (0.5 + Math.random() / 2))
}
