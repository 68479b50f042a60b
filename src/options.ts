import { randomInt } from 'node:crypto'
import { availableParallelism } from 'node:os'
import { boolean, callable, checkKnown, checkObject, integer, MAX_FLOAT, number, string } from './checks.ts'
import { optionError } from './errors.ts'
import { type Logger, resolveLogger } from './logger.ts'
import type { Progress } from './models/progress.ts'
import type { NativeSamplerParams } from './native/types.ts'

/** Options of `new GPT4All(name, options)` and `GPT4All.load(name, options)`. */
export type ModelOptions = {
  /** Folder in which a model given by name is looked for. @default `~/.cache/gpt4all` Source: `model_path` in Python */
  readonly modelPath?: string | undefined
  /** Accepted for code ported from Python, where it is unused too. @default undefined Source: `model_type` in Python */
  readonly modelType?: string | undefined
  /**
   * Whether a model that is given by name and not there may be downloaded, if the catalog knows it.
   * @default true Source: `allow_download` in Python
   */
  readonly allowDownload?: boolean | undefined
  /**
   * Threads that compute, an integer, 1 or more; more than the machine's cores are clamped.
   * @default all usable cores, and on Linux fewer while other programs want them. Source: `n_threads` in Python
   */
  readonly nThreads?: number | undefined
  /**
   * Where to compute: `'cpu'`, `'gpu'` (every GPU the addon was built for), or a part of a device's name. Without
   * such a GPU the CPU is used, and a warning is logged.
   * @default `'gpu'` on macOS with Apple silicon, else `'cpu'`. Source: `device` in Python
   */
  readonly device?: string | undefined
  /** Tokens of the context, prompt and answer together: 8 to 2^24. @default 2048 Source: `n_ctx` in Python */
  readonly nCtx?: number | undefined
  /** Layers to put on the GPU, 0 or more; without effect on the CPU. @default 100 Source: `ngl` in Python */
  readonly ngl?: number | undefined
  /**
   * Compute so that the same prompt gives the same logits, bit for bit, whatever was cached or asked before: then
   * `temp: 0`, and any `seed`, repeats exactly. Costs speed: up to 127 more tokens are evaluated per prompt, nothing
   * runs side by side, and a conversation that outgrows the context is evaluated again.
   * @default false
   */
  readonly deterministic?: boolean | undefined
  /**
   * A file with GPT4All's catalog entry for this model, or a list that has it: its templates are used unless a
   * session brings its own. @default an entry kept beside the model, or in a `models3.json`, `models2.json` or
   * `models.json` beside it. Source: `modelConfigFile` of the gpt4all package for Node.js
   */
  readonly modelConfigFile?: string | undefined
  /**
   * Log everything to stderr, when no `logger` is given, and show progress there, when no `onProgress` is given and it is a
   * terminal. @default false Source: `verbose` in Python
   */
  readonly verbose?: boolean | undefined
  /**
   * Receives the library's and llama.cpp's log lines: `console`, pino, winston ...
   * @default silent, or stderr at the level named by the environment variable `GPT4ALL_LOG`
   */
  readonly logger?: Logger | undefined
  /** Called while the model is downloaded, and while its weights are read. @default none */
  readonly onProgress?: ((progress: Progress) => void) | undefined
}

