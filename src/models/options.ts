import { type ModelError, optionError } from '../core/errors.ts'
import type { Logger } from '../core/logger.ts'
import type { Progress } from '../core/progress.ts'
import { resolveLogger } from '../core/stderr-logger.ts'
import { DEFAULTS } from '../options/defaults.ts'
import { boolean, callable, define, integer, Option, path, signal, string } from '../options/define.ts'
import { MODEL, type ModelOptions } from '../options/model.ts'
import type { FilePath } from '../options/path-text.ts'
import type { StoredCatalogEntry } from './catalog/schema.ts'
import type { ModelDescription } from './describe.ts'

/** Options of `GPT4All.listModels(options)`. */
export type ListModelsOptions = {
  /**
   * URL of a catalog. Without it: `models3.json` of the mirror that `GPT4ALL_MODELS_URL` names, or else
   * GPT4All's own list.
   * @default undefined
   */
  readonly url?: string | undefined
  /**
   * Path of a catalog on the disk, to use instead; the network is not accessed.
   * @default undefined
   */
  readonly file?: FilePath | undefined
  /**
   * Aborts the call, which then rejects with `signal.reason`.
   * @default undefined
   */
  readonly signal?: AbortSignal | undefined
  /**
   * Receives log lines. Without one the library is silent, or logs to stderr at the level that `GPT4ALL_LOG`
   * names.
   * @default undefined
   */
  readonly logger?: Logger | undefined
}

/**
 * Options of `GPT4All.downloadModel(name, options)`.
 * @interface
 */
export type DownloadModelOptions = Omit<ListModelsOptions, 'file' | 'url'> & {
  /**
   * Folder for the file, created if it does not exist.
   * @default '~/.cache/gpt4all'
   */
  readonly modelPath?: FilePath | undefined
  /**
   * URL of the model file itself; no catalog is consulted then. Without it, the URL comes from the catalog.
   * @default undefined
   */
  readonly url?: string | undefined
  /**
   * Expected MD5 checksum in hexadecimal, for a file with a `url` of its own.
   * @default undefined
   */
  readonly md5sum?: string | undefined
  /**
   * Expected SHA-256 checksum in hexadecimal, for a file with a `url` of its own, or of Hugging Face.
   * @default undefined
   */
  readonly sha256sum?: string | undefined
  /**
   * Expected size of the file in bytes, a positive integer. A server that sends another size is
   * `ERR_DOWNLOAD`, a file on the disk of another size `ERR_CHECKSUM`. Source: `expected_size` in Python.
   * @default undefined
   */
  readonly expectedSize?: number | undefined
  /**
   * Download the file again even if it exists, for example because it is damaged.
   * @default false
   */
  readonly force?: boolean | undefined
  /**
   * Called at most ten times a second, and at the end of each phase.
   * @default undefined
   */
  readonly onProgress?: ((progress: Progress) => void) | undefined
  /**
   * Log to stderr at level `info` unless a `logger` is given (`GPT4ALL_LOG=debug` logs more), and show
   * progress bars there if stderr is a terminal and no `onProgress` is given.
   * @default false
   */
  readonly verbose?: boolean | undefined
}

/**
 * Options of `GPT4All.retrieveModel(name, options)`.
 * @interface
 */
export type RetrieveModelOptions = Pick<
  ModelOptions,
  'modelPath' | 'allowDownload' | 'modelConfigFile' | 'onProgress' | 'logger' | 'verbose'
> &
  Pick<ListModelsOptions, 'signal'>

/**
 * What `GPT4All.retrieveModel()` found: the file, and the fields of its catalog entry if it has one.
 * @interface
 */
export type RetrievedModel = StoredCatalogEntry & {
  /** Name of the GGUF file that can be opened. */
  readonly filename: string
  /** Path of that file. */
  readonly path: string
}

/**
 * Options of `GPT4All.verifyModel(name, options)`.
 * @interface
 */
export type VerifyModelOptions = Pick<
  DownloadModelOptions,
  'modelPath' | 'md5sum' | 'sha256sum' | 'signal' | 'onProgress' | 'logger' | 'verbose'
> & {
  /**
   * Whether the catalog, or the list of the repository, may be fetched if no entry is stored beside the file.
   * @default true
   */
  readonly allowDownload?: boolean | undefined
}

/** The result of `GPT4All.verifyModel()`. */
export type VerifiedModel = {
  /** Path of the file. */
  readonly path: string
  /** Which checksum was compared. */
  readonly algorithm: 'md5' | 'sha256'
  /** The checksum, in hexadecimal. */
  readonly digest: string
}

