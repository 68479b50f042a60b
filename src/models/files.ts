import { stat } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { ModelError, optionError } from '../core/errors.ts'
import { fetchCatalog, named, readCatalog } from './catalog/catalog.ts'
import { entryIn, storedEntry } from './catalog/entry.ts'
import type { CatalogEntry } from './catalog/schema.ts'
import { shown } from './download/address.ts'
import { type Checksum, checksumOf, verifyFile } from './download/checksum.ts'
import { catalogUrl } from './download/mirror.ts'
import { withProgressBar } from './download/progress-bar.ts'
import { asGguf } from './ggml/convert.ts'
import { findHubFiles } from './hub/disk.ts'
import { checksumInHub, downloadFromHub } from './hub/download.ts'
import { assertFile, findOnDisk, locateModel, type ModelLocation, titleOfModel } from './locate.ts'
import {
  catalogEntryOf,
  downloadEntry,
  findModel,
  missingModel,
  type ObtainRequest,
  obtainModel,
} from './obtain.ts'
import {
  DOWNLOAD,
  type DownloadModelOptions,
  LIST,
  type ListModelsOptions,
  RETRIEVE,
  type RetrievedModel,
  type RetrieveModelOptions,
  VERIFY,
  type VerifiedModel,
  type VerifyModelOptions,
  withLogger,
} from './options.ts'

/** The models that a catalog knows; see `GPT4All.listModels()`. */
export async function listModels(options?: ListModelsOptions): Promise<CatalogEntry[]> {
  const { file, url, signal, logger } = withLogger(LIST.resolve(options))
  if (file !== undefined && url !== undefined) throw optionError('file', 'no file together with a url', file)
  signal.throwIfAborted()
  if (file === undefined) return fetchCatalog({ url: url ?? catalogUrl(), signal, logger })
  return named(await readCatalog(file), file)
}

/** See `GPT4All.downloadModel()`. */
export async function downloadModel(name: string, options?: DownloadModelOptions): Promise<string> {
  const request = withLogger(DOWNLOAD.resolve(options))
  const { modelPath, url, md5sum, sha256sum, expectedSize, force } = request
  const location = locateModel(name, modelPath)
  if (!location.isName)
    throw optionError('name', 'the name of a model, without a folder (see modelPath)', name)
  const { hub } = location
  if (hub && url !== undefined) throw optionError('url', 'no url together with a name of Hugging Face', url)
  if (hub && md5sum !== undefined)
    throw optionError('md5sum', 'no md5sum together with a name of Hugging Face (see sha256sum)', md5sum)
  if (hub && expectedSize !== undefined)
    throw optionError('expectedSize', 'no size together with a name of Hugging Face', expectedSize)
  const sums = { md5sum, sha256sum }
  const given = checksumOf(sums)
  const found = await (url === undefined ? filesOfModel(location, request.logger) : fileOnDisk(location))
  const [there] = found
  for (const file of found) await assertFile(file)
  if (there !== undefined && !force) {
    if (expectedSize !== undefined) await assertSize(there, expectedSize)
    else if (!given) for (const file of found) await assertSize(file, (await storedEntry(file))?.filesize)
    if (given) await verifyFile(there, given, request)
    return there
  }
  const folder = dirname(location.withExtension)
  if (hub)
    return withProgressBar(titleOfModel(location), request, (onProgress) =>
      downloadFromHub(hub, folder, { ...request, onProgress, expected: given }),
    )
  const entry =
    url === undefined
      ? { ...(await catalogEntryOf(location, request)), ...(given && sums) }
      : { filename: basename(location.withExtension), url: shown(url), ...sums }
  const expected = expectedSize === undefined ? entry : { ...entry, filesize: expectedSize }
  return withProgressBar(entry.filename, request, (onProgress) =>
    downloadEntry(expected, folder, url, { ...request, onProgress }),
  )
}

/** See `GPT4All.retrieveModel()`. */
export async function retrieveModel(name: string, options?: RetrieveModelOptions): Promise<RetrievedModel> {
  const request = withLogger(RETRIEVE.resolve(options))
  return retrieve(locateModel(name, request.modelPath), request)
}

