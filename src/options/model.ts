import { ContextOverflowError, optionError } from '../core/errors.ts'
import type { Logger } from '../core/logger.ts'
import type { Progress } from '../core/progress.ts'
import { resolveLogger } from '../core/stderr-logger.ts'
import { INT32_MAX } from './checks.ts'
import {
  COMPUTE,
  type ComputeOptions,
  type ResolvedComputeOptions,
  resolveComputeOptions,
} from './compute.ts'
import { DEFAULTS } from './defaults.ts'
import {
  boolean,
  callable,
  define,
  integer,
  limit,
  Option,
  path,
  type Resolved,
  signal,
  string,
} from './define.ts'
import {
  DISTRIBUTION,
  type DistributionOptions,
  type ResolvedDistributionOptions,
  resolveDistributionOptions,
} from './isolation.ts'
import type { FilePath } from './path-text.ts'

/**
 * Options of `new GPT4All(name, options)` and `GPT4All.load(name, options)`.
 * @interface
 */
export type ModelOptions = ComputeOptions &
  DistributionOptions & {
    /**
     * Folder in which a model given by name is looked for, and to which it is downloaded. Source:
     * `model_path` in Python.
     * @default '~/.cache/gpt4all'
     */
    readonly modelPath?: FilePath | undefined
    /**
     * Has no effect but that `model.modelType` is this text: in Python it is unused too. Source:
     * `model_type` in Python.
     * @default undefined
     */
    readonly modelType?: string | undefined
    /**
     * Whether a model given by name that is not on the disk may be downloaded, if the catalog lists it.
     * Source: `allow_download` in Python.
     * @default true
     */
    readonly allowDownload?: boolean | undefined
    /**
     * Where to compute: `'cpu'`; `'gpu'` (the best one available); a backend (`'cuda'`, `'metal'`, `'vulkan'`
     * or its alias `'kompute'` ...); a vendor (`'nvidia'`, `'amd'`, `'intel'`); or a name reported by
     * `listGpus()` or `listDevices()`, or part of one. An array lists alternatives: the first on which the
     * model loads is used. If none works, the CPU is used, and `model.fallbacks` says why. On Macs with Apple
     * silicon the default is `'gpu'`. Source: `device` in Python.
     * @default 'cpu'
     */
    readonly device?: string | readonly string[] | undefined
    /**
     * Fail with `ERR_DEVICE` instead of using the CPU if the model loads on none of the devices in `device`.
     * Source: what Python always does.
     * @default false
     */
    readonly strictDevice?: boolean | undefined
    /**
     * Size of the context in tokens, prompt and answer together: an integer from 8 to 2^24. Source: `n_ctx`
     * in Python.
     * @default 2048
     */
    readonly nCtx?: number | undefined
    /**
     * How many generations are computed side by side: an integer from 1 to 256. Further ones wait in line.
     * Each needs memory for `nCtx` tokens of its own. A number given here reserves that memory when the model
     * is opened; without one, memory is taken as generations arrive, for up to 8 of them or as many as fit
     * into half of the free memory (with `deterministic`, for 1).
     * @default undefined
     */
    readonly parallel?: number | undefined
    /**
     * How many generations may wait in line, including those whose prompt is still being prepared: an integer
     * of 0 or more, or `Infinity`. One more rejects with `ERR_QUEUE_FULL`.
     * @default Infinity
     */
    readonly maxQueue?: number | undefined
    /**
     * Memory in bytes for conversations that others have displaced from the cache, so that they continue
     * without being evaluated again: an integer of 0 or more, or `Infinity`. It is allocated only as needed,
     * and not used for models with a sliding window. The default is 256 MiB.
     * @default 268435456
     */
    readonly cacheMemory?: number | undefined
    /**
     * A smaller model with the same vocabulary, given by name or path as the model itself is. It guesses the
     * next tokens, and one step of the model verifies several of them. The text is what the model alone would
     * generate; `result.timings` reports how many guesses were right. Guessing pauses while it does not pay
     * off and while several generations run. With `deterministic` the draft model is not opened.
     * @default undefined
     */
    readonly draftModel?: FilePath | undefined
    /**
     * How many layers to put on the GPU, counted from the last: an integer of 0 or more. The CPU computes the
     * rest. With 0 the GPU only helps with prompts. No effect on the CPU. Source: `ngl` in Python.
     * @default 100
     */
    readonly ngl?: number | undefined
    /**
     * Compute so that the same prompt gives the same logits, bit for bit, whatever was cached or asked
     * before: `temp: 0`, or any `seed`, then repeats exactly. It costs speed: up to 127 more tokens are
     * evaluated per prompt, nothing runs side by side, and a conversation that outgrows the context is
     * evaluated again.
     * @default false
     */
    readonly deterministic?: boolean | undefined
    /**
     * Open a file that is not known yet in a child process first, along with its LoRA adapters and
     * `draftModel`. Where llama.cpp would crash the program or never return, opening rejects with
     * `ERR_MODEL_DAMAGED` instead. The first opening takes about twice as long; later ones do not, because
     * what opened is remembered in `~/.cache/gpt4all-ts` until the file changes. You can switch it off for
     * files of your own. It is skipped in an isolated engine, which may crash.
     * @default true
     */
    readonly tryFirst?: boolean | undefined
    /**
     * A JSON file with GPT4All's catalog entry for this model, or a list that contains it. Its templates are
     * used unless a session brings its own. Without it, an entry stored beside the model is used, or one in a
     * `models3.json`, `models2.json` or `models.json` in the same folder. Source: `modelConfigFile` of the
     * gpt4all package for Node.js.
     * @default undefined
     */
    readonly modelConfigFile?: FilePath | undefined
    /**
     * Log to stderr at level `info` unless a `logger` is given (`GPT4ALL_LOG=debug` logs more), and show
     * progress bars there if stderr is a terminal and no `onProgress` is given. Source: `verbose` in Python.
     * @default false
     */
    readonly verbose?: boolean | undefined
    /**
     * Receives log lines of the library and of llama.cpp: `console`, pino, winston ... Without one the
     * library is silent, or logs to stderr at the level that the environment variable `GPT4ALL_LOG` names.
     * @default undefined
     */
    readonly logger?: Logger | undefined
    /**
     * Called while the model is downloaded and while its weights are read, at most ten times a second.
     * @default undefined
     */
    readonly onProgress?: ((progress: Progress) => void) | undefined
    /**
     * Aborts finding, downloading, converting and loading, which then reject with `signal.reason`. It does
     * not affect later generations.
     * @default undefined
     */
    readonly signal?: AbortSignal | undefined
  }

