import { stat } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { abortSignal, boolean, callable, checkKnown, checkObject, string } from './checks.ts'
import { resolveDistributionOptions } from './distribution-options.ts'
import { ModelError, optionError } from './errors.ts'
import { type Logger, resolveLogger } from './logger.ts'
import {
  DESCRIBE_OPTIONS,
  type DescribeModelOptions,
  DOWNLOAD_OPTIONS,
  type DownloadModelOptions,
  ESTIMATE_OPTIONS,
  type EstimateMemoryOptions,
  type ListDevicesOptions,
  type ListModelsOptions,
  RETRIEVE_OPTIONS,
  type RetrievedModel,
  type RetrieveModelOptions,
  type SystemInfo,
  VERIFY_OPTIONS,
  type VerifiedModel,
  type VerifyModelOptions,
} from './model-files-options.ts'
import { shown } from './models/address.ts'
import { catalogUrl, fetchCatalog, named, readCatalog } from './models/catalog.ts'
import { keptEntry } from './models/catalog-entry.ts'
import type { CatalogEntry } from './models/catalog-shape.ts'
import { checksumOf, verifyFile } from './models/checksum.ts'
import { describe, type ModelDescription } from './models/describe.ts'
import { type Device, gpuName, isGpu, presentDevices } from './models/devices.ts'
import { asGguf } from './models/ggml/convert.ts'
import { readGguf } from './models/gguf/header.ts'
import { checkCache } from './models/kv-cache.ts'
import { assertFile, findOnDisk, locateModel, type ModelLocation } from './models/locate.ts'
import { type MemoryPlan, planMemory } from './models/memory.ts'
import {
  downloadEntry,
  entryOf,
  findModel,
  missingModel,
  type ObtainRequest,
  obtainModel,
} from './models/obtain.ts'
import { withProgressBar } from './models/progress-bar.ts'
import { askRpcServers } from './models/rpc-servers.ts'
import { loadBinding } from './native/binding.ts'
import { resolveModelOptions } from './options.ts'
import { VERSION } from './version.ts'

/** What {@link GPT4All} tells of model files and devices, and does with files, without loading a model. */
// biome-ignore lint/complexity/noStaticOnlyClass: GPT4All inherits them
export abstract class ModelFiles {
  /**
   * The models that a catalog knows: GPT4All's own, or the one in `options`. What was fetched once is used while the
   * server cannot be reached.
   *
   * @throws {DownloadError} `ERR_DOWNLOAD` when it cannot be fetched @throws {ModelError} `ERR_MODEL_CONFIG` when it is none
   */
  static async listModels(options: ListModelsOptions = {}): Promise<CatalogEntry[]> {
    checkObject('options', options)
    checkKnown(options, { url: true, file: true, signal: true, logger: true })
    const file = string('file', options.file)
    const url = string('url', options.url)
    if (file !== undefined && url !== undefined)
      throw optionError('file', 'no file where there is a url', file)
    const { signal, logger } = common(options)
    signal.throwIfAborted()
    if (file === undefined) return fetchCatalog({ url: url ?? catalogUrl(), signal, logger })
    return named(await readCatalog(file), file)
  }

