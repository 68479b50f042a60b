import { optionError } from '../core/errors.ts'
import { type Logger, resolveLogger } from '../core/logger.ts'
import type { Progress } from '../core/progress.ts'
import { DEFAULTS } from '../options/defaults.ts'
import { boolean, callable, define, Option, signal, string } from '../options/define.ts'
import { MODEL, type ModelOptions } from '../options/model.ts'
import type { LoneEntry } from './catalog/shape.ts'

/** Options of `GPT4All.listModels(options)`. */
export type ListModelsOptions = {
  /** Address of a list. @default `models3.json` of the mirror that `GPT4ALL_MODELS_URL` names, else GPT4All's own */
  readonly url?: string | undefined
  /** A list on the disk, instead; nothing is asked of the network. @default none */
  readonly file?: string | undefined
  /** Aborts: the promise rejects with `signal.reason`. @default none */
  readonly signal?: AbortSignal | undefined
  /** Receives log lines. @default silent, or stderr at the level that `GPT4ALL_LOG` names */
  readonly logger?: Logger | undefined
}

/** Options of `GPT4All.downloadModel(name, options)`. */
export type DownloadModelOptions = Omit<ListModelsOptions, 'file' | 'url'> & {
  /** Folder for the file. @default `~/.cache/gpt4all` */
  readonly modelPath?: string | undefined
  /** Where the file itself lies: then no catalog is asked. @default what the catalog says */
  readonly url?: string | undefined
  /** Checksum of the file, hexadecimal, for a file with a `url` of its own. @default none */
  readonly md5sum?: string | undefined
  /** The same, SHA-256. @default none */
  readonly sha256sum?: string | undefined
  /** Download it again where it is there already, e.g. because it is damaged. @default false */
  readonly force?: boolean | undefined
  /** Called ten times a second at most. @default none */
  readonly onProgress?: ((progress: Progress) => void) | undefined
  /**
   * Log to stderr at level `info`, when no `logger` is given (`GPT4ALL_LOG=debug` tells more), and show progress there, when no `onProgress` is given and it is a
   * terminal. @default false
   */
  readonly verbose?: boolean | undefined
}

/** Options of `GPT4All.retrieveModel(name, options)`. */
export type RetrieveModelOptions = Pick<
  ModelOptions,
  'modelPath' | 'allowDownload' | 'onProgress' | 'logger' | 'verbose'
> &
  Pick<ListModelsOptions, 'signal'>

/** What `GPT4All.retrieveModel()` found: the file, and what a catalog says of it. */
export type RetrievedModel = LoneEntry & {
  readonly filename: string
  /** Of the GGUF file that can be opened. */
  readonly path: string
}

/** Options of `GPT4All.verifyModel(name, options)`. */
export type VerifyModelOptions = Pick<
  DownloadModelOptions,
  'modelPath' | 'md5sum' | 'sha256sum' | 'signal' | 'onProgress' | 'logger' | 'verbose'
> & {
  /** Whether the catalog may be asked where no entry is kept beside the file. @default true */
  readonly allowDownload?: boolean | undefined
}

/** What `GPT4All.verifyModel()` found out. */
export type VerifiedModel = {
  readonly path: string
  readonly algorithm: 'md5' | 'sha256'
  /** Hexadecimal. */
  readonly digest: string
}

/** Options of `GPT4All.estimateMemory(name, options)`. */
export type EstimateMemoryOptions = Pick<ListModelsOptions, 'signal'> &
  Pick<ModelOptions, 'modelPath' | 'nCtx' | 'parallel' | 'kvType' | 'flashAttention'>

/** Options of `GPT4All.describeModel(name, options)`. */
export type DescribeModelOptions = Pick<DownloadModelOptions, 'modelPath' | 'signal' | 'logger'>

/** Options of `GPT4All.listDevices(options)`. */
export type ListDevicesOptions = {
  /** As `rpcServers` of a model: their devices are listed too. @default none */
  readonly rpcServers?: readonly string[] | undefined
  /** @default none */
  readonly signal?: AbortSignal | undefined
}

const COMMON = {
  signal: new Option((name, given) => signal().read(name, given) ?? new AbortController().signal),
  logger: new Option((_, given) => given as Logger | undefined), // which depends on `verbose`
}

const WATCHED = {
  ...COMMON,
  onProgress: callable<(progress: Progress) => void>(),
  verbose: boolean().default(false),
}

const SUMS = { md5sum: hexadecimal(32), sha256sum: hexadecimal(64) }

export const LIST = define<ListModelsOptions>()({ ...COMMON, url: string(), file: string() })

export const DOWNLOAD = define<DownloadModelOptions>()({
  ...WATCHED,
  ...SUMS,
  modelPath: string(),
  url: string(),
  force: boolean().default(false),
})

export const RETRIEVE = define<RetrieveModelOptions>()({
  ...WATCHED,
  modelPath: string(),
  allowDownload: boolean().default(DEFAULTS.allowDownload),
})

export const VERIFY = define<VerifyModelOptions>()({
  ...WATCHED,
  ...SUMS,
  modelPath: string(),
  allowDownload: boolean().default(DEFAULTS.allowDownload),
})

export const DESCRIBE = define<DescribeModelOptions>()({ ...COMMON, modelPath: string() })

export const ESTIMATE = define<EstimateMemoryOptions>()({
  signal: COMMON.signal,
  modelPath: string(),
  nCtx: MODEL.table.nCtx,
  parallel: MODEL.table.parallel,
  kvType: MODEL.table.kvType,
  flashAttention: MODEL.table.flashAttention,
})

export const LIST_DEVICES = define<ListDevicesOptions>()({
  signal: COMMON.signal,
  rpcServers: MODEL.table.rpcServers,
})

/** The same options with the logger that is used. */
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