/** The largest `nCtx` that is accepted. */
export const MAX_CONTEXT = 2 ** 24

/** Cells a prompt must leave free for the answer. Source: the Python package refuses longer prompts. */
export const RESERVED_TOKENS = 4

/** `isEstimated`: the prompt has at least `promptTokens`. */
export function checkPromptLength(promptTokens: number, contextSize: number, isEstimated = false): void {
  const most = contextSize - RESERVED_TOKENS
  if (promptTokens > most) throw new ContextOverflowError(promptTokens, contextSize, most, isEstimated)
}

/** Refuses an empty prompt, such as that of a template that leaves out the messages. */
export function checkPromptText(promptTokens: number): void {
  if (promptTokens === 0)
    throw optionError('prompt', 'at least one token (this model adds no start token to an empty prompt)', '')
}

/** llama.cpp's own limit (LLAMA_MAX_SEQ). */
const MAX_PARALLEL = 256

const OF_A_GENERATION = 'It is an option of generate().'

export const MODEL = define<ModelOptions>()(
  {
    ...COMPUTE.table,
    ...DISTRIBUTION.table,
    modelPath: path(),
    modelType: string(),
    allowDownload: boolean().default(DEFAULTS.allowDownload),
    device: new Option(devices),
    strictDevice: boolean().default(false),
    nCtx: integer(8, MAX_CONTEXT).default(DEFAULTS.nCtx),
    ngl: integer(0, INT32_MAX).default(DEFAULTS.ngl),
    parallel: integer(1, MAX_PARALLEL),
    maxQueue: limit().default(DEFAULTS.maxQueue),
    cacheMemory: limit().default(DEFAULTS.cacheMemory),
    draftModel: path(),
    deterministic: boolean().default(false),
    tryFirst: boolean().default(DEFAULTS.tryFirst),
    modelConfigFile: path(),
    verbose: boolean().default(false),
    logger: new Option((_, given) => given as Logger | undefined), // its default depends on `verbose`
    onProgress: callable<(progress: Progress) => void>(),
    signal: signal(),
  },
  {
    promptLookup: OF_A_GENERATION,
    streamInterval: OF_A_GENERATION,
    seed: OF_A_GENERATION,
    temp: OF_A_GENERATION,
    maxTokens: OF_A_GENERATION,
    stop: OF_A_GENERATION,
  },
)