type RetrieveRequest = ObtainRequest & {
  readonly modelConfigFile: string | undefined
  readonly verbose: boolean
}

/** The model at `location`, found or downloaded, with its catalog entry. */
export function retrieve(location: ModelLocation, request: RetrieveRequest): Promise<RetrievedModel> {
  return withProgressBar(titleOfModel(location), request, async (onProgress) => {
    const { modelConfigFile } = request
    const file = await obtainModel(location, { ...request, onProgress })
    const path = await asGguf(file, { ...request, onProgress })
    const entry =
      modelConfigFile === undefined
        ? ((await storedEntry(file)) ?? (await storedEntry(file.replace(/\.gguf$/, ''))))
        : await entryIn(modelConfigFile, file)
    return { ...entry, filename: basename(path), path }
  })
}

/** See `GPT4All.verifyModel()`. */
export async function verifyModel(name: string, options?: VerifyModelOptions): Promise<VerifiedModel> {
  const request = withLogger(VERIFY.resolve(options))
  const { modelPath, allowDownload, md5sum, sha256sum } = request
  const location = locateModel(name, modelPath)
  const given = { md5sum, sha256sum }
  const found = await filesOfModel(location, request.logger)
  if (found.length === 0) throw await missingModel(location, 'There is nothing to verify.')
  const verified: VerifiedModel[] = []
  const sum = checksumOf(given)
  for (const path of sum ? found.slice(0, 1) : found) {
    const expected =
      sum ??
      checksumOf((await storedEntry(path)) ?? {}) ??
      (allowDownload ? await publishedChecksum(path, location, request) : undefined)
    if (!expected) {
      const message = `No checksum of ${path} is known. Pass md5sum or sha256sum.`
      throw new ModelError('ERR_MODEL_CONFIG', message, path)
    }
    await withProgressBar(basename(path), request, (onProgress) =>
      verifyFile(path, expected, { ...request, onProgress }),
    )
    verified.push({ path, ...expected })
  }
  return verified[0]!
}

/** The files of a model on the disk: all of one from Hugging Face, else the one to open. */
async function filesOfModel(
  location: ModelLocation,
  logger: ObtainRequest['logger'],
): Promise<readonly string[]> {
  if (location.hub) return (await findHubFiles(location.hub, dirname(location.withExtension))) ?? []
  const path = await findModel(location, logger)
  return path === undefined ? [] : [path]
}

async function fileOnDisk(location: ModelLocation): Promise<readonly string[]> {
  const path = await findOnDisk(location)
  return path === undefined ? [] : [path]
}

async function publishedChecksum(
  path: string,
  location: ModelLocation,
  request: Pick<ObtainRequest, 'signal' | 'logger'>,
): Promise<Checksum | undefined> {
  if (location.hub) return checksumInHub(location.hub, basename(path), request)
  return checksumOf((await entryOfFile(path, location, request)) ?? {})
}

/** The catalog entry of the file at `path` itself, not of a successor; `undefined` if there is none. */
async function entryOfFile(
  path: string,
  location: ModelLocation,
  request: Pick<ObtainRequest, 'signal' | 'logger'>,
): Promise<CatalogEntry | undefined> {
  const entry = await catalogEntryOf({ ...location, withExtension: path }, request).catch(
    (error: unknown) => {
      if (error instanceof ModelError) return undefined // the catalog does not know it
      throw error
    },
  )
  return entry?.filename.toLowerCase() === basename(path).toLowerCase() ? entry : undefined
}

/** @throws {ModelError} `ERR_CHECKSUM` if the file has another size than is expected */
async function assertSize(path: string, expected: number | undefined): Promise<void> {
  const { size } = await stat(path)
  if (expected === undefined || expected === size) return
  const message = `${path} has ${size} bytes instead of ${expected}: it is incomplete, or a different file. Download it again with \`force\`.`
  throw new ModelError('ERR_CHECKSUM', message, path)
}
