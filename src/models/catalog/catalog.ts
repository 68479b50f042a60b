import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { setImmediate as nextTurnOfLoop } from 'node:timers/promises'
import { anySignal } from '../../core/async.ts'
import { cacheFolder, makeCacheFolder } from '../../core/cache-folder.ts'
import { DownloadError, GPT4AllError, ModelError, messageOf } from '../../core/errors.ts'
import { type JsonLimits, parseWithin } from '../../core/json-shape.ts'
import type { Logger } from '../../core/logger.ts'
import { readBytes } from '../../core/regular-file.ts'
import { writeWhole } from '../../core/whole-file.ts'
import { shown } from '../download/address.ts'
import type { AddressGuard } from '../download/address-guard.ts'
import type { DownloadRequest } from '../download/download.ts'
import { get, PATIENCE, type Patience, refusal, soundEtag } from '../download/http.ts'
import { CATALOG_URL, fileUrl, mirrored } from '../download/mirror.ts'
import { readWhole, tryAgain } from '../download/whole-answer.ts'
import type { CatalogEntry, EntryCheck, StoredCatalogEntry } from './schema.ts'

/** Ten times the size of GPT4All's own list. */
const LIMITS: JsonLimits = { depth: 16, parts: 20_000, numbers: 2000 }
/** Entries to check before the event loop goes on: each takes some 10 µs. */
const SLICE = 500

async function checked(list: readonly unknown[], check: (entry: unknown) => EntryCheck) {
  const results = []
  for (const entry of list) {
    results.push(check(entry))
    if (results.length % SLICE === 0) await nextTurnOfLoop()
  }
  return results
}

/**
 * The entries of a list, or a single entry without a list. Invalid entries are left out, unless all are
 * invalid: then the error says what is wrong with the first.
 * @throws {ModelError} `ERR_MODEL_CONFIG`
 */
export async function parseCatalog(json: Buffer, from: string): Promise<StoredCatalogEntry[]> {
  let content: unknown
  try {
    content = parseWithin(json, LIMITS, (what) => noCatalog(from, `it has ${what}`))
  } catch (error) {
    if (error instanceof ModelError) throw error
    // The error's message quotes the text, which may be another server's.
    const at = /at position \d+/.exec(messageOf(error))?.[0]
    throw noCatalog(from, at === undefined ? 'it is not valid JSON' : `it is not valid JSON ${at}`)
  }
  // Loaded on demand: most models have no catalog beside them.
  const { checkEntry, checkLone } = await import('./schema.ts')
  // In a list, only the name says which model an entry belongs to.
  const results = Array.isArray(content) ? await checked(content, checkEntry) : [checkLone(content)]
  const entries = results.flatMap(({ entry }) => (entry === undefined ? [] : [entry]))
  const wrong = results.find(({ wrong }) => wrong !== undefined)?.wrong
  if (entries.length > 0 || wrong === undefined) return entries
  throw noCatalog(from, wrong)
}

function noCatalog(from: string, why: string): ModelError {
  return new ModelError('ERR_MODEL_CONFIG', `${from} is not a catalog of models: ${why}`, from)
}

const MOST_BYTES = 4 * 2 ** 20

/** The list in a file. @throws {ModelError} `ERR_MODEL_CONFIG` */
export async function readCatalog(file: string): Promise<StoredCatalogEntry[]> {
  const refuse = (why: string, cause?: unknown) =>
    new ModelError('ERR_MODEL_CONFIG', `${file} ${why}`, file, { cause })
  return parseCatalog(await readBytes(file, MOST_BYTES, refuse), file)
}

/** The address of `entry`'s file. Catalogs may name other servers than their own, if on the internet. */
export function fileAddress({
  filename,
  url: named,
}: CatalogEntry): Pick<DownloadRequest, 'url' | 'namedBy'> {
  const own = mirrored(filename)
  const url = own ?? named ?? fileUrl(filename)
  const isOurs = own !== undefined || hostOf(url) === hostOf(CATALOG_URL)
  return { url, namedBy: isOurs ? undefined : 'the catalog' }
}

const hostOf = (url: string) => (URL.canParse(url) ? new URL(url).host : undefined)

type CatalogRequest = {
  readonly url: string
  readonly signal: AbortSignal
  readonly logger: Logger
  readonly patience?: Patience
  /** Limit for the whole call, milliseconds. @default none */
  readonly limitMs?: number
}

