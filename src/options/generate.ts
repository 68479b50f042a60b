import { randomInt } from 'node:crypto'
import { optionError } from '../core/errors.ts'
import type { NativeSamplerParams } from '../native/contract.ts'
import { checkObject, INT32_MAX, MAX_FLOAT } from './checks.ts'
import { DEFAULTS } from './defaults.ts'
import { boolean, callable, define, integer, limit, number, Option, type Resolved, signal } from './define.ts'

/** How much of a prompt has been evaluated. */
export type PromptProgress = {
  /** Tokens of the prompt, including those of the template and the model's start token. */
  readonly promptTokens: number
  /** How many of them were in the cache and did not have to be evaluated. */
  readonly cachedTokens: number
  /** How many of them are done, evaluated now or cached: from `cachedTokens` to `promptTokens`. */
  readonly processedTokens: number
}

/**
 * Options of `model.generate(prompt, options)`. Names and defaults are those of the Python package, in
 * camelCase.
 */
export type GenerateOptions = {
  /**
   * Maximum number of tokens to generate: an integer of 0 or more, or `Infinity` to continue until the
   * context is full. Source: `max_tokens` in Python.
   * @default 200
   */
  readonly maxTokens?: number | undefined
  /**
   * Alias of `maxTokens`; takes precedence if both are given. Source: `n_predict` in Python.
   * @default undefined
   */
  readonly nPredict?: number | undefined
  /**
   * Temperature, a number of 0 or more: divides the logits before the draw. 0 always takes the likeliest
   * token, 1 leaves the distribution unchanged. Source: `temp` in Python.
   * @default 0.7
   */
  readonly temp?: number | undefined
  /**
   * Draw only from the k likeliest tokens: an integer of 0 or more. 0 switches it off. Source: `top_k` in
   * Python; Fan, Lewis and Dauphin, 2018.
   * @default 40
   */
  readonly topK?: number | undefined
  /**
   * Draw only from the likeliest tokens whose probabilities add up to at least this value, among those that
   * `topK` left: a number from 0 to 1. 1 switches it off. Source: `top_p` in Python; Holtzman et al., 2019.
   * @default 0.4
   */
  readonly topP?: number | undefined
  /**
   * Draw only from tokens at least this likely relative to the likeliest one: a number from 0 to 1. 0
   * switches it off. Source: `min_p` in Python; Nguyen et al., 2024.
   * @default 0
   */
  readonly minP?: number | undefined
  /**
   * Penalizes recently generated tokens: their positive logits are divided by this number, negative ones
   * multiplied by it. A number of 0.000001 or more; 1 switches it off. Source: `repeat_penalty` in Python;
   * Keskar et al., 2019.
   * @default 1.18
   */
  readonly repeatPenalty?: number | undefined
  /**
   * How many of the last generated tokens `repeatPenalty` applies to: an integer of 0 or more. 0 switches it
   * off. The prompt does not count, unless `penalizePrompt` is set. Source: `repeat_last_n` in Python.
   * @default 64
   */
  readonly repeatLastN?: number | undefined
  /**
   * Whether `repeatPenalty` applies to the tokens of the prompt too: then the last `repeatLastN` tokens of
   * prompt and answer together count; in a chat session all that the model reads is the prompt. GPT4All 2.8.2
   * and the npm package always do this.
   * @default false
   */
  readonly penalizePrompt?: boolean | undefined
  /**
   * Subtracted from the logit of every token generated so far in this answer, regardless of `repeatLastN`.
   * Any finite number: negative ones favour those tokens, 0 switches it off. Source: `presence_penalty` of
   * OpenAI's API.
   * @default 0
   */
  readonly presencePenalty?: number | undefined
  /**
   * Like `presencePenalty`, but subtracted once for each time the token was generated. Source:
   * `frequency_penalty` of OpenAI's API.
   * @default 0
   */
  readonly frequencyPenalty?: number | undefined
  /**
   * Added to the logits of individual tokens before everything else, by token id (see `model.tokenize()`): a
   * finite number, or `-Infinity` to ban the token. Source: `logit_bias` of OpenAI's API.
   * @default undefined
   */
  readonly logitBias?: Readonly<Record<number, number>> | undefined
  /**
   * Report the log probability of every generated token, and those of this many of the likeliest tokens in
   * its place: an integer from 0 to 100. They appear in `result.logprobs` and in `parts()`. They are the
   * model's own, before `temp` and the other options; the text is not affected.
   * @default undefined
   */
  readonly logprobs?: number | undefined
  /**
   * Prompt tokens evaluated per step, a positive integer. Smaller steps only cost speed. Source: `n_batch` in
   * Python, where the default is 8.
   * @default 512
   */
  readonly nBatch?: number | undefined
  /**
   * Makes a run repeatable: an integer from 0 to 4294967295. The repetition is exact with a fixed `nThreads`,
   * the same cached tokens and no guessing (`promptLookup`, `draftModel`), or on a model opened with
   * `deterministic`. Without one a random seed is chosen, which `result.seed` reports.
   * @default undefined
   */
  readonly seed?: number | undefined
  /**
   * Guess the next tokens from text that occurred before, and verify several in one step. Faster where the
   * answer repeats its prompt (editing code, quoting); pauses where it does not pay off. It works only while
   * the generation runs alone, and not on recurrent models. Source: Saxena, Prompt Lookup Decoding, 2023.
   * @default false
   */
  readonly promptLookup?: boolean | undefined
  /**
   * Whether the model's `draftModel`, if there is one, guesses in this generation.
   * @default true
   */
  readonly draft?: boolean | undefined
  /**
   * How long pieces may be buffered before the reader or `callback` gets them, in milliseconds: a number from
   * 0 to 1000. Generation continues natively in the meantime, which is faster. The first piece and the end
   * are never held back; 0 delivers every token on its own. With `isolated` the default is 32, because each
   * crossing between processes costs more.
   * @default 8
   */
  readonly streamInterval?: number | undefined
  /**
   * One string or any number of them that end the generation. The string itself is not part of the text.
   * @default undefined
   */
  readonly stop?: string | readonly string[] | undefined
  /**
   * Called with the id and the text of each generated token. The text is `''` while it is incomplete, while
   * it is held back as a possible stop string, and while the model reasons; text still held back at the end
   * arrives in one more call with the last id. Return `false` to end the generation. A returned promise is
   * awaited. An exception rejects the generation. Source: `callback` in Python.
   * @default undefined
   */
  readonly callback?: ((tokenId: number, piece: string) => unknown) | undefined
  /**
   * Called while the prompt is evaluated: before each step, which evaluates at most `nBatch` tokens, and when all of it
   * is done. A long prompt can take minutes before the first token. A returned promise is awaited. An exception
   * rejects the generation.
   * @default undefined
   */
  readonly onPromptProgress?: ((progress: PromptProgress) => unknown) | undefined
  /**
   * Aborts the generation, which then rejects with `signal.reason`.
   * @default undefined
   */
  readonly signal?: AbortSignal | undefined
  /**
   * Has no effect: every generation can be both awaited and iterated. Accepted for code ported from Python.
   * @default false
   */
  readonly streaming?: boolean | undefined
}

