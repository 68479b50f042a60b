import { readdir } from 'node:fs/promises'
import { basename, dirname, join, relative } from 'node:path'
import { DownloadError, ModelError, messageOf } from '../core/errors.ts'
import type { Logger } from '../core/logger.ts'
import type { Progress } from '../core/progress.ts'
import { nearest } from '../core/suggest.ts'
import { fetchCatalog, fileAddress } from './catalog/catalog.ts'
import { storeEntry } from './catalog/entry.ts'
import type { CatalogEntry } from './catalog/schema.ts'
import { type Successor, successorOf } from './catalog/successors.ts'
import { shown } from './download/address.ts'
import { checksumOf } from './download/checksum.ts'
import type { Patience } from './download/http.ts'
import { catalogUrl } from './download/mirror.ts'
import { looksLike, openFile } from './gguf/bytes.ts'
import { isOldMagic } from './gguf/old-magics.ts'
import { findHubFiles, partsOnDisk } from './hub/disk.ts'
import { downloadFromHub } from './hub/download.ts'
import { findOnDisk, type ModelLocation, missing } from './locate.ts'

export type ObtainRequest = {
  readonly allowDownload: boolean
  readonly signal: AbortSignal
  readonly logger: Logger
  readonly onProgress: ((progress: Progress) => void) | undefined
  readonly patience?: Patience
  /** Download even if the file exists: it is replaced once the new one is whole. */
  readonly force?: boolean
  /** What the model is for, so that one for something else is not downloaded; without it, any model is. */
  readonly purpose?: 'text' | 'embeddings' | undefined
}

/**
 * The model's file: the one on the disk, else downloaded, by its name in the catalog.
 * @throws {ModelError} `ERR_MODEL_NOT_FOUND` @throws {DownloadError} see `download()`
 */
export async function obtainModel(location: ModelLocation, request: ObtainRequest): Promise<string> {
  const there = await findModel(location, request.logger)
  if (there !== undefined) return there
  if (!location.isName)
    throw await missingModel(
      location,
      `Check the path; only plain names are downloaded.${repositoryHint(location)}`,
    )
  const { hub } = location
  const folder = dirname(location.withExtension)
  if (!request.allowDownload) {
    const parts = hub && (await partsOnDisk(hub, folder))
    const advice = 'Put it there, or set allowDownload to true.'
    throw await missingModel(location, parts === undefined ? advice : `${parts} ${advice}`)
  }
  if (hub) return downloadFromHub(hub, folder, request)
  const entry = await catalogEntryOf(location, request)
  assertServes(entry, request.purpose, location)
  return downloadEntry(entry, folder, undefined, request)
}

/** `owner/repo` is a path here; other programs take it for a repository. */
function repositoryHint({ asGiven }: ModelLocation): string {
  const name = relative('', asGiven)
  const isRepository = /^[\w-][\w.-]*\/[\w-][\w.-]*(:[\w.-]+)?$/.test(name)
  return isRepository ? ` For a repository on Hugging Face write "hf:${name}".` : ''
}

/**
 * The list marks models that make embeddings; of others one is known to write text if it has a template.
 * @throws {ModelError} `ERR_MODEL_UNSUPPORTED` for a model of the other class, before it is downloaded
 */
function assertServes(
  { filename, embeddingModel, chatTemplate, promptTemplate }: CatalogEntry,
  purpose: ObtainRequest['purpose'],
  { withExtension }: ModelLocation,
): void {
  const refuse = (what: string, other: string) => {
    const message = `${filename} ${what}: it is not downloaded. Use it with ${other}.`
    throw new ModelError('ERR_MODEL_UNSUPPORTED', message, withExtension)
  }
  if (purpose === 'text' && embeddingModel) refuse('makes embeddings, not text', 'Embed4All')
  const writesText = !embeddingModel && (chatTemplate || promptTemplate)
  if (purpose === 'embeddings' && writesText) refuse('writes text and makes no embeddings', 'GPT4All')
}

/** The model on the disk; for one that GPT4All published before GGUF, also what it publishes in its place. */
export async function findModel(location: ModelLocation, logger: Logger): Promise<string | undefined> {
  if (location.hub) return (await findHubFiles(location.hub, dirname(location.withExtension)))?.[0]
  const there = await findOnDisk(location)
  const successor = there === undefined && location.isName && successorOf(location.withExtension)
  if (!successor) return there
  const file = join(dirname(location.withExtension), successor.filename)
  const found = await findOnDisk({ asGiven: file, withExtension: file, isName: true })
  if (found !== undefined) logSuccessor(location, successor, logger)
  return found
}

