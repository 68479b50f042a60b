import { statSync } from 'node:fs'
import { harmless } from '../core/logger.ts'
import {
  checkGenerateOptions,
  checkModelOptions,
  type Logger,
  type ModelOptions,
  optionError,
} from '../index.ts'
import { MEMORY_PER_BODY, MEMORY_PER_BYTE } from './body/room.ts'
import { isSampling, SAMPLING, type SamplingDefaults } from './sampling.ts'

/** Options of `createServer(models, options)`. */
export type ServerOptions = {
  /**
   * Folder whose `.gguf` files requests may name; each is loaded when a request names it. Without it only the
   * models passed to `createServer()` are served.
   * @default undefined
   */
  readonly modelPath?: string | undefined
  /**
   * Options with which models from `modelPath` are opened.
   * @default {}
   */
  readonly modelOptions?: Omit<ModelOptions, 'modelPath' | 'signal' | 'onProgress'> | undefined
  /**
   * How many models from `modelPath` are loaded at once, a positive integer. The one idle for longest makes
   * room.
   * @default 2
   */
  readonly maxModels?: number | undefined
  /**
   * Milliseconds without a request after which a model from `modelPath` is unloaded: an integer of 0 or more,
   * or `Infinity`.
   * @default 300000
   */
  readonly idleTimeout?: number | undefined
  /**
   * Milliseconds after which an isolated engine that is down, because it crashed too often, may start again:
   * an integer of 0 or more, or `Infinity`. For models passed to `createServer()` the default is `Infinity`:
   * their owner resets them.
   * @default 60000
   */
  readonly engineRetry?: number | undefined
  /**
   * The key that requests must send as `Authorization: Bearer <key>`, or several keys for several clients.
   * Without one no key is asked for.
   * @default undefined
   */
  readonly apiKey?: string | readonly string[] | undefined
  /**
   * Lets `listen()` accept any host without an `apiKey`: everyone who can reach the server can then use it.
   * @default false
   */
  readonly allowAnyone?: boolean | undefined
  /**
   * Host names under which clients may address this server, besides `localhost` and IP addresses; `'*'`
   * allows any. Requests with another `Host` header are refused, which protects against DNS rebinding.
   * @default []
   */
  readonly allowedHosts?: readonly string[] | '*' | undefined
  /**
   * Origins whose pages may use this server from a browser, such as `https://app.example`; `'*'` allows any.
   * @default []
   */
  readonly corsOrigins?: readonly string[] | '*' | undefined
  /**
   * Maximum size of a request body in bytes, a positive integer. The default is 4 MiB.
   * @default 4194304
   */
  readonly maxBodyBytes?: number | undefined
  /**
   * Memory in bytes that the bodies of all requests in progress may take until they are answered: each counts
   * 64 KiB, plus 4 bytes for each of its own. At least enough for one body of `maxBodyBytes`. A body that
   * does not fit gets the room of one that arrives too slowly, or else 429. The default is 256 MiB, or more
   * if one body of `maxBodyBytes` needs more.
   * @default 268435456
   */
  readonly bodyMemory?: number | undefined
  /**
   * Milliseconds within which a body must arrive completely, or the request gets 408: a positive integer, or
   * `Infinity`.
   * @default 60000
   */
  readonly bodyTimeout?: number | undefined
  /**
   * Maximum number of messages in a chat, a positive integer.
   * @default 1000
   */
  readonly maxMessages?: number | undefined
  /**
   * Maximum number of choices per request (`n` times the number of prompts), a positive integer.
   * @default 16
   */
  readonly maxChoices?: number | undefined
  /**
   * Maximum number of tokens of an answer, whatever a request asks for: a positive integer, or `Infinity`.
   * @default Infinity
   */
  readonly maxTokens?: number | undefined
  /**
   * How many generations of one model may wait in line, an integer of 0 or more; a further request gets 429.
   * @default 100
   */
  readonly maxQueue?: number | undefined
  /**
   * Milliseconds after which a client that reads nothing loses its answer: a positive integer, or `Infinity`.
   * @default 120000
   */
  readonly stallTimeout?: number | undefined
  /**
   * How long pieces of a streamed answer may be held back, in milliseconds from 0 to 1000. Those produced in
   * the meantime are sent together, and the model computes undisturbed. The first piece is sent at once.
   * @default 32
   */
  readonly streamInterval?: number | undefined
  /**
   * Sampling options for requests that do not set them.
   * @default {}
   */
  readonly defaults?: SamplingDefaults | undefined
  /**
   * The system prompt of chats that have none. Without it, that of the model's catalog entry applies if the
   * entry's template is used.
   * @default undefined
   */
  readonly systemPrompt?: string | undefined
  /**
   * A Jinja template that replaces the models' own chat templates.
   * @default undefined
   */
  readonly chatTemplate?: string | undefined
  /**
   * Whether to serve the chat page at `/`.
   * @default true
   */
  readonly page?: boolean | undefined
  /**
   * Receives one line of JSON per request at level `info`, and failures of the server at level `error`.
   * @default undefined
   */
  readonly logger?: Logger | undefined
  /**
   * Whether those lines contain prompts and answers.
   * @default false
   */
  readonly logPrompts?: boolean | undefined
}

/** Two frames of a display, ms. */
const DEFAULT_STREAM_INTERVAL = 32

type Apart =
  | 'systemPrompt'
  | 'chatTemplate'
  | 'engineRetry'
  | 'modelPath'
  | 'modelOptions'
  | 'apiKey'
  | 'logger'
  | 'defaults'

export type ResolvedServerOptions = {
  readonly [Name in Exclude<keyof ServerOptions, Apart>]-?: Exclude<ServerOptions[Name], undefined>
} & {
  readonly modelPath: string | undefined
  readonly modelOptions: ModelOptions
  /** For models of the folder, and for those passed by the caller. */
  readonly engineRetry: { readonly own: number; readonly given: number }
  readonly apiKeys: readonly string[]
  readonly defaults: SamplingDefaults
  readonly systemPrompt: string | undefined
  readonly chatTemplate: string | undefined
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
  systemPrompt: true,
  chatTemplate: true,
  page: true,
  logger: true,
  logPrompts: true,
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
  const text = (name: 'systemPrompt' | 'chatTemplate' | 'modelPath') => {
    const value = options[name]
    if (value === undefined || (typeof value === 'string' && value !== '')) return value
    throw optionError(name, 'a non-empty string', value)
  }
  const modelPath = text('modelPath')
  const { apiKey, modelOptions = {}, defaults = {}, logger } = options
  checkModelOptions({ ...modelOptions, logger: logger ?? modelOptions.logger })
  checkGenerateOptions({ ...defaults, streamInterval: options.streamInterval })
  for (const name of Object.keys(Object(defaults)))
    if (!isSampling(name))
      throw optionError('defaults', `an object with ${Object.keys(SAMPLING).join(', ')}`, name)
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
    systemPrompt: text('systemPrompt'),
    chatTemplate: text('chatTemplate'),
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

function named(name: string, value: readonly string[] | '*' = []): readonly string[] | '*' {
  const names = value === '*' ? [value] : texts(name, value).map((text) => text.toLowerCase())
  return names.includes('*') ? '*' : names
}

/** Also matches extensions and desktop programs: `chrome-extension://...`, `tauri://localhost`. */
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
