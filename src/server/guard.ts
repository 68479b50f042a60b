import { createHash, timingSafeEqual } from 'node:crypto'
import { isIP } from 'node:net'
import { hostname } from 'node:os'
import { ApiError } from './errors.ts'
import { hostName, type Patterns } from './patterns.ts'

/** Which clients may use the server. */
type GuardOptions = {
  readonly apiKeys: readonly string[]
  readonly allowedHosts: Patterns
  readonly corsOrigins: Patterns
}

/**
 * Refuses a request that a foreign page has caused. A page may make its own name resolve to this machine, so
 * `Host` must be a name of ours, or an address, which cannot be redirected; a server with keys needs no such
 * check, as the page has none. Or it may simply send a request, so `Origin` must be ours too.
 */
export function checkSource(request: Request, options: GuardOptions): void {
  const host = request.headers.get('host') ?? new URL(request.url).host
  if (options.apiKeys.length === 0 && !isOurHost(host, options.allowedHosts))
    throw new ApiError(403, `The host name "${host}" is not allowed.`, {
      code: 'host_not_allowed',
      advice: 'add the name to the option allowedHosts',
    })
  const origin = request.headers.get('origin')
  if (origin !== null && !isOurOrigin(origin, host) && !options.corsOrigins.include(origin))
    throw new ApiError(403, `Pages from "${origin}" are not allowed to use this server.`, {
      code: 'origin_not_allowed',
      advice: 'add the origin to the option corsOrigins',
    })
}

/** Refuses a request without a valid key, if keys are required. */
export function checkKey(request: Request, { apiKeys }: GuardOptions): void {
  if (apiKeys.length === 0) return
  const given = /^Bearer +(.+)$/i.exec(request.headers.get('authorization') ?? '')?.[1]?.trim()
  if (given !== undefined && apiKeys.map((key) => isEqual(key, given)).includes(true)) return
  const message =
    given === undefined
      ? 'This server requires an API key. Send it as "Authorization: Bearer <key>".'
      : 'The API key is invalid.'
  throw new ApiError(401, message, { code: 'invalid_api_key', headers: { 'www-authenticate': 'Bearer' } })
}

/** Headers that let pages of the listed origins read the answer; empty for all others. */
export function corsHeaders(request: Request, { corsOrigins }: GuardOptions): Record<string, string> {
  const origin = request.headers.get('origin')
  if (origin === null || !corsOrigins.include(origin)) return {}
  return {
    'access-control-allow-origin': origin,
    'access-control-expose-headers': 'x-request-id, retry-after',
    vary: 'origin',
  }
}

/** The answer to a browser that asks whether a page may send a request. */
export function preflight(request: Request, options: GuardOptions): Response {
  const wanted = request.headers.get('access-control-request-headers')
  return new Response(null, {
    status: 204,
    headers: {
      ...corsHeaders(request, options),
      'access-control-allow-methods': 'GET, POST',
      ...(wanted !== null && { 'access-control-allow-headers': wanted }),
      'access-control-max-age': '600',
    },
  })
}

/** True for hosts that only this machine reaches. */
export function isLoopback(host: string): boolean {
  const name = bare(host)
  return name === 'localhost' || name === '::1' || (isIP(name) === 4 && name.startsWith('127.'))
}

/** Names that no public server can have: DNS does not know them, or only this network does. */
const PRIVATE_NAME = /(^|\.)(localhost|localdomain|local|internal|lan|home\.arpa)$/

function isOurHost(host: string, allowed: Patterns): boolean {
  const name = hostName(host)
  const isOurs = isIP(bare(name)) > 0 || PRIVATE_NAME.test(name) || name === hostName(hostname())
  return isOurs || allowed.include(name)
}

function isOurOrigin(origin: string, host: string): boolean {
  return origin.toLowerCase().replace(/^https?:\/\//, '') === host.toLowerCase()
}

const bare = (host: string) => host.replace(/^\[(.*)\]$/, '$1')

// Hashes have equal lengths, so the comparison takes equally long whatever was sent.
function isEqual(key: string, given: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(key), digest(given))
}