const UINT32_MAX = 0xffffffff
const MAX_LOGPROBS = 100
const MAX_STREAM_INTERVAL = 1000

const OF_A_TURN = "It is an option of a chat session's generate(): see chatSession() and withChatSession()."
const OF_A_SESSION = 'It is an option of chatSession() and withChatSession().'

const GENERATE = define<GenerateOptions>()(
  {
    maxTokens: limit(),
    nPredict: limit(),
    temp: number(0).default(DEFAULTS.temp),
    topK: integer(0).default(DEFAULTS.topK),
    topP: number(0, 1).default(DEFAULTS.topP),
    minP: number(0, 1).default(DEFAULTS.minP),
    repeatPenalty: number(1e-6).default(DEFAULTS.repeatPenalty),
    repeatLastN: integer(0).default(DEFAULTS.repeatLastN),
    penalizePrompt: boolean().default(DEFAULTS.penalizePrompt),
    presencePenalty: number(-MAX_FLOAT).default(DEFAULTS.presencePenalty),
    frequencyPenalty: number(-MAX_FLOAT).default(DEFAULTS.frequencyPenalty),
    logitBias: new Option(logitBias),
    logprobs: integer(0, MAX_LOGPROBS),
    nBatch: integer(1).default(DEFAULTS.nBatch),
    seed: integer(0, UINT32_MAX),
    promptLookup: boolean().default(DEFAULTS.promptLookup),
    draft: boolean().default(DEFAULTS.draft),
    streamInterval: number(0, MAX_STREAM_INTERVAL),
    stop: new Option(stopStrings),
    callback: callable<(tokenId: number, piece: string) => unknown>(),
    onPromptProgress: callable<(progress: PromptProgress) => unknown>(),
    signal: signal(),
    streaming: boolean(),
  },
  {
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
    draftModel: 'It is an option of the model: GPT4All.load(name, { draftModel }).',
  },
)

