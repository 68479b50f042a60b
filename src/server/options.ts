import { statSync } from 'node:fs'
import { harmless } from '../core/logger.ts'
import {
  checkGenerateOptions,
  checkModelOptions,
  type FilePath,
  type Logger,
  type ModelOptions,
  optionError,
} from '../index.ts'
import {
  boolean,
  define,
  integer,
  limit,
  number,
  Option,
  path as pathOption,
  type Resolved,
  string,
} from '../options/define.ts'
import { MEMORY_PER_BODY, MEMORY_PER_BYTE } from './body/room.ts'
import { hostPattern, originPattern, Patterns } from './patterns.ts'
import { isSampling, SAMPLING, type SamplingDefaults } from './sampling.ts'

/** Options of `createServer(models, options)`. */
export type ServerOptions = {
  /**
   * Folder whose `.gguf` files requests may name; each is loaded when a request names it. Without it only the
   * models passed to `createServer()` are served.
   * @default undefined
   */
  readonly modelPath?: FilePath | undefined
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
   * Host names under which clients may address this server, besides IP addresses, this machine's own name and
   * names that cannot be public (`localhost`, `*.local`, `*.internal` ...). `*.example` allows all names
   * below one, `'*'` any. Requests with another `Host` header are refused, which protects against DNS
   * rebinding; with an `apiKey` none is refused.
   * @default []
   */
  readonly allowedHosts?: readonly string[] | '*' | undefined
  /**
   * Origins whose pages may use this server from a browser, such as `https://app.example`,
   * `https://*.app.example`, `http://localhost:*` or `app://*`; `'*'` allows any.
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
   * Whether a parameter that this server does not know is an error (400), at any level of a request. Without
   * it such a parameter has no effect, apart from a line at level `debug`.
   * @default false
   */
  readonly strict?: boolean | undefined
  /**
   * Milliseconds after which a stream that has nothing to send yet sends a comment, again and again, so that
   * nobody takes it for dead: a positive integer, or `Infinity` for clients that cannot read comments.
   * @default 15000
   */
  readonly pingInterval?: number | undefined
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
const MOST_STREAM_INTERVAL = 1000
const DEFAULT_ENGINE_RETRY = 60_000
const DEFAULT_BODY_MEMORY = 256 * 2 ** 20

const SERVER = define<ServerOptions>()({
  modelPath: new Option(folder),
  modelOptions: new Option(optionsOfModels),
  maxModels: integer(1).default(2),
  idleTimeout: limit().default(300_000),
  engineRetry: limit(),
  apiKey: new Option(keys),
  allowAnyone: boolean().default(false),
  allowedHosts: patterns('host names such as models.example or *.example', hostPattern),
  corsOrigins: patterns('origins such as https://app.example, http://localhost:* or app://*', originPattern),
  maxBodyBytes: integer(1).default(4 * 2 ** 20),
  // Its least value depends on `maxBodyBytes`.
  bodyMemory: new Option((_, given) => given),
  bodyTimeout: limit(1).default(60_000),
  maxMessages: integer(1).default(1000),
  maxChoices: integer(1).default(16),
  maxTokens: limit(1).default(Number.POSITIVE_INFINITY),
  maxQueue: integer(0).default(100),
  stallTimeout: limit(1).default(120_000),
  streamInterval: number(0, MOST_STREAM_INTERVAL).default(DEFAULT_STREAM_INTERVAL),
  defaults: new Option(sampling),
  systemPrompt: string(),
  chatTemplate: string(),
  strict: boolean().default(false),
  pingInterval: limit(1).default(15_000),
  page: boolean().default(true),
  logger: new Option(sink),
  logPrompts: boolean().default(false),
})

export type ResolvedServerOptions = Omit<Resolved<typeof SERVER>, 'apiKey' | 'bodyMemory' | 'engineRetry'> & {
  readonly apiKeys: readonly string[]
  readonly bodyMemory: number
  /** For models of the folder, and for those passed by the caller. */
  readonly engineRetry: { readonly own: number; readonly given: number }
}

export function resolveServerOptions(options?: ServerOptions): ResolvedServerOptions {
  const { apiKey, bodyMemory, engineRetry, ...resolved } = SERVER.resolve(options)
  const largest = MEMORY_PER_BODY + MEMORY_PER_BYTE * resolved.maxBodyBytes
  return {
    ...resolved,
    apiKeys: apiKey,
    bodyMemory: integer(largest)
      .default(Math.max(DEFAULT_BODY_MEMORY, largest))
      .read('bodyMemory', bodyMemory),
    engineRetry: {
      own: engineRetry ?? DEFAULT_ENGINE_RETRY,
      given: engineRetry ?? Number.POSITIVE_INFINITY,
    },
  }
}

/** A path that may be missing, but is not a file. */
function folder(name: string, given: unknown): string | undefined {
  const path = pathOption().read(name, given)
  if (path !== undefined && statSync(path, { throwIfNoEntry: false })?.isDirectory() === false)
    throw optionError(name, 'a folder', path)
  return path
}

function object(name: string, given: unknown): object {
  if (typeof given === 'object' && given !== null && !Array.isArray(given)) return given
  throw optionError(name, 'an object', given)
}

function optionsOfModels(name: string, given: unknown = {}): ModelOptions {
  const options: ModelOptions = object(name, given)
  checkModelOptions(options)
  return options
}

function sampling(name: string, given: unknown = {}): SamplingDefaults {
  const options: SamplingDefaults = object(name, given)
  checkGenerateOptions(options)
  for (const option of Object.keys(options))
    if (!isSampling(option))
      throw optionError(name, `an object with ${Object.keys(SAMPLING).join(', ')}`, option)
  return options
}

function sink(_: string, given: unknown): Logger | undefined {
  if (given === undefined) return undefined
  checkModelOptions({ logger: given as Logger })
  return harmless(given as Logger)
}

function keys(name: string, given: unknown): readonly string[] {
  if (given === undefined) return []
  const keys = texts(name, typeof given === 'string' ? [given] : given)
  if (keys.length === 0) throw optionError(name, 'at least one key', given)
  return keys
}

/** Patterns that can match something, as `read` normalises them. */
function patterns(expected: string, read: (given: string) => string | undefined): Option<Patterns> {
  return new Option((name, given = []) => {
    const all = given === '*' ? [given] : texts(name, given)
    return new Patterns(
      all.map((text) => {
        const pattern = read(text)
        if (pattern === undefined) throw optionError(name, expected, text)
        return pattern
      }),
    )
  })
}

function texts(name: string, value: unknown): readonly string[] {
  const isFine = Array.isArray(value) && value.every((text) => typeof text === 'string' && text !== '')
  if (!isFine) throw optionError(name, 'non-empty strings', value)
  return [...(value as string[])]
}