/** Options of `model.generate(prompt, options)`; names and defaults are the Python package's, in camelCase. */
export type GenerateOptions = {
  /**
   * Tokens to generate at most, 0 or more; `Infinity` = until the context is full.
   * @default 200 Source: `max_tokens` in Python
   */
  readonly maxTokens?: number | undefined
  /** Alias of `maxTokens`, and stronger where both are given. Source: `n_predict` in Python */
  readonly nPredict?: number | undefined
  /**
   * Temperature, 0 or more: divides the logits before the draw. 0 always takes the likeliest token, 1 leaves the
   * distribution alone. @default 0.7 Source: `temp` in Python
   */
  readonly temp?: number | undefined
  /**
   * Draw only from the k likeliest tokens, an integer, 0 or more; 0 switches it off.
   * @default 40 Source: `top_k` in Python; Fan, Lewis and Dauphin, 2018
   */
  readonly topK?: number | undefined
  /**
   * Draw only from the likeliest tokens that together reach this probability (of what `topK` left), 0 to 1; 1 switches
   * it off. @default 0.4 Source: `top_p` in Python; Holtzman et al., 2019
   */
  readonly topP?: number | undefined
  /**
   * Draw only from tokens at least this likely relative to the likeliest, 0 to 1; 0 switches it off.
   * @default 0 Source: `min_p` in Python; Nguyen et al., 2024
   */
  readonly minP?: number | undefined
  /**
   * Divides the positive logits of tokens generated lately by this, and multiplies their negative ones; 0.000001 or more,
   * and 1 switches it off. @default 1.18 Source: `repeat_penalty` in Python; Keskar et al., 2019
   */
  readonly repeatPenalty?: number | undefined
  /**
   * Generated tokens the penalty looks back on, an integer, 0 or more; 0 switches it off. The prompt does not count.
   * @default 64 Source: `repeat_last_n` in Python
   */
  readonly repeatLastN?: number | undefined
  /**
   * Prompt tokens evaluated per step, 1 or more. Smaller steps only cost speed.
   * @default 512, the fastest. Source: `n_batch` in Python, where it is 8
   */
  readonly nBatch?: number | undefined
  /**
   * Makes a run repeatable: an integer, 0 to 4294967295. Exactly so with a fixed `nThreads` and what was cached alike, or
   * on a model opened with `deterministic`. @default random; the result tells it
   */
  readonly seed?: number | undefined
  /** Texts that end the generation; they are not part of it. @default none */
  readonly stop?: string | readonly string[] | undefined
  /**
   * Called with the id and the text of each generated token, `''` where its text is not complete or held back
   * for a stop string, or where a model reasons; text still held back at the end comes in one more call with the last
   * id. Return `false` to end the generation. A promise is awaited. An exception in it ends the generation with it.
   * @default none. Source: `callback` in Python
   */
  readonly callback?: ((tokenId: number, piece: string) => unknown) | undefined
  /** Aborts: the generation rejects with `signal.reason`. @default none */
  readonly signal?: AbortSignal | undefined
  /** Accepted for code ported from Python; every generation can be awaited and iterated. @default false */
  readonly streaming?: boolean | undefined
}

/** The one place where defaults live. Source: the GPT4All Python package 2.8.2. */
export const DEFAULTS = {
  nCtx: 2048,
  ngl: 100,
  maxTokens: 200,
  temp: 0.7,
  topK: 40,
  topP: 0.4,
  minP: 0,
  repeatPenalty: 1.18,
  repeatLastN: 64,
  nBatch: 512,
} as const

/** Cells a prompt must leave free for the answer. Source: the Python package refuses longer prompts. */
export const RESERVED_TOKENS = 4

export type ResolvedModelOptions = {
  readonly modelPath: string | undefined
  readonly nThreads: number
  /** `nThreads` was asked for: it is not changed for the sake of other programs. */
  readonly fixedThreads: boolean
  readonly device: string
  readonly nCtx: number
  readonly ngl: number
  readonly deterministic: boolean
  readonly modelConfigFile: string | undefined
  readonly logger: Logger
  readonly allowDownload: boolean
  readonly verbose: boolean
  readonly onProgress: ((progress: Progress) => void) | undefined
}

export type ResolvedGenerateOptions = {
  readonly maxTokens: number
  readonly sampling: NativeSamplerParams
  readonly nBatch: number
  readonly stop: readonly string[]
  readonly callback: ((tokenId: number, piece: string) => unknown) | undefined
  readonly signal: AbortSignal | undefined
}

const UINT32_MAX = 0xffffffff
const INT32_MAX = 0x7fffffff

export function resolveModelOptions(options: ModelOptions = {}): ResolvedModelOptions {
  checkObject('options', options)
  checkKnown(options, MODEL_OPTIONS)
  const verbose = boolean('verbose', options.verbose) ?? false
  const logger = resolveLogger(options.logger, verbose)
  string('modelType', options.modelType)
  return {
    modelPath: string('modelPath', options.modelPath),
    fixedThreads: options.nThreads !== undefined,
    nThreads: resolveThreads(integer('nThreads', options.nThreads, 1), logger),
    device: string('device', options.device) ?? (isAppleSilicon() ? 'gpu' : 'cpu'),
    nCtx: integer('nCtx', options.nCtx, 8, 2 ** 24) ?? DEFAULTS.nCtx,
    ngl: integer('ngl', options.ngl, 0, INT32_MAX) ?? DEFAULTS.ngl,
    deterministic: boolean('deterministic', options.deterministic) ?? false,
    modelConfigFile: string('modelConfigFile', options.modelConfigFile),
    logger,
    verbose,
    allowDownload: boolean('allowDownload', options.allowDownload) ?? true,
    onProgress: callable('onProgress', options.onProgress),
  }
}

/** Options of `model.tokenize(text, options)`. */
export type TokenizeOptions = {
  /** Add the model's own start and end tokens, as `generate()` does. @default false */
  readonly addSpecial?: boolean | undefined
  /** Read the text of special tokens (`<|im_start|>`) as these tokens, as `generate()` does. @default false */
  readonly parseSpecial?: boolean | undefined
}

