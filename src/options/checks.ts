/**
 * Checks of single options: each returns the value, or `undefined` if none was given, or throws `ERR_OPTION`.
 */
import { isAbortSignal, nodeSignal } from '../core/async.ts'
import { optionError } from '../core/errors.ts'
import { nearest } from '../core/suggest.ts'
import { pathText } from './path-text.ts'

/** The largest number a 32-bit float holds: samplers compute with those. */
export const MAX_FLOAT = 3.4e38
/** The largest number that llama.cpp counts with. */
export const INT32_MAX = 0x7fffffff

export function checkObject(name: string, value: unknown): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw optionError(name, 'an object', value)
}

export function string(name: string, value: unknown): string | undefined {
  if (value === undefined) return undefined
  if (typeof value !== 'string' || value === '') throw optionError(name, 'a non-empty string', value)
  return value
}

/** A path as text; Node.js takes the same forms. */
export function path(name: string, value: unknown): string | undefined {
  return string(name, pathText(value, name))
}

export function boolean(name: string, value: unknown): boolean | undefined {
  if (value === undefined || typeof value === 'boolean') return value
  throw optionError(name, 'true or false', value)
}

export function callable<T>(name: string, value: T | undefined): T | undefined {
  if (value === undefined || typeof value === 'function') return value
  throw optionError(name, 'a function', value)
}

export function number(name: string, value: unknown, min: number, max: number): number | undefined {
  if (value === undefined) return undefined
  if (typeof value === 'number' && value >= min && value <= max) return value
  const least = min === -MAX_FLOAT ? '' : ` of at least ${min}`
  throw optionError(name, `a finite number${max === MAX_FLOAT ? least : ` from ${min} to ${max}`}`, value)
}

export function integer(
  name: string,
  value: unknown,
  min: number,
  max = Number.MAX_SAFE_INTEGER,
): number | undefined {
  if (value === undefined) return undefined
  if (Number.isInteger(value) && (value as number) >= min && (value as number) <= max) return value as number
  const range = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`
  throw optionError(name, `an integer ${range}`, value)
}

export function abortSignal(name: string, value: unknown): AbortSignal | undefined {
  if (value === undefined) return undefined
  if (isAbortSignal(value)) return nodeSignal(value)
  throw optionError(name, 'an AbortSignal', value)
}

/** Other libraries' names for our options: lower case, without underscores. */
const OTHER_NAMES: Readonly<Record<string, string>> = {
  temperature: 'temp',
  maxnewtokens: 'maxTokens',
  maxcompletiontokens: 'maxTokens',
  numpredict: 'nPredict',
  repetitionpenalty: 'repeatPenalty',
  stopsequence: 'stop',
  stopsequences: 'stop',
  stoptriggers: 'stop',
  ontoken: 'callback',
  ontextchunk: 'callback',
  abortsignal: 'signal',
  contextsize: 'nCtx',
  numctx: 'nCtx',
  threads: 'nThreads',
  numthreads: 'nThreads',
  gpulayers: 'ngl',
  ngpulayers: 'ngl',
  system: 'systemPrompt',
  systemmessage: 'systemPrompt',
  history: 'messages',
  expectedmd5: 'md5sum',
  cancelcb: 'cancelCallback',
}

const NO_GPU = 'which device computes is the option "device" of a model, such as device: "gpu"'
const NO_SCHEMA = 'answers cannot be bound to a grammar or a schema yet'
const NO_TOOLS = 'models cannot call tools yet'
const NO_IMAGES = 'models read text only'

/** What other libraries have and this one has not, or otherwise: lower case, without underscores. */
const NOT_HERE: Readonly<Record<string, string>> = {
  ...{ gpu: NO_GPU, usegpu: NO_GPU, cuda: NO_GPU, metal: NO_GPU, vulkan: NO_GPU },
  ...{
    grammar: NO_SCHEMA,
    jsonschema: NO_SCHEMA,
    schema: NO_SCHEMA,
    format: NO_SCHEMA,
    responseformat: NO_SCHEMA,
  },
  ...{ tools: NO_TOOLS, functions: NO_TOOLS, toolchoice: NO_TOOLS },
  ...{ images: NO_IMAGES, image: NO_IMAGES, audio: NO_IMAGES },
}

/**
 * Throws for unknown options, because a misspelt one would silently keep its default. `elsewhere` has options
 * of another call, with a sentence on where they belong.
 */
export function checkKnown(
  options: object,
  known: readonly string[],
  elsewhere: Readonly<Record<string, string>> = {},
): void {
  for (const name of Object.keys(options)) {
    if (known.includes(name)) continue
    const plain = name.toLowerCase().replaceAll('_', '')
    const other = OTHER_NAMES[plain] ?? ''
    const notHere = Object.hasOwn(NOT_HERE, plain) ? ` Not here: ${NOT_HERE[plain]}.` : undefined
    const meant = known.includes(other) ? other : nearest(name, known)
    const list = meant ? ` Did you mean "${meant}"?` : ` Known options: ${known.join(', ')}.`
    const hint = Object.hasOwn(elsewhere, name) ? ` ${elsewhere[name]}` : (notHere ?? list)
    const error = optionError(name, 'no such option', (options as Record<string, unknown>)[name])
    error.message = `Unknown option "${name}".${hint}`
    throw error
  }
}

/** An integer of at least `min`, or `Infinity`. */
export function limit(name: string, value: unknown, min: number): number | undefined {
  if (value === undefined || value === Number.POSITIVE_INFINITY) return value
  if (Number.isSafeInteger(value) && (value as number) >= min) return value as number
  throw optionError(name, `an integer of at least ${min}, or Infinity,`, value)
}