/** The stored copy of a fetched list. */
type CatalogCopy = { readonly etag: string | undefined; readonly json: string }

/**
 * The list at `url`, requested with the ETag of the copy on the disk; that copy itself if the server cannot
 * be reached.
 * @throws {DownloadError} `ERR_DOWNLOAD` if there is neither
 */
export async function fetchCatalog(request: CatalogRequest): Promise<CatalogEntry[]> {
  const { url, signal, logger } = request
  const name = `${createHash('sha256').update(url).digest('hex')}.json`
  const folder = cacheFolder()
  const kept = folder === undefined ? undefined : await readKept(join(folder, 'catalogs', name))
  try {
    const answered = await askAgain(request, kept)
    if (answered === kept) return await list(kept.json, shown(url))
    const entries = await list(answered.json, shown(url))
    await keep(name, answered).catch((error: unknown) =>
      logger.debug(`the catalog could not be saved: ${messageOf(error)}`),
    )
    return entries
  } catch (error) {
    // The answer may also be no catalog, such as the login page of a hotel's network.
    if (signal.aborted || !kept || !(error instanceof GPT4AllError)) throw error
    logger.warn(`${error.message} Using an earlier copy of the catalog.`)
    return list(kept.json, shown(url))
  }
}

async function list(json: string, from: string): Promise<CatalogEntry[]> {
  return named(await parseCatalog(Buffer.from(json), from), from)
}

/** The entries that name their file. @throws {ModelError} `ERR_MODEL_CONFIG` if none of them does */
export function named(entries: readonly StoredCatalogEntry[], from: string): CatalogEntry[] {
  const those = entries.filter((entry): entry is CatalogEntry => entry.filename !== undefined)
  if (those.length === 0 && entries.length > 0) throw noCatalog(from, 'its entries have no file names')
  return those
}

/** Attempts in all, if there is no copy to use instead. */
const MOST_ATTEMPTS = 3

async function askAgain(request: CatalogRequest, kept: CatalogCopy | undefined): Promise<CatalogCopy> {
  const { url, logger, patience = PATIENCE, limitMs } = request
  const limit = limitMs === undefined ? undefined : AbortSignal.timeout(limitMs)
  const signal = limit ? anySignal(request.signal, limit) : request.signal
  const attempts = kept ? 1 : Math.min(MOST_ATTEMPTS, patience.attempts)
  // Loaded on demand: a model on the disk needs no network.
  const { AddressGuard } = await import('../download/address-guard.ts')
  const guard = new AddressGuard()
  try {
    return await tryAgain({ attempts, patience, signal, logger }, () =>
      ask({ ...request, signal, guard }, kept),
    )
  } catch (error) {
    request.signal.throwIfAborted()
    if (!limit?.aborted) throw error
    const message = `${shown(url)} does not answer within ${limitMs} ms`
    throw new DownloadError(message, { url: shown(url), retry: true, cause: error })
  }
}

async function ask(
  { url, signal, guard, patience = PATIENCE }: CatalogRequest & { readonly guard: AddressGuard },
  kept: CatalogCopy | undefined,
): Promise<CatalogCopy> {
  const headers = kept?.etag ? { 'if-none-match': kept.etag } : {}
  const answer = await get(url, { headers, signal, patience, guard })
  if (answer.status === 304 && kept) {
    answer.close()
    return kept
  }
  const error = refusal(answer)
  if (error) {
    answer.close()
    throw error
  }
  const whole = await readWhole(answer, MOST_BYTES, 'a catalog')
  return { etag: soundEtag(answer.header('etag')), json: whole.toString('utf8') }
}

const LIMITS_OF_KEPT: JsonLimits = { depth: 1, parts: 5, numbers: 0 }

async function readKept(file: string): Promise<CatalogCopy | undefined> {
  try {
    // The list is stored as a JSON string, so each of its characters takes six at most.
    const text = await readBytes(file, 6 * MOST_BYTES, (why) => new Error(why))
    const { etag, json } = parseWithin(text, LIMITS_OF_KEPT, (what) => new Error(what)) as CatalogCopy
    return typeof json === 'string' ? { etag: soundEtag(etag), json } : undefined
  } catch {
    return undefined // missing, or cut short
  }
}

async function keep(name: string, kept: CatalogCopy): Promise<void> {
  await writeWhole(join(await makeCacheFolder('catalogs'), name), [JSON.stringify(kept)])
}