export type ResolvedModelOptions = Omit<
  Resolved<typeof MODEL>,
  'logger' | keyof ComputeOptions | keyof DistributionOptions
> &
  ResolvedComputeOptions &
  ResolvedDistributionOptions & { readonly logger: Logger }

export function resolveModelOptions(options?: ModelOptions): ResolvedModelOptions {
  const { logger: given, ...resolved } = MODEL.resolve(options)
  const { deterministic, parallel, verbose } = resolved
  const logger = resolveLogger(given, verbose)
  if (deterministic && parallel !== undefined && parallel > 1)
    throw optionError('parallel', '1 or no value with deterministic: true', parallel)
  const { nThreads, nThreadsBatch, kvType, flashAttention, lora, ...others } = resolved
  const compute = { nThreads, nThreadsBatch, kvType, flashAttention, lora }
  return {
    ...others,
    ...resolveComputeOptions(compute, logger),
    ...resolveDistributionOptions(resolved, options?.isolated === false),
    logger,
  }
}

/** Options of `model.tokenize(text, options)`. */
export type TokenizeOptions = {
  /**
   * Add the model's own start and end tokens, as `generate()` does.
   * @default false
   */
  readonly addSpecial?: boolean | undefined
  /**
   * Read the text of special tokens (`<|im_start|>`) as those tokens, as `generate()` does.
   * @default false
   */
  readonly parseSpecial?: boolean | undefined
  /**
   * The text follows other text of a prompt: vocabularies that put a space before every text put none before this one.
   * It has no start token, so not together with `addSpecial`.
   * @default false
   */
  readonly isContinuation?: boolean | undefined
}

const TOKENIZE = define<TokenizeOptions>()({
  addSpecial: boolean().default(false),
  parseSpecial: boolean().default(false),
  isContinuation: boolean().default(false),
})

export type ResolvedTokenizeOptions = Resolved<typeof TOKENIZE>

export function resolveTokenizeOptions(options?: TokenizeOptions): ResolvedTokenizeOptions {
  const resolved = TOKENIZE.resolve(options)
  if (resolved.addSpecial && resolved.isContinuation)
    throw optionError('isContinuation', 'false together with "addSpecial"', true)
  return resolved
}

function isAppleSilicon(): boolean {
  return process.platform === 'darwin' && process.arch === 'arm64'
}

function devices(name: string, value: unknown): readonly string[] {
  if (value === undefined) return [isAppleSilicon() ? 'gpu' : 'cpu']
  const list: unknown[] = Array.isArray(value) ? [...value] : [value] // the caller may change the array later
  const valid = list.every((device) => typeof device === 'string' && device.trim() !== '')
  if (!valid) throw optionError(name, 'a non-empty string or an array of them', value)
  return (list as string[]).map((device) => device.trim())
}
