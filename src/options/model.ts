import { ContextOverflowError, optionError } from '../core/errors.ts'
import { type Logger, resolveLogger } from '../core/logger.ts'
import type { Progress } from '../core/progress.ts'
import { INT32_MAX } from './checks.ts'
import {
  COMPUTE,
  type ComputeOptions,
  type ResolvedComputeOptions,
  resolveComputeOptions,
} from './compute.ts'
import { DEFAULTS } from './defaults.ts'
import { boolean, callable, define, integer, limit, Option, type Resolved, signal, string } from './define.ts'
import {
  DISTRIBUTION,
  type DistributionOptions,
  type ResolvedDistributionOptions,
  resolveDistributionOptions,
} from './distribution.ts'

/** Options of `new GPT4All(name, options)` and `GPT4All.load(name, options)`. */
export type ModelOptions = ComputeOptions &
  DistributionOptions & {
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
     * Where to compute: `'cpu'`, `'gpu'` (the best there is), a backend (`'cuda'`, `'vulkan'`, also called `'kompute'`,
     * `'metal'` ...), a vendor (`'nvidia'`, `'amd'`, `'intel'`), a name that `listGpus()` or `listDevices()` tells, or a part
     * of one; or several of these: the first one on which the model loads. Without any the CPU is used; `model.fallbacks`
     * tells why. @default `'gpu'` on macOS with Apple silicon, else `'cpu'`. Source: `device` in Python
     */
    readonly device?: string | readonly string[] | undefined
    /**
     * Fail with `ERR_DEVICE` instead of using the CPU when the model loads on none of `device`.
     * @default false. Source: Python always fails
     */
    readonly strictDevice?: boolean | undefined
    /** Tokens of the context, prompt and answer together: 8 to 2^24. @default 2048 Source: `n_ctx` in Python */
    readonly nCtx?: number | undefined
    /**
     * Generations that are computed side by side, 1 to 256; any more wait in line. Each needs memory for `nCtx` tokens
     * of its own: given, it is taken at once, else when so many ask at a time.
     * @default up to 8, as many as fit into half of the free memory; 1 with `deterministic`
     */
    readonly parallel?: number | undefined
    /**
     * Generations that may wait in line, prompts being made included: an integer, 0 or more, or `Infinity`. One more rejects
     * with `ERR_QUEUE_FULL`.
     * @default Infinity
     */
    readonly maxQueue?: number | undefined
    /**
     * Bytes of memory, an integer, 0 or more, or `Infinity`, in which conversations that others have displaced are kept, so that they go on without
     * being evaluated again. It is used only when that happens; not for models with a sliding window. @default 256 MiB
     */
    readonly cacheMemory?: number | undefined
    /**
     * A smaller model with the same vocabulary, named as the model itself is: it guesses what comes next, and one step of
     * the model verifies several tokens. What is generated is what the model itself would; `result.timings` tells how
     * many guesses were right. It rests while that does not pay and where several generations run; with
     * `deterministic` it is not opened. @default none
     */
    readonly draftModel?: string | undefined
    /**
     * Layers to put on the GPU, from the last, 0 or more; the CPU computes the others. With 0 the GPU only helps with
     * prompts. Without effect on the CPU. @default 100 Source: `ngl` in Python
     */
    readonly ngl?: number | undefined
    /**
     * Compute so that the same prompt gives the same logits, bit for bit, whatever was cached or asked before: then
     * `temp: 0`, and any `seed`, repeats exactly. Costs speed: up to 127 more tokens are evaluated per prompt, nothing
     * runs side by side, and a conversation that outgrows the context is evaluated again.
     * @default false
     */
    readonly deterministic?: boolean | undefined
    /**
     * Open a file that is not known yet in a child process first, LoRA adapters and the `draftModel` too: where llama.cpp would end
     * the program with a crash or a loop without end, opening rejects with `ERR_MODEL_DAMAGED`. It doubles the time of a first
     * opening, no later one's: what opened is remembered in `~/.cache/gpt4all-ts` until the file is another. Not needed for
     * files of your own, nor done in an isolated engine, which may crash. @default true
     */
    readonly tryFirst?: boolean | undefined
    /**
     * A file with GPT4All's catalog entry for this model, or a list that has it: its templates are used unless a
     * session brings its own. @default an entry kept beside the model, or in a `models3.json`, `models2.json` or
     * `models.json` beside it. Source: `modelConfigFile` of the gpt4all package for Node.js
     */
    readonly modelConfigFile?: string | undefined
    /**
     * Log to stderr at level `info`, when no `logger` is given (`GPT4ALL_LOG=debug` tells more), and show progress there, when no `onProgress` is given and it is a
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
    /**
     * Aborts finding, downloading, converting and loading, which then reject with `signal.reason`; not what is generated
     * later. @default none
     */
    readonly signal?: AbortSignal | undefined
  }

