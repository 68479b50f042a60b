import { DownloadError, ModelError, messageOf } from '../../core/errors.ts'
import { type JsonLimits, parseWithin } from '../../core/json-shape.ts'
import type { Logger } from '../../core/logger.ts'
import { type Answer, get, PATIENCE, type Patience, refusal } from '../download/http.ts'
import { readWhole, tryAgain } from '../download/whole-answer.ts'
import { type HubAccess, hubUrl } from './access.ts'
import { flat, type HubName, wrongWithPath } from './name.ts'

/** A file of a repository, as its listing describes it. */
export type ListedFile = {
  /** Its path in the repository. */
  readonly path: string
  /** Bytes; `undefined` if the listing does not say, or contradicts itself. */
  readonly size: number | undefined
  /** In lower case; `undefined` if the listing has none. */
  readonly sha256: string | undefined
}

/** The GGUF files of a repository. */
export type Listing = {
  /** The commit that they are of: their addresses have it, so that list and files belong together. */
  readonly commit: string
  readonly files: readonly ListedFile[]
  /** How many more there are whose names are not valid on every system. */
  readonly unusable: number
}

export type ListingRequest = {
  readonly signal: AbortSignal
  readonly logger: Logger
  readonly patience?: Patience | undefined
}

/** Repositories have a few hundred files, and texts about them. */
const MOST_BYTES = 8 * 2 ** 20
const LIMITS: JsonLimits = { depth: 32, parts: 100_000, numbers: 50_000 }
const MOST_ATTEMPTS = 3

/**
 * The GGUF files in the repository of `hub`.
 * @throws {ModelError} `ERR_MODEL_NOT_FOUND` if there is no such repository or revision
 * @throws {DownloadError} `ERR_DOWNLOAD` if it cannot be read, or says something else
 */
export async function listRepository(
  hub: HubName,
  access: HubAccess,
  { signal, logger, patience = PATIENCE }: ListingRequest,
): Promise<Listing> {
  const path = `api/models/${hub.repository}/revision/${encodeURIComponent(hub.revision ?? 'main')}`
  const url = hubUrl(access, path, 'blobs=true')
  // Loaded on demand: a model on the disk needs no network.
  const { AddressGuard } = await import('../download/address-guard.ts')
  const guard = new AddressGuard()
  const attempts = Math.min(MOST_ATTEMPTS, patience.attempts)
  return tryAgain({ attempts, patience, signal, logger }, async () => {
    const answer = await get(url, { bearer: access.token, signal, patience, guard })
    const error = refusalOf(answer, hub, access)
    if (error) {
      answer.close()
      throw error
    }
    return parseListing(await readWhole(answer, MOST_BYTES, 'a list of files'), hub, answer.url)
  })
}

/** The error for a server that does not give what a repository has; `undefined` if it does. */
function refusalOf(answer: Answer, hub: HubName, access: HubAccess): Error | undefined {
  const { host } = access.endpoint
  if (answer.status === 404) {
    const isRevision = answer.header('x-error-code') === 'RevisionNotFound'
    const what = isRevision
      ? `${hub.repository} on ${host} has no revision "${hub.revision ?? 'main'}".`
      : `There is no repository ${hub.repository} on ${host}${access.token === undefined ? '' : ', or the token may not read it'}.`
    return new ModelError('ERR_MODEL_NOT_FOUND', what, hub.name)
  }
  return withAdvice(refusal(answer), hub, access)
}

/** The same error; where the server does not let us in, one that says what does. */
export function withAdvice<E>(error: E, hub: HubName, { endpoint, token }: HubAccess): E | DownloadError {
  if (!(error instanceof DownloadError) || new URL(error.url).origin !== endpoint.origin) return error
  const { url, status } = error
  if (status !== 401 && status !== 403) return error
  const way =
    token === undefined
      ? 'Set HF_TOKEN to a token that may read it'
      : 'The token that is set may not read it; the page of the repository says what it takes'
  const message = `${endpoint.host} answers with status ${status}: ${hub.repository} is private, or its terms are not accepted yet, or it does not exist. ${way}`
  return new DownloadError(message, { url, status, retry: false, cause: error })
}

/** @throws {DownloadError} `ERR_DOWNLOAD` if it is not a listing, or contradicts itself */
export function parseListing(json: Buffer, hub: HubName, url: string): Listing {
  const refuse = (why: string) =>
    new DownloadError(`${url} is not a list of the files of ${hub.repository}: ${why}`, { url, retry: false })
  let content: unknown
  try {
    content = parseWithin(json, LIMITS, (what) => refuse(`it has ${what}`))
  } catch (error) {
    if (error instanceof DownloadError) throw error
    // The error's message quotes the text, which may be another server's.
    const at = /at position \d+/.exec(messageOf(error))?.[0]
    throw refuse(at === undefined ? 'it is not valid JSON' : `it is not valid JSON ${at}`)
  }
  const { sha, siblings } = fieldsOf(content)
  if (typeof sha !== 'string' || !/^[\da-f]{40}$/.test(sha)) throw refuse('it names no commit')
  if (!Array.isArray(siblings)) throw refuse('it has no files')
  const models = siblings.map(fieldsOf).flatMap(({ rfilename: path, size, lfs }) => {
    const isModel = typeof path === 'string' && path.endsWith('.gguf')
    return isModel ? [{ path, size: sizeIn(size, lfs), sha256: sumIn(lfs) }] : []
  })
  const files = models.filter(({ path }) => wrongWithPath(hub, path) === undefined)
  const names = new Set<string>()
  // Also where they are one file on a disk that does not tell letter cases apart.
  const twice = files.find(({ path }) => names.size === names.add(flat(path).toLowerCase()).size)
  if (twice) throw refuse(`it has ${twice.path} twice`)
  return { commit: sha, files, unusable: models.length - files.length }
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}

/** The two places where a listing says the size of a file must agree. */
function sizeIn(size: unknown, lfs: unknown): number | undefined {
  const other = fieldsOf(lfs).size ?? size
  const isSize = typeof other === 'number' && Number.isSafeInteger(other) && other > 0
  return isSize && (size ?? other) === other ? other : undefined
}

function sumIn(lfs: unknown): string | undefined {
  const { sha256 } = fieldsOf(lfs)
  return typeof sha256 === 'string' && /^[\da-f]{64}$/i.test(sha256) ? sha256.toLowerCase() : undefined
}
