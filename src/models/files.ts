import { stat } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { ModelError, optionError } from '../core/errors.ts'
import { boolean, checkKnown, checkObject, string } from '../options/checks.ts'
import { catalogUrl, fetchCatalog, named, readCatalog } from './catalog/catalog.ts'
import { keptEntry } from './catalog/entry.ts'
import type { CatalogEntry } from './catalog/shape.ts'
import { shown } from './download/address.ts'
import { checksumOf, verifyFile } from './download/checksum.ts'
import { withProgressBar } from './download/progress-bar.ts'
import { asGguf } from './ggml/convert.ts'
import { assertFile, findOnDisk, locateModel, type ModelLocation } from './locate.ts'
import { downloadEntry, entryOf, findModel, missingModel, type ObtainRequest, obtainModel } from './obtain.ts'
import {
  common,
  DOWNLOAD_OPTIONS,
  type DownloadModelOptions,
  type ListModelsOptions,
  RETRIEVE_OPTIONS,
  type RetrievedModel,
  type RetrieveModelOptions,
  VERIFY_OPTIONS,
  type VerifiedModel,
  type VerifyModelOptions,
  watched,
} from './options.ts'

/** The models that a catalog knows; see `GPT4All.listModels()`. */
export async function listModels(options: ListModelsOptions = {}): Promise<CatalogEntry[]> {
  checkObject('options', options)
  checkKnown(options, { url: true, file: true, signal: true, logger: true })
  const file = string('file', options.file)
  const url = string('url', options.url)
  if (file !== undefined && url !== undefined) throw optionError('file', 'no file where there is a url', file)
  const { signal, logger } = common(options)
  signal.throwIfAborted()
  if (file === undefined) return fetchCatalog({ url: url ?? catalogUrl(), signal, logger })
  return named(await readCatalog(file), file)
}

/** See `GPT4All.downloadModel()`. */
export async function downloadModel(name: string, options: DownloadModelOptions = {}): Promise<string> {
  checkObject('options', options)
  checkKnown(options, DOWNLOAD_OPTIONS)
  const location = locateModel(name, string('modelPath', options.modelPath))
  if (!location.isName)
    throw optionError('name', 'the name of a model, without a folder (see modelPath)', name)
  const url = string('url', options.url)
  const sums = {
    md5sum: checksum('md5sum', options.md5sum, 32),
    sha256sum: checksum('sha256sum', options.sha256sum, 64),
  }
  const given = checksumOf(sums)
  const force = boolean('force', options.force) ?? false
  const request = watched(options)
  const there = await (url === undefined ? findModel(location, request.logger) : findOnDisk(location))
  if (there !== undefined) {
    await assertFile(there)
    if (!force) {
      await (given ? verifyFile(there, given, request) : assertSize(there))
      return there
    }
  }
  const entry =
    url === undefined
      ? { ...(await entryOf(location, request)), ...(given && sums) }
      : { filename: basename(location.withExtension), url: shown(url), ...sums }
  return withProgressBar(entry.filename, request, (onProgress) =>
    downloadEntry(entry, dirname(location.withExtension), url, {
      ...request,
      onProgress,
      force,
    }),
  )
}

/** See `GPT4All.retrieveModel()`. */
export async function retrieveModel(
  name: string,
  options: RetrieveModelOptions = {},
): Promise<RetrievedModel> {
  checkObject('options', options)
  checkKnown(options, RETRIEVE_OPTIONS)
  const location = locateModel(name, string('modelPath', options.modelPath))
  const allowDownload = boolean('allowDownload', options.allowDownload) ?? true
  const request = { ...watched(options), allowDownload }
  return withProgressBar(basename(location.withExtension), request, async (onProgress) => {
    const file = await obtainModel(location, { ...request, onProgress })
    const path = await asGguf(file, { ...request, onProgress })
    const entry = (await keptEntry(file)) ?? (await keptEntry(file.replace(/\.gguf$/, '')))
    return { ...entry, filename: basename(path), path }
  })
}

/** See `GPT4All.verifyModel()`. */
export async function verifyModel(name: string, options: VerifyModelOptions = {}): Promise<VerifiedModel> {
  checkObject('options', options)
  checkKnown(options, VERIFY_OPTIONS)
  const location = locateModel(name, string('modelPath', options.modelPath))
  const allowDownload = boolean('allowDownload', options.allowDownload) ?? true
  const request = watched(options)
  const given = {
    md5sum: checksum('md5sum', options.md5sum, 32),
    sha256sum: checksum('sha256sum', options.sha256sum, 64),
  }
  const path = await findModel(location, request.logger)
  if (path === undefined) throw await missingModel(location, 'There is nothing to verify.')
  const known = checksumOf(given) ?? checksumOf((await keptEntry(path)) ?? {})
  const asked = known || !allowDownload ? undefined : await entryOfFile(path, location, request)
  const expected = known ?? checksumOf(asked ?? {})
  if (!expected) {
    const advice = 'md5sum or sha256sum can be given.'
    throw new ModelError('ERR_MODEL_CONFIG', `Nothing tells the checksum of ${path}; ${advice}`, path)
  }
  await withProgressBar(basename(path), request, (onProgress) =>
    verifyFile(path, expected, { ...request, onProgress }),
  )
  return { path, ...expected }
}

/** What the catalog says of the file at `path`, if it knows it, and not of one in its place. */
async function entryOfFile(
  path: string,
  location: ModelLocation,
  request: Pick<ObtainRequest, 'signal' | 'logger'>,
): Promise<CatalogEntry | undefined> {
  const entry = await entryOf({ ...location, withExtension: path }, request).catch((error: unknown) => {
    if (error instanceof ModelError) return undefined // it does not know it
    throw error
  })
  return entry?.filename.toLowerCase() === basename(path).toLowerCase() ? entry : undefined
}

/** @throws {ModelError} `ERR_CHECKSUM` when the file has another size than the entry beside it says */
async function assertSize(path: string): Promise<void> {
  const [{ size }, entry] = [await stat(path), await keptEntry(path)]
  if (entry?.filesize === undefined || entry.filesize === size) return
  const message = `${path} has ${size} bytes instead of ${entry.filesize}: it is not whole, or another file. With \`force\` it is downloaded again.`
  throw new ModelError('ERR_CHECKSUM', message, path)
}

function checksum(name: string, value: unknown, digits: number): string | undefined {
  const text = string(name, value)
  if (text === undefined || (text.length === digits && /^[\da-f]+$/i.test(text))) return text
  throw optionError(name, `${digits} hexadecimal digits`, value)
}