function logSuccessor(
  location: ModelLocation,
  { filename, isSame, isOnly }: Successor,
  logger: Logger,
): void {
  const why = isOnly ? 'can no longer be opened' : 'is older than GGUF'
  const what = isSame ? 'the same model as GGUF' : 'another model, published in its place'
  logger.warn(`${basename(location.withExtension)} ${why}: ${filename} is used, ${what}`)
}

/** The catalog entry of a model. @throws {ModelError} `ERR_MODEL_NOT_FOUND` if there is none */
export async function catalogEntryOf(
  location: ModelLocation,
  { signal, logger, patience }: Pick<ObtainRequest, 'signal' | 'logger' | 'patience'>,
): Promise<CatalogEntry> {
  const url = catalogUrl()
  let catalog: CatalogEntry[]
  try {
    catalog = await fetchCatalog({ url, signal, logger, ...(patience && { patience }) })
  } catch (error) {
    signal.throwIfAborted()
    const why = messageOf(error).replace(/\.$/, '')
    const message = `${location.withExtension} does not exist, and the catalog to download it from cannot be read: ${why}`
    throw new DownloadError(message, { url: shown(url), retry: false, cause: error })
  }
  const name = basename(location.withExtension)
  const called = (wanted: string) =>
    catalog.find(({ filename }) => filename.toLowerCase() === wanted.toLowerCase())
  const entry = called(name)
  const successor = successorOf(name)
  if (entry && !successor?.isOnly) return entry
  const instead = successor && called(successor.filename)
  if (instead) {
    logSuccessor(location, successor, logger)
    return instead
  }
  if (entry) return entry
  const gone = /\.bin$/i.test(name) ? ' It no longer has pre-GGUF files (.bin).' : ''
  const advice = `${shown(url)} does not have it either; GPT4All.listModels() lists what it has.${gone}`
  throw await missingModel(location, advice, catalog)
}

/** The error for a missing model, with a suggestion from the files beside it and the catalog. */
export async function missingModel(
  location: ModelLocation,
  advice: string,
  catalog: readonly CatalogEntry[] = [],
): Promise<ModelError> {
  if (location.hub) return missing(location, advice)
  const bare = (file: string) => file.replace(/\.(gguf|bin)$/i, '')
  const beside = await readdir(dirname(location.withExtension), { withFileTypes: true }).catch(() => [])
  const files = beside.filter((one) => one.isFile() || one.isSymbolicLink()).map(({ name }) => name)
  const known = new Map(files.filter((file) => bare(file) !== file).map((file) => [bare(file), file]))
  for (const { filename, name = filename } of catalog)
    for (const called of [filename, name]) known.set(bare(called), filename)
  const near = known.get(nearest(bare(basename(location.withExtension)), [...known.keys()]) ?? '')
  return missing(location, near === undefined ? advice : `Did you mean "${near}"? ${advice}`)
}

/**
 * Downloads the file of `entry` into `folder`, from `ownUrl` if the user gave one, and stores the entry
 * beside it.
 */
export async function downloadEntry(
  entry: CatalogEntry,
  folder: string,
  ownUrl: string | undefined,
  request: Omit<ObtainRequest, 'allowDownload'>,
): Promise<string> {
  const target = join(folder, entry.filename)
  const { url, namedBy } = ownUrl === undefined ? fileAddress(entry) : { url: ownUrl, namedBy: undefined }
  const { signal, logger, onProgress, patience, force = false } = request
  logger.info(`downloading ${shown(url)} to ${target}`)
  // Loaded on demand: a model on the disk needs no network.
  const { download } = await import('./download/download.ts')
  await download({
    url,
    namedBy,
    target,
    size: entry.filesize,
    checksum: checksumOf(entry),
    signal,
    logger,
    onProgress,
    force,
    ...(patience && { patience }),
    beforeRename: async () => {
      if (!checksumOf(entry)) await assertModel(`${target}.part`, url)
      await storeEntry(target, entry, ownUrl === undefined)
    },
  })
  return target
}

/** A file without a checksum must at least begin like a model: many links lead to a web page. */
async function assertModel(path: string, url: string): Promise<void> {
  const file = await openFile(path)
  try {
    const buffer = Buffer.alloc(512)
    const { bytesRead } = await file.read(buffer, 0, buffer.length, 0)
    const magic = buffer.toString('latin1', 0, 4)
    if (magic === 'GGUF' || isOldMagic(magic)) return
    const what = looksLike(buffer.subarray(0, bytesRead))
    throw new DownloadError(`what ${shown(url)} sends is not a model file${what}`, {
      url: shown(url),
      retry: false,
    })
  } finally {
    await file.close()
  }
}