/**
 * Options of `GPT4All.estimateMemory(name, options)`.
 * @interface
 */
export type EstimateMemoryOptions = Pick<ListModelsOptions, 'signal'> &
  Pick<ModelOptions, 'modelPath' | 'nCtx' | 'parallel' | 'kvType' | 'flashAttention'>

/**
 * Options of `GPT4All.describeModel(name, options)`.
 * @interface
 */
export type DescribeModelOptions = Pick<DownloadModelOptions, 'modelPath' | 'signal' | 'logger'>

/**
 * Options of `GPT4All.localModels(folder, options)`.
 * @interface
 */
export type LocalModelsOptions = Pick<ListModelsOptions, 'signal'> & {
  /**
   * Whether the files' headers are read. If not, models have no `description`, and a `problem` only if the
   * first part of a split model is missing.
   * @default true
   */
  readonly describe?: boolean | undefined
}

/** A model that `GPT4All.localModels()` found. */
export type LocalModelInfo = {
  /** Name of the model: its file's name without extension and part number. */
  readonly name: string
  /** Name of its file; of the first part if the model is split. */
  readonly filename: string
  /** Path of that file. */
  readonly path: string
  /** Paths of all its files; more than one if the model is split. */
  readonly files: readonly string[]
  /** Size of all its files in bytes. */
  readonly filesize: number
  /** When the last of them was written. */
  readonly modified: Date
  /**
   * What its header says; `undefined` if it was not read, for files older than GGUF, and if there is a
   * `problem`.
   */
  readonly description: ModelDescription | undefined
  /** Why it cannot be used; `undefined` if nothing is wrong with it. */
  readonly problem: ModelError | undefined
}

/** Options of `GPT4All.listDevices(options)`. */
export type ListDevicesOptions = {
  /**
   * Servers whose devices are listed first, as `host:port`, like `rpcServers` of a model.
   * @default undefined
   */
  readonly rpcServers?: readonly string[] | undefined
  /**
   * Aborts the call, which then rejects with `signal.reason`.
   * @default undefined
   */
  readonly signal?: AbortSignal | undefined
}

const COMMON = {
  signal: new Option((name, given) => signal().read(name, given) ?? new AbortController().signal),
  logger: new Option((_, given) => given as Logger | undefined), // see `withLogger()`
}

const WATCHED = {
  ...COMMON,
  onProgress: callable<(progress: Progress) => void>(),
  verbose: boolean().default(false),
}

const SUMS = { md5sum: hexadecimal(32), sha256sum: hexadecimal(64) }

export const LIST = define<ListModelsOptions>()({ ...COMMON, url: string(), file: path() })

export const DOWNLOAD = define<DownloadModelOptions>()({
  ...WATCHED,
  ...SUMS,
  modelPath: path(),
  url: string(),
  expectedSize: integer(1),
  force: boolean().default(false),
})

export const RETRIEVE = define<RetrieveModelOptions>()({
  ...WATCHED,
  modelPath: path(),
  modelConfigFile: path(),
  allowDownload: boolean().default(DEFAULTS.allowDownload),
})

export const VERIFY = define<VerifyModelOptions>()({
  ...WATCHED,
  ...SUMS,
  modelPath: path(),
  allowDownload: boolean().default(DEFAULTS.allowDownload),
})

export const DESCRIBE = define<DescribeModelOptions>()({ ...COMMON, modelPath: path() })

export const LOCAL = define<LocalModelsOptions>()({
  signal: COMMON.signal,
  describe: boolean().default(true),
})

export const ESTIMATE = define<EstimateMemoryOptions>()({
  signal: COMMON.signal,
  modelPath: path(),
  nCtx: MODEL.table.nCtx,
  parallel: MODEL.table.parallel,
  kvType: MODEL.table.kvType,
  flashAttention: MODEL.table.flashAttention,
})

export const LIST_DEVICES = define<ListDevicesOptions>()({
  signal: COMMON.signal,
  rpcServers: MODEL.table.rpcServers,
})

/** The same options with the logger to use, which depends on `verbose`. */
export function withLogger<
  Options extends { readonly logger: Logger | undefined; readonly verbose?: boolean },
>(options: Options): Omit<Options, 'logger'> & { readonly logger: Logger } {
  return { ...options, logger: resolveLogger(options.logger, options.verbose ?? false) }
}

function hexadecimal(digits: number): Option<string | undefined> {
  return new Option((name, given) => {
    const text = string().read(name, given)
    if (text === undefined || (text.length === digits && /^[\da-f]+$/i.test(text))) return text
    throw optionError(name, `${digits} hexadecimal digits`, given)
  })
}