/** Without `streamInterval` the model decides, depending on where its engine runs. */
export type ResolvedGenerateOptions = Pick<
  Resolved<typeof GENERATE>,
  | 'logprobs'
  | 'nBatch'
  | 'penalizePrompt'
  | 'promptLookup'
  | 'draft'
  | 'streamInterval'
  | 'stop'
  | 'callback'
  | 'onPromptProgress'
  | 'signal'
> & { readonly maxTokens: number; readonly sampling: NativeSamplerParams }

export function resolveGenerateOptions(options?: GenerateOptions): ResolvedGenerateOptions {
  const { maxTokens, nPredict, temp, topK, topP, minP, repeatPenalty, repeatLastN, ...others } =
    GENERATE.resolve(options)
  const { presencePenalty, frequencyPenalty, logitBias, seed, streaming: _, ...resolved } = others
  return {
    ...resolved,
    maxTokens: nPredict ?? maxTokens ?? DEFAULTS.maxTokens,
    sampling: {
      temperature: temp,
      topK: Math.min(topK, INT32_MAX),
      topP,
      minP,
      repeatPenalty,
      repeatLastN: Math.min(repeatLastN, INT32_MAX),
      presencePenalty,
      frequencyPenalty,
      ...logitBias,
      seed: seed ?? randomInt(UINT32_MAX + 1),
    },
  }
}

function logitBias(name: string, value: unknown = {}): Pick<NativeSamplerParams, 'biasedTokens' | 'biases'> {
  checkObject(name, value)
  const entries = Object.entries(value as object)
  for (const [token, bias] of entries) {
    if (!/^(0|[1-9]\d{0,9})$/.test(token) || Number(token) > INT32_MAX)
      throw optionError(name, 'token ids such as 0 or 42 as names', token)
    const isBias =
      typeof bias === 'number' &&
      bias <= MAX_FLOAT &&
      (bias >= -MAX_FLOAT || bias === Number.NEGATIVE_INFINITY)
    if (!isBias) throw optionError(name, `a number (or -Infinity) by token ${token}`, bias)
  }
  return {
    biasedTokens: Int32Array.from(entries, ([token]) => Number(token)),
    biases: Float32Array.from(entries, ([, bias]) => bias),
  }
}

function stopStrings(name: string, value: unknown): readonly string[] {
  if (value === undefined) return []
  const list: unknown[] = Array.isArray(value) ? [...value] : [value] // the caller may change the array later
  const valid = list.every((stop) => typeof stop === 'string' && stop !== '' && isWellFormed(stop))
  if (!valid) throw optionError(name, 'a non-empty, well-formed string or an array of them', value)
  return list as string[]
}

// A lone surrogate would cut a character of the text in two.
function isWellFormed(text: string): boolean {
  return !/\p{Surrogate}/u.test(text)
}