/** The largest `nCtx` that is accepted. */
export const MAX_CONTEXT = 2 ** 24

/** Cells a prompt must leave free for the answer. Source: the Python package refuses longer prompts. */
export const RESERVED_TOKENS = 4

/** `isEstimated`: it has at least so many tokens. */
export function checkPromptLength(promptTokens: number, contextSize: number, isEstimated = false): void {
  const most = contextSize - RESERVED_TOKENS
  if (promptTokens > most) throw new ContextOverflowError(promptTokens, contextSize, most, isEstimated)
}

/** A prompt of nothing, such as a template that leaves out what is said. */
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
    modelPath: string(),
    modelType: string(),
    allowDownload: boolean().default(DEFAULTS.allowDownload),
    device: new Option(devices),
    strictDevice: boolean().default(false),
    nCtx: integer(8, MAX_CONTEXT).default(DEFAULTS.nCtx),
    ngl: integer(0, INT32_MAX).default(DEFAULTS.ngl),
    parallel: integer(1, MAX_PARALLEL),
    maxQueue: limit().default(DEFAULTS.maxQueue),
    cacheMemory: limit().default(DEFAULTS.cacheMemory),
    draftModel: string(),
    deterministic: boolean().default(false),
    tryFirst: boolean().default(DEFAULTS.tryFirst),
    modelConfigFile: string(),
    verbose: boolean().default(false),
    logger: new Option((_, given) => given as Logger | undefined), // which depends on `verbose`
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
  'modelType' | 'logger' | keyof ComputeOptions | keyof DistributionOptions
> &
  ResolvedComputeOptions &
  ResolvedDistributionOptions & { readonly logger: Logger }

export function resolveModelOptions(options?: ModelOptions): ResolvedModelOptions {
  const { modelType: _, logger: given, ...resolved } = MODEL.resolve(options)
  const { deterministic, parallel, verbose } = resolved
  const logger = resolveLogger(given, verbose)
  if (deterministic && parallel !== undefined && parallel > 1)
    throw optionError('parallel', '1, or nothing, with deterministic: true', parallel)
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
  /** Add the model's own start and end tokens, as `generate()` does. @default false */
  readonly addSpecial?: boolean | undefined
  /** Read the text of special tokens (`<|im_start|>`) as these tokens, as `generate()` does. @default false */
  readonly parseSpecial?: boolean | undefined
}

const TOKENIZE = define<TokenizeOptions>()({
  addSpecial: boolean().default(false),
  parseSpecial: boolean().default(false),
})

export type ResolvedTokenizeOptions = Resolved<typeof TOKENIZE>

export const resolveTokenizeOptions = (options?: TokenizeOptions): ResolvedTokenizeOptions =>
  TOKENIZE.resolve(options)

function isAppleSilicon(): boolean {
  return process.platform === 'darwin' && process.arch === 'arm64'
}

function devices(name: string, value: unknown): readonly string[] {
  if (value === undefined) return [isAppleSilicon() ? 'gpu' : 'cpu']
  const list: unknown[] = Array.isArray(value) ? [...value] : [value] // the caller may change its own later
  const valid = list.every((device) => typeof device === 'string' && device.trim() !== '')
  if (!valid) throw optionError(name, 'a non-empty string or an array of them', value)
  return (list as string[]).map((device) => device.trim())
}
