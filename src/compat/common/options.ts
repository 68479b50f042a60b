import type { GenerateOptions } from '../../index.ts'
import { DEFAULT_PROMPT_CONTEXT } from './constants.ts'
import type { CompletionOptions, LLModelPromptContext } from './types.ts'
import { warnOnce } from './warn.ts'

/** The strings that end every generation. Source: GPT4All's backend of that version. */
const STOPS: readonly string[] = [
  '### Instruction',
  '### Prompt',
  '### Response',
  '### Human',
  '### Assistant',
  '### Context',
]
const DEFAULT_PREDICT = 4096
const DEFAULT_ERASE = 0.75
const LEAST_PENALTY = 1e-6
const MOST = 0x7fffffff

/** The options that were given: `undefined` means the default, as if it were not there. */
export function given<Options extends object>(options: Options | null | undefined): Options {
  const entries = Reflect.ownKeys(options ?? {}).map((key) => [key, Reflect.get(options as object, key)])
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined))
}

/** Names of version 2, which version 3 still takes. */
const SNAKE_CASE =
  /^(n_past|n_predict|n_ctx|top_k|top_p|min_p|n_batch|repeat_penalty|repeat_last_n|context_erase)$/

function inCamelCase<Options extends object>(options: Options): Options {
  const old = Object.keys(options).filter((name) => SNAKE_CASE.test(name))
  if (old.length === 0) return options
  const renamed = old.map((name): [string, unknown] => [
    name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase()),
    Reflect.get(options, name),
  ])
  warnOnce(`${old.join(', ')}: write ${renamed.map(([name]) => name).join(', ')} instead.`)
  return { ...Object.fromEntries(renamed), ...options }
}

/** The same with `temperature` under its other name, so that it takes the place of a default `temp`. */
export function withTemp<Options extends CompletionOptions>(options: Options | null | undefined): Options {
  const known = inCamelCase(given(options))
  const { temp, temperature } = known
  return typeof temp !== 'number' && typeof temperature === 'number' ? { ...known, temp: temperature } : known
}

type Numbers = Pick<LLModelPromptContext, 'temp' | 'topK' | 'topP' | 'minP' | 'repeatPenalty' | 'repeatLastN'>

/** Options of our `generate()`. Values that are no numbers mean the default; others are brought into its range. */
export function generateOptions(
  options: CompletionOptions,
): GenerateOptions & { readonly maxTokens: number } {
  const number = (name: keyof Numbers, least: number, most: number) => {
    const value = options[name]
    const usable = typeof value === 'number' && !Number.isNaN(value) ? value : DEFAULT_PROMPT_CONTEXT[name]
    return Math.min(most, Math.max(least, usable))
  }
  const integer = (name: keyof Numbers, least: number) => Math.floor(number(name, least, MOST))
  return {
    maxTokens: predicted(options.nPredict),
    temp: number('temp', 0, MOST),
    topK: integer('topK', 0),
    topP: number('topP', 0, 1),
    minP: number('minP', 0, 1),
    repeatPenalty: number('repeatPenalty', LEAST_PENALTY, MOST),
    repeatLastN: integer('repeatLastN', 0),
    stop: STOPS,
  }
}

function predicted(count: unknown): number {
  if (typeof count !== 'number' || Number.isNaN(count) || count < 0) return DEFAULT_PREDICT
  return Math.min(MOST, Math.floor(count))
}

/**
 * Where a call goes on; `undefined` if `nPast` is no number, which means the default.
 * @throws {Error} if it is less than 0
 */
export function positionOf(options: CompletionOptions | null | undefined): number | undefined {
  const { nPast } = options ?? {}
  if (typeof nPast !== 'number' || Number.isNaN(nPast)) return undefined
  if (nPast < 0) throw new Error('nPast must be a non-negative integer.')
  return Math.floor(nPast)
}

/** The share of the context that is given up when it is full. */
export function eraseShare({ contextErase }: CompletionOptions): number {
  if (typeof contextErase !== 'number' || Number.isNaN(contextErase)) return DEFAULT_ERASE
  return Math.min(1, Math.max(0, contextErase))
}
