import { randomInt } from 'node:crypto'
import { optionError } from '../core/errors.ts'
import type { NativeSamplerParams } from '../native/contract.ts'
import { checkObject, INT32_MAX, MAX_FLOAT } from './checks.ts'
import { DEFAULTS } from './defaults.ts'
import { boolean, callable, define, integer, limit, number, Option, type Resolved, signal } from './define.ts'

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
   * Taken off the logit of every token that was generated so far; negative values favour these tokens. The whole answer
   * counts, whatever `repeatLastN` is. @default 0, which is off. Source: `presence_penalty` of OpenAI's API
   */
  readonly presencePenalty?: number | undefined
  /**
   * The same, once for each time that the token was generated.
   * @default 0, which is off. Source: `frequency_penalty` of OpenAI's API
   */
  readonly frequencyPenalty?: number | undefined
  /**
   * What the logits of single tokens gain before all else, by token id (see `model.tokenize()`): a finite number, or
   * `-Infinity` for what must never come. @default none. Source: `logit_bias` of OpenAI's API
   */
  readonly logitBias?: Readonly<Record<number, number>> | undefined
  /**
   * Tell the log probability of every generated token, and of so many of the likeliest in its place, 0 to 100: in
   * `result.logprobs`, and with the `parts()`. They are the model's own, before `temp` and all that; the text stays the
   * same. @default none
   */
  readonly logprobs?: number | undefined
  /**
   * Prompt tokens evaluated per step, 1 or more. Smaller steps only cost speed.
   * @default 512, the fastest. Source: `n_batch` in Python, where it is 8
   */
  readonly nBatch?: number | undefined
  /**
   * Makes a run repeatable: an integer, 0 to 4294967295. Exactly so with a fixed `nThreads`, what was cached alike and
   * nothing guessed (`promptLookup`, `draftModel`), or on a model opened with `deterministic`. @default random; the result tells it
   */
  readonly seed?: number | undefined
  /**
   * Guess what comes next from what was there before, and verify several tokens in one step: faster where a text
   * repeats what the prompt has (code that is changed, quotations), and at rest where it does not pay. Only while the
   * generation runs alone, and not on recurrent models. @default false. Source: Saxena, Prompt Lookup Decoding, 2023
   */
  readonly promptLookup?: boolean | undefined
  /** Let the model's `draftModel` guess. @default true */
  readonly draft?: boolean | undefined
  /**
   * How long pieces may be kept from who reads them as they come, or from the callback, ms, 0 to 1000: meanwhile the
   * model computes on without JavaScript, which makes it faster. The first piece, and the end, come at once; 0 hands over every token by
   * itself. @default 8, half a frame of a display; 32 with `isolated`, where each crossing costs more
   */
  readonly streamInterval?: number | undefined
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

/** `streamInterval` `undefined` = as the model decides, by the distance of its engine. */
export type ResolvedGenerateOptions = Pick<
  Resolved<typeof GENERATE>,
  'logprobs' | 'nBatch' | 'promptLookup' | 'draft' | 'streamInterval' | 'stop' | 'callback' | 'signal'
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

/** The text is searched for each of them, piece by piece. */
const MOST_STOPS = 1000

function stopStrings(name: string, value: unknown): readonly string[] {
  if (value === undefined) return []
  const list: unknown[] = Array.isArray(value) ? [...value] : [value] // the caller may change its own later
  const valid = list.every((stop) => typeof stop === 'string' && stop !== '' && isWellFormed(stop))
  if (!valid) throw optionError(name, 'a non-empty, well-formed string or an array of them', value)
  if (list.length > MOST_STOPS) throw optionError(name, `at most ${MOST_STOPS} strings`, value)
  return list as string[]
}

// Half a surrogate pair would cut a character of the text in two.
function isWellFormed(text: string): boolean {
  return !/\p{Surrogate}/u.test(text)
}
