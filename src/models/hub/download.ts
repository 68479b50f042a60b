import { stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { makeFolder } from '../../core/cache-folder.ts'
import { DownloadError, ModelError } from '../../core/errors.ts'
import type { Progress } from '../../core/progress.ts'
import { gibibytes } from '../../core/sizes.ts'
import { storedEntry, storeEntry } from '../catalog/entry.ts'
import type { CatalogEntry } from '../catalog/schema.ts'
import { shown } from '../download/address.ts'
import { type Checksum, verifyFile } from '../download/checksum.ts'
import { missingSpace } from '../download/disk-space.ts'
import { type HubAccess, hubAccess, hubUrl } from './access.ts'
import { fitting, type HubModel, isComplete, modelsIn, quantOf } from './choose.ts'
import { listed, theOnly } from './disk.ts'
import { type ListedFile, type Listing, type ListingRequest, listRepository, withAdvice } from './listing.ts'
import { type HubName, localName } from './name.ts'

type HubRequest = ListingRequest & {
  readonly onProgress: ((progress: Progress) => void) | undefined
  /** Download even if the files exist. */
  readonly force?: boolean
  /** What the user expects of the model's first file. */
  readonly expected?: Checksum | undefined
}

/** A file whose size and checksum are known. */
type KnownFile = { readonly path: string; readonly size: number; readonly sha256: string }

/**
 * Downloads the model that a name means into `folder`, and verifies each of its files; resolves with the path
 * of the first.
 * @throws {ModelError} `ERR_MODEL_NOT_FOUND` if the repository does not have it
 * @throws {DownloadError} see `download()`
 */
export async function downloadFromHub(hub: HubName, folder: string, request: HubRequest): Promise<string> {
  const access = await hubAccess()
  const listing = await listRepository(hub, access, request)
  const model = modelOf(listing, hub, access)
  const files = model.files.map((file) => known(file, hub, access))
  const [first] = files
  if (request.expected && request.expected.digest !== first!.sha256) {
    const message = `${first!.path} is not what you expect: ${hub.repository} lists the sha256 ${first!.sha256} instead of ${request.expected.digest}`
    throw new DownloadError(message, { code: 'ERR_CHECKSUM', url: access.endpoint.origin, retry: false })
  }
  const origin = { hub, access, commit: listing.commit, quant: quantOf(model.stem) }
  const total = files.reduce((sum, { size }) => sum + size, 0)
  if (files.length > 1) await checkSpace(files, hub, folder, access)
  let before = 0
  for (const file of files) {
    const onProgress = within(before, total, request.onProgress)
    await obtain(file, join(folder, localName(hub, file.path)), origin, { ...request, onProgress })
    before += file.size
  }
  return join(folder, localName(hub, first!.path))
}

/** The checksum that the repository lists for the file called `filename` on the disk. */
export async function checksumInHub(
  hub: HubName,
  filename: string,
  request: ListingRequest,
): Promise<Checksum | undefined> {
  const { files } = await listRepository(hub, await hubAccess(), request)
  const called = (path: string) => localName(hub, path).toLowerCase() === filename.toLowerCase()
  const digest = files.find(({ path }) => called(path))?.sha256
  return digest === undefined ? undefined : { algorithm: 'sha256', digest }
}

function modelOf({ files, unusable }: Listing, hub: HubName, { endpoint }: HubAccess): HubModel<ListedFile> {
  const place = `${hub.repository} on ${endpoint.host}`
  const refuse = (why: string) => new ModelError('ERR_MODEL_NOT_FOUND', `${place} ${why}.`, hub.name)
  const others = unusable > 0 ? `. It has ${unusable} more, whose names are not valid on every system` : ''
  if (files.length === 0 && unusable > 0)
    throw refuse(`has no GGUF files whose names are valid on every system (${unusable} others)`)
  if (files.length === 0) throw refuse('has no GGUF files; look for a repository with "GGUF" in its name')
  const models = modelsIn(files)
  const model = theOnly(fitting(models, hub), models, hub, place)
  if (!model) {
    const what = hub.file ?? hub.quant ?? 'a model of its own'
    throw refuse(`does not have ${what}. It has ${listed(models, models)}${others}`)
  }
  if (!isComplete(model)) throw refuse(`does not list all of the ${model.parts} parts of ${model.stem}`)
  return model
}

/** @throws {DownloadError} `ERR_DOWNLOAD` if the listing lacks what is needed to verify the file */
function known({ path, size, sha256 }: ListedFile, hub: HubName, { endpoint }: HubAccess): KnownFile {
  if (size !== undefined && sha256 !== undefined) return { path, size, sha256 }
  const lacking = sha256 === undefined ? 'SHA-256' : 'size'
  const message = `${hub.repository} lists no ${lacking} of ${path}, so that it could not be verified`
  throw new DownloadError(message, { url: endpoint.origin, retry: false })
}

/** What the files of a model have in common. */
type Origin = {
  readonly hub: HubName
  readonly access: HubAccess
  readonly commit: string
  readonly quant: string | undefined
}

/** Makes sure that `target` is that file: it is downloaded, or verified if its entry does not say what it is. */
async function obtain(
  file: KnownFile,
  target: string,
  { hub, access, commit, quant }: Origin,
  { signal, logger, onProgress, patience, force = false }: HubRequest,
): Promise<void> {
  const checksum: Checksum = { algorithm: 'sha256', digest: file.sha256 }
  const entry: CatalogEntry = {
    filename: basename(target),
    filesize: file.size,
    sha256sum: file.sha256,
    ...(quant && { quant }),
    repository: hub.repository,
    repositoryFile: file.path,
    revision: commit,
  }
  const before = await storedEntry(target)
  const isSame = before?.sha256sum === file.sha256
  // A part of another commit's model, whose download was not completed.
  const isOlder = before?.repository === hub.repository && before.repositoryFile === file.path && !isSame
  if (force || isOlder || !(await sizeAt(target))) {
    const path = file.path.split('/').map(encodeURIComponent).join('/')
    const url = hubUrl(access, `${hub.repository}/resolve/${commit}/${path}`)
    logger.info(`downloading ${shown(url)} to ${target}`)
    // Loaded on demand: a model on the disk needs no network.
    const { download } = await import('../download/download.ts')
    await download({
      url,
      bearer: access.token,
      target,
      size: file.size,
      checksum,
      signal,
      logger,
      onProgress,
      force: force || isOlder,
      ...(patience && { patience }),
      beforeRename: () => storeEntry(target, entry, true),
    }).catch((error: unknown) => {
      throw withAdvice(error, hub, access)
    })
  }
  const stored = await storedEntry(target)
  if (stored?.sha256sum === file.sha256 && (await sizeAt(target)) === file.size) {
    if (stored.revision !== commit) await storeEntry(target, entry, true) // the file is the same there
    return
  }
  await verifyFile(target, checksum, { signal, onProgress })
  await storeEntry(target, entry, true)
}

/**
 * All parts must fit before the first is downloaded; whether a single file does is checked by its download.
 * @throws {DownloadError} `ERR_DISK_SPACE`
 */
async function checkSpace(
  files: readonly KnownFile[],
  hub: HubName,
  folder: string,
  { endpoint }: HubAccess,
): Promise<void> {
  let bytes = 0
  for (const { path, size } of files) {
    const target = join(folder, localName(hub, path))
    bytes += Math.max(0, size - ((await sizeAt(target)) ?? (await sizeAt(`${target}.part`)) ?? 0))
  }
  // Where the folder cannot be made, the download says so.
  const check = () => missingSpace(join(folder, localName(hub, files[0]!.path)), bytes)
  const missing = await makeFolder(folder)
    .then(check)
    .catch(() => 0)
  if (missing === 0) return
  const message = `${hub.name} needs ${gibibytes(bytes)}, ${gibibytes(missing)} more than are free on the disk of ${folder}`
  throw new DownloadError(message, { code: 'ERR_DISK_SPACE', url: endpoint.origin, retry: false })
}

async function sizeAt(path: string): Promise<number | undefined> {
  return stat(path).then(
    ({ size }) => size,
    () => undefined,
  )
}

/** Progress of one of several files, as that of all of them. */
function within(before: number, total: number, onProgress: HubRequest['onProgress']): typeof onProgress {
  if (!onProgress) return undefined
  return (progress) => {
    const isShare = progress.phase === 'download'
    return onProgress(isShare ? { ...progress, bytes: before + progress.bytes, total } : progress)
  }
}