  /**
   * Downloads the model that a catalog knows by `name`, or the one at `options.url`, unless it is there already; resolves
   * with its path. An interrupted download goes on where it ended; a file has its name only once it is whole and
   * verified. Through the proxy that `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` name.
   *
   * @throws {DownloadError} `ERR_DOWNLOAD`, `ERR_CHECKSUM`, `ERR_DISK_SPACE` @throws {ModelError} `ERR_MODEL_NOT_FOUND`
   */
  static async downloadModel(name: string, options: DownloadModelOptions = {}): Promise<string> {
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

  /**
   * What `load()` does before it reads the weights: finds the model, or downloads it, and converts it where it is older
   * than GGUF. Resolves with its path and its catalog entry, where one was kept beside it. Source: `retrieve_model` in
   * Python.
   *
   * @throws {ModelError} `ERR_MODEL_NOT_FOUND`, and what else `load()` says of files
   * @throws {DownloadError} `ERR_DOWNLOAD`, `ERR_CHECKSUM`, `ERR_DISK_SPACE`
   */
  static async retrieveModel(name: string, options: RetrieveModelOptions = {}): Promise<RetrievedModel> {
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

  /**
   * Reads the whole file and compares its checksum with the one in the entry kept beside it, or in the catalog.
   *
   * @throws {ModelError} `ERR_CHECKSUM` when it is another file, `ERR_MODEL_CONFIG` when nothing tells the checksum,
   * `ERR_MODEL_NOT_FOUND`
   */
  static async verifyModel(name: string, options: VerifyModelOptions = {}): Promise<VerifiedModel> {
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

  /**
   * What a model on the disk takes with a context of `nCtx` tokens (2048), or `parallel` of them, from its header: nothing
   * is loaded.
   *
   * @throws {ModelError} `ERR_MODEL_NOT_FOUND`, and what else `load()` says of such a file
   */
  static async estimateMemory(name: string, options: EstimateMemoryOptions = {}): Promise<MemoryPlan> {
    checkObject('options', options)
    checkKnown(options, ESTIMATE_OPTIONS)
    const location = locateModel(name, string('modelPath', options.modelPath))
    const { nCtx, parallel, kvType, flashAttention } = options
    const model = resolveModelOptions({ nCtx, parallel, kvType, flashAttention })
    const { signal, logger } = common(options)
    const path = await findModel(location, logger)
    if (path === undefined)
      throw await missingModel(location, 'Only a model on the disk tells what it needs.')
    const header = await readGguf(path, { signal })
    checkCache(header, model)
    return planMemory(header, model.nCtx, { sequences: model.parallel ?? 1, cache: model })
  }

  /**
   * What the file of a model on the disk says of itself, from its header: nothing is loaded.
   *
   * @throws {ModelError} `ERR_MODEL_NOT_FOUND`, and what else `load()` says of such a file
   */
  static async describeModel(name: string, options: DescribeModelOptions = {}): Promise<ModelDescription> {
    checkObject('options', options)
    checkKnown(options, DESCRIBE_OPTIONS)
    const location = locateModel(name, string('modelPath', options.modelPath))
    const { signal, logger } = common(options)
    const path = await findModel(location, logger)
    if (path === undefined) throw await missingModel(location, 'Only a model on the disk can be described.')
    return describe(await readGguf(path, { signal }))
  }

  /**
   * What the addon is and was built for.
   *
   * @throws {GPT4AllError} `ERR_BINDING` when there is none for this machine
   */
  static systemInfo(): SystemInfo {
    const binding = loadBinding()
    const features = [...binding.systemInfo.matchAll(/(\w+) = 1\b/g)].map(([, name]) => name!)
    return {
      version: VERSION,
      file: binding.file && fileURLToPath(binding.file),
      llamaVersion: binding.llamaVersion,
      features,
      kernels: binding.kernels(),
      backends: binding.backends(),
    }
  }

  /**
   * Everything that can compute: the CPU, and the GPUs for which the addon was built. With `rpcServers` a promise, with the devices of
   * these servers first.
   *
   * @throws {DeviceError} `ERR_DEVICE` where one of them cannot be used
   */
  static listDevices(): Device[]
  static listDevices(options: ListDevicesOptions): Promise<Device[]>
  static listDevices(options?: ListDevicesOptions): Device[] | Promise<Device[]> {
    if (options === undefined) return [...presentDevices(loadBinding()).devices]
    return ModelFiles.#listWithServers(options)
  }

  static async #listWithServers(options: ListDevicesOptions): Promise<Device[]> {
    checkObject('options', options)
    checkKnown(options, { rpcServers: true, signal: true })
    const { rpcServers } = resolveDistributionOptions(options)
    const { signal } = common({ signal: options.signal })
    return [...(await askRpcServers(rpcServers, signal)), ...presentDevices(loadBinding()).devices]
  }

  /**
   * Names of the GPUs, as `device` takes them: `cuda:NVIDIA GeForce RTX 3060`. Empty where there is none, or none for which
   * the addon was built.
   */
  static listGpus(): string[] {
    return ModelFiles.listDevices().filter(isGpu).map(gpuName)
  }
}

function common(
  options: Pick<ListModelsOptions, 'signal' | 'logger'>,
  verbose = false,
): {
  readonly signal: AbortSignal
  readonly logger: Logger
} {
  return {
    signal: abortSignal('signal', options.signal) ?? new AbortController().signal,
    logger: resolveLogger(options.logger, verbose),
  }
}

function watched(options: Pick<DownloadModelOptions, 'signal' | 'logger' | 'onProgress' | 'verbose'>) {
  const verbose = boolean('verbose', options.verbose) ?? false
  const onProgress = callable('onProgress', options.onProgress)
  return { ...common(options, verbose), onProgress, verbose }
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
