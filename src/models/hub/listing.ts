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
  /**
   * The commit that they are of: their addresses have it, so that list and files belong together. The name of the
   * revision where the server does not tell.
   */
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
/** Of a listing of folders; the server puts a thousand files on each. */
const MOST_PAGES = 20

/**
 * The GGUF files in the repository of `hub`. Mirrors may lack the description of a repository, or the checksums in
 * it: what is missing is looked up in its folders.
 * @throws {ModelError} `ERR_MODEL_NOT_FOUND` if there is no such repository or revision
 * @throws {DownloadError} `ERR_DOWNLOAD` if it cannot be read, or says something else
 */
export async function listRepository(
  hub: HubName,
  access: HubAccess,
  request: ListingRequest,
): Promise<Listing> {
  const revision = hub.revision ?? 'main'
  const path = `api/models/${hub.repository}/revision/${encodeURIComponent(revision)}`
  const answer = await askHub(hubUrl(access, path, 'blobs=true'), hub, access, request)
  const described = answer.body && parseListing(answer.body, hub, answer.url)
  if (described?.files.every(({ size, sha256 }) => size !== undefined && sha256 !== undefined))
    return described
  const commit = described?.commit ?? revision
  const found = await listFolders(hub, access, commit, request)
  if (!found) {
    if (described) return described
    throw answer.missing
  }
  if (!described) return { commit, ...found }
  const known = new Map(found.files.map((file) => [file.path, file]))
  const files = described.files.map((file) => (file.sha256 ? file : (known.get(file.path) ?? file)))
  return { ...described, files }
}

/** What the folders of a repository say, page by page; `undefined` where the server does not list them. */
async function listFolders(
  hub: HubName,
  access: HubAccess,
  revision: string,
  request: ListingRequest,
): Promise<Pick<Listing, 'files' | 'unusable'> | undefined> {
  const path = `api/models/${hub.repository}/tree/${encodeURIComponent(revision)}`
  const entries: unknown[] = []
  let url: string | undefined = hubUrl(access, path, 'recursive=true')
  for (let page = 0; url !== undefined && page < MOST_PAGES; page++) {
    const answer: HubAnswer = await askHub(url, hub, access, request)
    if (!answer.body) return undefined
    const content = parseJson(answer.body, hub, answer.url)
    if (!Array.isArray(content)) throw noListing(hub, answer.url, 'it is no array')
    entries.push(...content)
    url = answer.next
  }
  const models = entries.map(fieldsOf).flatMap(({ path, size, lfs }) => {
    const isModel = typeof path === 'string' && path.endsWith('.gguf')
    return isModel ? [{ path, size: sizeIn(size, lfs), sha256: sumIn(fieldsOf(lfs).oid) }] : []
  })
  return usableFiles(models, hub, url ?? hubUrl(access, path))
}

/** An answer of the server; `missing` says that it has nothing there. */
type HubAnswer = { readonly url: string } & (
  | { readonly body: Buffer; readonly next: string | undefined; readonly missing?: undefined }
  | { readonly body?: undefined; readonly next?: undefined; readonly missing: Error }
)

async function askHub(
  url: string,
  hub: HubName,
  access: HubAccess,
  { signal, logger, patience = PATIENCE }: ListingRequest,
): Promise<HubAnswer> {
  // Loaded on demand: a model on the disk needs no network.
  const { AddressGuard } = await import('../download/address-guard.ts')
  const guard = new AddressGuard()
  const attempts = Math.min(MOST_ATTEMPTS, patience.attempts)
  return tryAgain({ attempts, patience, signal, logger }, async () => {
    const answer = await get(url, { bearer: access.token, signal, patience, guard })
    const error = refusalOf(answer, hub, access)
    if (error) {
      answer.close()
      if (error instanceof ModelError) return { url: answer.url, missing: error }
      throw error
    }
    const next = nextPage(answer.header('link'), access)
    return { url: answer.url, body: await readWhole(answer, MOST_BYTES, 'a list of files'), next }
  })
}

/** The address in a header such as `<https://...>; rel="next"`, on the same server. */
function nextPage(link: string | undefined, { endpoint }: HubAccess): string | undefined {
  const url = /<([^<>]+)>;\s*rel="?next"?/i.exec(link ?? '')?.[1]
  if (url === undefined || !URL.canParse(url, endpoint.href)) return undefined
  const next = new URL(url, endpoint)
  return next.origin === endpoint.origin ? next.href : undefined
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
  if (answer.header('x-error-code') === 'GatedRepo') {
    const why = `${hub.repository} is open to those who have accepted its terms, on its page on ${host}`
    const message = `${why}${access.token === undefined ? ': do that, and set HF_TOKEN' : ', which the owner of the token has not'}`
    return new DownloadError(message, { url: answer.url, status: answer.status, retry: false })
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
  const { sha, siblings } = fieldsOf(parseJson(json, hub, url))
  if (typeof sha !== 'string' || !/^[\da-f]{40}$/.test(sha)) throw noListing(hub, url, 'it names no commit')
  if (!Array.isArray(siblings)) throw noListing(hub, url, 'it has no files')
  const models = siblings.map(fieldsOf).flatMap(({ rfilename: path, size, lfs }) => {
    const isModel = typeof path === 'string' && path.endsWith('.gguf')
    return isModel ? [{ path, size: sizeIn(size, lfs), sha256: sumIn(fieldsOf(lfs).sha256) }] : []
  })
  return { commit: sha, ...usableFiles(models, hub, url) }
}

function parseJson(json: Buffer, hub: HubName, url: string): unknown {
  try {
    return parseWithin(json, LIMITS, (what) => noListing(hub, url, `it has ${what}`))
  } catch (error) {
    if (error instanceof DownloadError) throw error
    // The error's message quotes the text, which may be another server's.
    const at = /at position \d+/.exec(messageOf(error))?.[0]
    throw noListing(hub, url, at === undefined ? 'it is not valid JSON' : `it is not valid JSON ${at}`)
  }
}

function noListing({ repository }: HubName, url: string, why: string): DownloadError {
  const message = `${url} is not a list of the files of ${repository}: ${why}`
  return new DownloadError(message, { url, retry: false })
}

function usableFiles(
  models: readonly ListedFile[],
  hub: HubName,
  url: string,
): Pick<Listing, 'files' | 'unusable'> {
  const files = models.filter(({ path }) => wrongWithPath(hub, path) === undefined)
  const names = new Set<string>()
  // Also where they are one file on a disk that does not tell letter cases apart.
  const twice = files.find(({ path }) => names.size === names.add(flat(path).toLowerCase()).size)
  if (twice) throw noListing(hub, url, `it has ${twice.path} twice`)
  return { files, unusable: models.length - files.length }
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

function sumIn(sha256: unknown): string | undefined {
  return typeof sha256 === 'string' && /^[\da-f]{64}$/i.test(sha256) ? sha256.toLowerCase() : undefined
}
