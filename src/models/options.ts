import { type Logger, resolveLogger } from '../core/logger.ts'
import type { Progress } from '../core/progress.ts'
import { abortSignal, boolean, callable } from '../options/checks.ts'
import type { ModelOptions } from '../options/model.ts'
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

// ---- their names, to tell others from

export const DOWNLOAD_OPTIONS: Readonly<Record<keyof DownloadModelOptions, true>> = {
  force: true,
  modelPath: true,
  url: true,
  md5sum: true,
  sha256sum: true,
  signal: true,
  logger: true,
  onProgress: true,
  verbose: true,
}

export const RETRIEVE_OPTIONS: Readonly<Record<keyof RetrieveModelOptions, true>> = {
  modelPath: true,
  allowDownload: true,
  onProgress: true,
  logger: true,
  verbose: true,
  signal: true,
}

export const VERIFY_OPTIONS: Readonly<Record<keyof VerifyModelOptions, true>> = {
  modelPath: true,
  md5sum: true,
  sha256sum: true,
  allowDownload: true,
  signal: true,
  logger: true,
  onProgress: true,
  verbose: true,
}

/** Options of `GPT4All.describeModel(name, options)`. */
export type DescribeModelOptions = Pick<DownloadModelOptions, 'modelPath' | 'signal' | 'logger'>

export const DESCRIBE_OPTIONS: Readonly<Record<keyof DescribeModelOptions, true>> = {
  modelPath: true,
  signal: true,
  logger: true,
}

export const ESTIMATE_OPTIONS: Readonly<Record<keyof EstimateMemoryOptions, true>> = {
  modelPath: true,
  nCtx: true,
  parallel: true,
  kvType: true,
  flashAttention: true,
  signal: true,
}

/** Options of `GPT4All.listDevices(options)`. */
export type ListDevicesOptions = {
  /** As `rpcServers` of a model: their devices are listed too. @default none */
  readonly rpcServers?: readonly string[] | undefined
  /** @default none */
  readonly signal?: AbortSignal | undefined
}

/** What every function here takes. */
export function common(
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

/** What those take that read or write whole files. */
export function watched(options: Pick<DownloadModelOptions, 'signal' | 'logger' | 'onProgress' | 'verbose'>) {
  const verbose = boolean('verbose', options.verbose) ?? false
  const onProgress = callable('onProgress', options.onProgress)
  return { ...common(options, verbose), onProgress, verbose }
}