export function resolveTokenizeOptions(options: TokenizeOptions = {}): {
  readonly addSpecial: boolean
  readonly parseSpecial: boolean
} {
  checkObject('options', options)
  checkKnown(options, { addSpecial: true, parseSpecial: true })
  return {
    addSpecial: boolean('addSpecial', options.addSpecial) ?? false,
    parseSpecial: boolean('parseSpecial', options.parseSpecial) ?? false,
  }
}

export function resolveGenerateOptions(options: GenerateOptions = {}): ResolvedGenerateOptions {
  checkObject('options', options)
  checkKnown(options, GENERATE_OPTIONS, CHAT_OPTIONS)
  boolean('streaming', options.streaming)
  const maxTokens = tokenLimit('maxTokens', options.maxTokens)
  return {
    maxTokens: tokenLimit('nPredict', options.nPredict) ?? maxTokens ?? DEFAULTS.maxTokens,
    sampling: {
      temperature: number('temp', options.temp, 0, MAX_FLOAT) ?? DEFAULTS.temp,
      topK: Math.min(integer('topK', options.topK, 0) ?? DEFAULTS.topK, INT32_MAX),
      topP: number('topP', options.topP, 0, 1) ?? DEFAULTS.topP,
      minP: number('minP', options.minP, 0, 1) ?? DEFAULTS.minP,
      repeatPenalty:
        number('repeatPenalty', options.repeatPenalty, 1e-6, MAX_FLOAT) ?? DEFAULTS.repeatPenalty,
      repeatLastN: Math.min(
        integer('repeatLastN', options.repeatLastN, 0) ?? DEFAULTS.repeatLastN,
        INT32_MAX,
      ),
      seed: integer('seed', options.seed, 0, UINT32_MAX) ?? randomInt(UINT32_MAX + 1),
    },
    nBatch: integer('nBatch', options.nBatch, 1) ?? DEFAULTS.nBatch,
    stop: stopStrings(options.stop),
    callback: callable('callback', options.callback),
    signal: abortSignal('signal', options.signal),
  }
}

const MODEL_OPTIONS: Readonly<Record<keyof ModelOptions, true>> = {
  modelPath: true,
  modelType: true,
  allowDownload: true,
  nThreads: true,
  device: true,
  nCtx: true,
  ngl: true,
  deterministic: true,
  modelConfigFile: true,
  verbose: true,
  logger: true,
  onProgress: true,
}

const GENERATE_OPTIONS: Readonly<Record<keyof GenerateOptions, true>> = {
  maxTokens: true,
  nPredict: true,
  temp: true,
  topK: true,
  topP: true,
  minP: true,
  repeatPenalty: true,
  repeatLastN: true,
  nBatch: true,
  seed: true,
  stop: true,
  callback: true,
  signal: true,
  streaming: true,
}

const OF_A_TURN = "It is an option of a chat session's generate(): see chatSession() and withChatSession()."
const OF_A_SESSION = 'It is an option of chatSession() and withChatSession().'

/** What belongs to chats, not to a single generation. */
const CHAT_OPTIONS: Readonly<Record<string, string>> = {
  prefill: OF_A_TURN,
  enableThinking: OF_A_TURN,
  systemPrompt: OF_A_SESSION,
  systemTemplate: OF_A_SESSION,
  promptTemplate: OF_A_SESSION,
  chatTemplate: OF_A_SESSION,
  messages: OF_A_SESSION,
  overflow: OF_A_SESSION,
  defaultStops: OF_A_SESSION,
  reasoning: OF_A_SESSION,
}

/** ggml's own limit (GGML_MAX_N_THREADS). */
const MAX_THREADS = 512

function isAppleSilicon(): boolean {
  return process.platform === 'darwin' && process.arch === 'arm64'
}

function resolveThreads(wanted: number | undefined, logger: Logger): number {
  const cores = Math.min(availableParallelism(), MAX_THREADS)
  if (wanted === undefined) return cores
  if (wanted > cores) logger.warn(`nThreads ${wanted} is more than the ${cores} usable cores; using ${cores}`)
  return Math.min(wanted, cores)
}

function tokenLimit(name: string, value: unknown): number | undefined {
  return value === Number.POSITIVE_INFINITY ? value : integer(name, value, 0)
}

function stopStrings(value: unknown): readonly string[] {
  if (value === undefined) return []
  const list: unknown[] = Array.isArray(value) ? [...value] : [value] // the caller may change its own later
  const valid = list.every((stop) => typeof stop === 'string' && stop !== '' && isWellFormed(stop))
  if (!valid) throw optionError('stop', 'a non-empty, well-formed string or an array of them', value)
  return list as string[]
}

// Half a surrogate pair would cut a character of the text in two.
function isWellFormed(text: string): boolean {
  return !/\p{Surrogate}/u.test(text)
}

export function abortSignal(name: string, value: unknown): AbortSignal | undefined {
  if (value === undefined || value instanceof AbortSignal) return value
  throw optionError(name, 'an AbortSignal', value)
}
