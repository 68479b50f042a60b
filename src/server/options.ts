import { statSync } from 'node:fs'
import { type GenerateOptions, GPT4All, type Logger, type ModelOptions, optionError } from '../index.ts'
import { MEMORY_PER_BODY, MEMORY_PER_BYTE } from './body/room.ts'

/** Sampling that requests may leave out; the library's defaults where neither says anything. */
export type SamplingDefaults = Pick<
  GenerateOptions,
  | 'temp'
  | 'topK'
  | 'topP'
  | 'minP'
  | 'repeatPenalty'
  | 'repeatLastN'
  | 'presencePenalty'
  | 'frequencyPenalty'
  | 'maxTokens'
>

/** Options of `createServer(models, options)`. */
export type ServerOptions = {
  /** Folder whose `.gguf` files requests may name; they are loaded when one does. @default none: only the models given */
  readonly modelPath?: string | undefined
  /** How models from `modelPath` are opened. @default {} */
  readonly modelOptions?: Omit<ModelOptions, 'modelPath' | 'signal' | 'onProgress'> | undefined
  /** Models from `modelPath` that are loaded at a time, 1 or more; the one idle for longest makes room. @default 2 */
  readonly maxModels?: number | undefined
  /** After so long without a request a model from `modelPath` is unloaded, ms, 0 or more, or `Infinity`. @default 300000 */
  readonly idleTimeout?: number | undefined
  /**
   * After so long an isolated engine that has crashed too often, and is not started any more, may start again, ms, 0 or more, or
   * `Infinity`. @default 60000; models that are given are left to their owner
   */
  readonly engineRetry?: number | undefined
  /** What requests must bring as `Authorization: Bearer <key>`; several for several clients. @default none: nobody is asked */
  readonly apiKey?: string | readonly string[] | undefined
  /** Let `listen()` take any host without an `apiKey`: everybody who reaches it may use it. @default false */
  readonly allowAnyone?: boolean | undefined
  /**
   * Names by which clients may call this server, in their `Host` header, beside `localhost` and IP addresses; `'*'` for any.
   * Whatever else a browser was told to resolve to this machine is refused. @default none
   */
  readonly allowedHosts?: readonly string[] | '*' | undefined
  /** Origins whose pages may use this server from a browser, e.g. `https://app.example`; `'*'` for any. @default none */
  readonly corsOrigins?: readonly string[] | '*' | undefined
  /** Bytes of a request, 1 or more. @default 4 MiB */
  readonly maxBodyBytes?: number | undefined
  /**
   * Memory that the bodies of all requests under way may take until they are answered, bytes: 4 for each byte, and 64 KiB for each
   * body. At least enough for one body of `maxBodyBytes`. What does not fit takes the room of a body that comes too slowly, or gets
   * 429. @default 256 MiB, or that
   */
  readonly bodyMemory?: number | undefined
  /** A body that has not come in whole after so long gets 408, ms, 1 or more, or `Infinity`. @default 60000 */
  readonly bodyTimeout?: number | undefined
  /** Messages of a chat, 1 or more. @default 1000 */
  readonly maxMessages?: number | undefined
  /** Choices of one request (`n`, times the prompts), 1 or more. @default 16 */
  readonly maxChoices?: number | undefined
  /** The most tokens of an answer, whatever a request asks for, 1 or more, or `Infinity`. @default Infinity */
  readonly maxTokens?: number | undefined
  /** Generations of one model that may wait in line, 0 or more; another request gets 429. @default 100 */
  readonly maxQueue?: number | undefined
  /** A client that reads nothing for so long loses its answer, ms, 1 or more, or `Infinity`. @default 120000 */
  readonly stallTimeout?: number | undefined
  /**
   * How long pieces of a streamed answer may be kept back, ms, 0 to 1000: those that were made meanwhile go out together, and the
   * model computes on undisturbed. The first one goes at once. @default 32, two frames of a display
   */
  readonly streamInterval?: number | undefined
  /** What requests that do not say get. @default the library's defaults */
  readonly defaults?: SamplingDefaults | undefined
  /** Serve the chat page at `/`. @default true */
  readonly page?: boolean | undefined
  /** Gets one line of JSON for each request, at level `info`, and failures of the server at `error`. @default none */
  readonly logger?: Logger | undefined
  /** Put prompts and answers into these lines. @default false */
  readonly logPrompts?: boolean | undefined
}

/** Two frames of a display, ms. */
export const DEFAULT_STREAM_INTERVAL = 32

type Apart = 'engineRetry' | 'modelPath' | 'modelOptions' | 'apiKey' | 'logger' | 'defaults'

export type ResolvedServerOptions = {
  readonly [Name in Exclude<keyof ServerOptions, Apart>]-?: Exclude<ServerOptions[Name], undefined>
} & {
  readonly modelPath: string | undefined
  readonly modelOptions: ModelOptions
  /** Of models of the folder, and of those that are given. */
  readonly engineRetry: { readonly own: number; readonly given: number }
  readonly apiKeys: readonly string[]
  readonly defaults: SamplingDefaults
  readonly logger: Logger | undefined
}

const KNOWN: Readonly<Record<keyof ServerOptions, true>> = {
  modelPath: true,
  modelOptions: true,
  maxModels: true,
  idleTimeout: true,
  engineRetry: true,
  apiKey: true,
  allowAnyone: true,
  allowedHosts: true,
  corsOrigins: true,
  maxBodyBytes: true,
  bodyMemory: true,
  bodyTimeout: true,
  maxMessages: true,
  maxChoices: true,
  maxTokens: true,
  maxQueue: true,
  stallTimeout: true,
  streamInterval: true,
  defaults: true,
  page: true,
  logger: true,
  logPrompts: true,
}

