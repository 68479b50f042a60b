import { type ApiError, badParameter } from '../errors.ts'

/** An object as a client sent it. */
export type Sent = Readonly<Record<string, unknown>>

/** Names that other servers have for parameters of this one. */
const ALIASES: Readonly<Record<string, string>> = {
  n_predict: 'max_tokens',
  num_predict: 'max_tokens',
  max_new_tokens: 'max_tokens',
  max_length: 'max_tokens',
  repetition_penalty: 'repeat_penalty',
  rep_pen: 'repeat_penalty',
  repetition_penalty_range: 'repeat_last_n',
  rep_pen_range: 'repeat_last_n',
  penalty_last_n: 'repeat_last_n',
  stop_sequences: 'stop',
  stop_sequence: 'stop',
  stopping_strings: 'stop',
  custom_stopping_strings: 'stop',
  random_seed: 'seed',
  sampler_seed: 'seed',
}

/** Parameters of OpenAI's API without effect here: clients send them unasked, and nobody needs to hear of it. */
const WITHOUT_EFFECT: readonly string[] = [
  'user',
  'metadata',
  'store',
  'service_tier',
  'parallel_tool_calls',
  'prompt_cache_key',
  'prompt_cache_retention',
  'safety_identifier',
  'prediction',
  'verbosity',
]

const isEmpty = (value: unknown) =>
  value === null ||
  value === false ||
  value === '' ||
  (typeof value === 'object' && Object.keys(value).length === 0)

const isNone = (value: unknown) => value === null || (Array.isArray(value) && value.length === 0)

const callsNothing = (value: unknown) => value === 'none' || value === 'auto' || isEmpty(value)

/** What this server does not support yet, and whether a value asks for none of it. */
const MISSING: Readonly<Record<string, (value: unknown, body: Sent) => boolean>> = {
  tools: (value, { tool_choice: choice }) => choice === 'none' || isNone(value),
  tool_choice: callsNothing,
  functions: (value, { function_call: call }) => call === 'none' || isNone(value),
  function_call: callsNothing,
  response_format: (value) => isEmpty(value) || Object(value).type === 'text',
  modalities: (value) => isEmpty(value) || (Array.isArray(value) && value.every((one) => one === 'text')),
  audio: (value) => value === null,
  web_search_options: (value) => value === null,
  suffix: isEmpty,
  best_of: (value, { n }) => value === null || value === (n ?? 1),
  format: isEmpty,
  grammar: isEmpty,
  grammar_string: isEmpty,
  json_schema: isEmpty,
  regex: isEmpty,
  ebnf: isEmpty,
  guided_json: isEmpty,
  guided_regex: isEmpty,
  guided_choice: isEmpty,
  guided_grammar: isEmpty,
  structured_outputs: isEmpty,
  prompt_logprobs: isEmpty,
  images: isEmpty,
  documents: isEmpty,
}

/** What this server does not support yet in a message. */
const MISSING_IN_MESSAGE: readonly string[] = ['tool_calls', 'function_call', 'images', 'audio']

const unsupported = (what: string, param: string) =>
  badParameter(param, `${what} not supported by this server yet.`, 'unsupported_parameter')

/** Most characters quoted of a name that the client chose. */
export const MOST_QUOTED = 200
/** Most fields without effect that are told of. */
const MOST_TOLD = 20

/** Whether requests may have this field: any other name is the client's own text. */
export const isNamedHere = (name: string): boolean =>
  [ALIASES, MISSING].some((known) => Object.hasOwn(known, name)) || WITHOUT_EFFECT.includes(name)

/** The fields of a request that have no effect: noted, or refused where the server is strict. */
export class UnknownFields {
  readonly #isStrict: boolean
  readonly #paths = new Set<string>()

  constructor(isStrict: boolean) {
    this.#isStrict = isStrict
  }

  get paths(): readonly string[] {
    return [...this.#paths]
  }

  /** @throws {ApiError} 400 where the server is strict */
  note(path: string): void {
    if (this.#isStrict) throw unknownParameter(path.slice(0, MOST_QUOTED))
    if (this.#paths.size < MOST_TOLD) this.#paths.add(path.slice(0, MOST_QUOTED))
  }

  /** Notes what an object at `path` has beside `known`. */
  noteOthers(sent: unknown, known: object, path: string): void {
    if (typeof sent !== 'object' || sent === null || Array.isArray(sent)) return
    for (const name of Object.keys(sent)) if (!Object.hasOwn(known, name)) this.note(`${path}.${name}`)
  }
}

function unknownParameter(param: string): ApiError {
  return badParameter(param, `Unknown parameter: "${param}".`, 'unknown_parameter')
}

/** Fields under the names that they have here, and the names under which the client sent those that have others. */
type OwnFields = { readonly own: Record<string, unknown>; readonly sentAs: ReadonlyMap<string, string> }

/**
 * The fields of a request that `entries` lists.
 * @throws {ApiError} 400 for one that asks for what is not supported yet
 */
export function ownFields(body: Sent, entries: object, unknown: UnknownFields): OwnFields {
  const own: Record<string, unknown> = {}
  const sentAs = new Map<string, string>()
  for (const name of Object.keys(body)) {
    const value = body[name]
    const asksForNothing = Object.hasOwn(MISSING, name) ? MISSING[name] : undefined
    const alias = Object.hasOwn(ALIASES, name) ? ALIASES[name]! : undefined
    if (Object.hasOwn(entries, name)) own[name] = value
    else if (asksForNothing) {
      if (!asksForNothing(value, body)) throw unsupported(`"${name}" is`, name)
    } else if (alias !== undefined) {
      if (value !== null && !sentAs.has(alias)) sentAs.set(alias, name)
    } else if (!WITHOUT_EFFECT.includes(name)) unknown.note(name)
  }
  for (const [name, alias] of sentAs) {
    if ((own[name] ?? null) === null) own[name] = body[alias]
    else sentAs.delete(name)
  }
  return { own, sentAs }
}

/** @throws {ApiError} 400 where a message asks for what is not supported yet */
export function checkMessage(message: unknown, i: number): void {
  const sent = Object(message) as Sent
  if (sent.role === 'tool' || sent.role === 'function')
    throw unsupported(`Messages of the role "${sent.role}" are`, `messages[${i}].role`)
  for (const name of MISSING_IN_MESSAGE)
    if (Object.hasOwn(sent, name) && !isEmpty(sent[name]))
      throw unsupported(`"${name}" of a message is`, `messages[${i}].${name}`)
}

/** @throws {ApiError} 400: only parts that are text can be read */
export function unsupportedPart(type: string, path: string): ApiError {
  return unsupported(`Parts of the type "${type.slice(0, MOST_QUOTED)}" are`, `${path}.type`)
}