const SAMPLING: Readonly<Record<keyof SamplingDefaults, true>> = {
  temp: true,
  topK: true,
  topP: true,
  minP: true,
  repeatPenalty: true,
  repeatLastN: true,
  presencePenalty: true,
  frequencyPenalty: true,
  maxTokens: true,
}

export function resolveServerOptions(options: ServerOptions = {}): ResolvedServerOptions {
  if (typeof options !== 'object' || options === null) throw optionError('options', 'an object', options)
  for (const name of Object.keys(options))
    if (!Object.hasOwn(KNOWN, name))
      throw optionError(name, `one of the options ${Object.keys(KNOWN).join(', ')}`, name)
  const number = (name: keyof ServerOptions, fallback: number, min: number, orInfinity = false) => {
    const value = options[name] ?? fallback
    const isFine = (orInfinity && value === Number.POSITIVE_INFINITY) || Number.isSafeInteger(value)
    if (isFine && (value as number) >= min) return value as number
    throw optionError(name, `an integer of at least ${min}${orInfinity ? ', or Infinity' : ''}`, value)
  }
  const flag = (name: keyof ServerOptions, fallback: boolean) => {
    const value = options[name] ?? fallback
    if (typeof value !== 'boolean') throw optionError(name, 'true or false', value)
    return value
  }
  const { modelPath, apiKey, modelOptions = {}, defaults = {}, logger } = options
  // The library knows what is right for itself; nothing is opened here.
  new GPT4All('model', { ...modelOptions, logger: logger ?? modelOptions.logger }).generate('', {
    ...defaults,
    streamInterval: options.streamInterval,
  })
  for (const name of Object.keys(Object(defaults)))
    if (!Object.hasOwn(SAMPLING, name))
      throw optionError('defaults', `an object with ${Object.keys(SAMPLING).join(', ')}`, name)
  if (modelPath !== undefined && (typeof modelPath !== 'string' || modelPath === ''))
    throw optionError('modelPath', 'a non-empty string', modelPath)
  if (modelPath !== undefined && statSync(modelPath, { throwIfNoEntry: false })?.isDirectory() === false)
    throw optionError('modelPath', 'a folder', modelPath)
  const maxBodyBytes = number('maxBodyBytes', 4 * 2 ** 20, 1)
  const largest = MEMORY_PER_BODY + MEMORY_PER_BYTE * maxBodyBytes
  const apiKeys = apiKey === undefined ? [] : texts('apiKey', typeof apiKey === 'string' ? [apiKey] : apiKey)
  if (apiKey !== undefined && apiKeys.length === 0) throw optionError('apiKey', 'at least one key', apiKey)
  return {
    modelPath,
    modelOptions,
    defaults,
    logger: logger && harmless(logger),
    apiKeys,
    allowedHosts: named('allowedHosts', options.allowedHosts),
    corsOrigins: origins(named('corsOrigins', options.corsOrigins)),
    allowAnyone: flag('allowAnyone', false),
    page: flag('page', true),
    logPrompts: flag('logPrompts', false),
    maxModels: number('maxModels', 2, 1),
    idleTimeout: number('idleTimeout', 300_000, 0, true),
    engineRetry: {
      own: number('engineRetry', 60_000, 0, true),
      given: number('engineRetry', Number.POSITIVE_INFINITY, 0, true),
    },
    maxBodyBytes,
    bodyMemory: number('bodyMemory', Math.max(256 * 2 ** 20, largest), largest),
    bodyTimeout: number('bodyTimeout', 60_000, 1, true),
    maxMessages: number('maxMessages', 1000, 1),
    maxChoices: number('maxChoices', 16, 1),
    maxTokens: number('maxTokens', Number.POSITIVE_INFINITY, 1, true),
    maxQueue: number('maxQueue', 100, 0),
    stallTimeout: number('stallTimeout', 120_000, 1, true),
    streamInterval: options.streamInterval ?? DEFAULT_STREAM_INTERVAL,
  }
}

/** A logger that fails must not fail what it logs. */
function harmless(logger: Logger): Logger {
  const at = (level: keyof Logger) => (line: string) => {
    try {
      logger[level](line)
    } catch {
      // nobody to tell
    }
  }
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}

function named(name: string, value: readonly string[] | '*' = []): readonly string[] | '*' {
  const names = value === '*' ? [value] : texts(name, value).map((text) => text.toLowerCase())
  return names.includes('*') ? '*' : names
}

/** Of extensions and desktop programs too: `chrome-extension://...`, `tauri://localhost`. */
const ORIGIN = /^[a-z][a-z\d+.-]*:\/\/[^/]+$/

function origins(value: readonly string[] | '*'): readonly string[] | '*' {
  for (const origin of value === '*' ? [] : value)
    if (origin !== 'null' && !ORIGIN.test(origin))
      throw optionError('corsOrigins', 'origins such as https://app.example', origin)
  return value
}

function texts(name: string, value: unknown): readonly string[] {
  const isFine = Array.isArray(value) && value.every((text) => typeof text === 'string' && text !== '')
  if (!isFine) throw optionError(name, 'non-empty strings', value)
  return [...(value as string[])]
}
