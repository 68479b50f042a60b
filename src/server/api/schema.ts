import * as v from 'valibot'
import { type ApiError, badParameter } from '../errors.ts'

const number = (min: number, max: number) =>
  v.nullish(
    v.pipe(
      v.number(`must be a number from ${min} to ${max}`),
      v.finite(`must be a number from ${min} to ${max}`),
      v.minValue(min, `must be at least ${min}`),
      v.maxValue(max, `must be at most ${max}`),
    ),
  )
const integer = (min: number, max = Number.MAX_SAFE_INTEGER) =>
  v.nullish(
    v.pipe(
      v.number('must be an integer'),
      v.safeInteger('must be an integer'),
      v.minValue(min, `must be at least ${min}`),
      v.maxValue(max, `must be at most ${max}`),
    ),
  )
const flag = v.nullish(v.boolean('must be true or false'))
const text = v.string('must be a string')

const MOST_STOPS = 16
const STOPS = `must be a non-empty string, or up to ${MOST_STOPS} of them`
const stop = v.nullish(
  v.union(
    [
      v.pipe(text, v.nonEmpty(STOPS)),
      v.pipe(v.array(v.pipe(text, v.nonEmpty(STOPS))), v.maxLength(MOST_STOPS, STOPS)),
    ],
    STOPS,
  ),
)
const MOST_BIASES = 1024
const BIAS = 'must be an object of token ids and numbers from -100 to 100'
const logitBias = v.nullish(
  v.pipe(
    v.custom<object>((value) => typeof value === 'object' && value !== null && !Array.isArray(value), BIAS),
    v.check(
      (bias) => Object.keys(bias).length <= MOST_BIASES,
      `must have no more than ${MOST_BIASES} tokens`,
    ),
    v.record(
      v.pipe(v.string(), v.regex(/^\d{1,10}$/, 'must have token ids as keys')),
      v.pipe(v.number('must have numbers from -100 to 100'), v.minValue(-100), v.maxValue(100)),
      BIAS,
    ),
  ),
)

/** Parameters that have no effect here and do no harm: accepted because clients send them unasked. */
const WITHOUT_EFFECT = {
  user: v.optional(v.unknown()),
  metadata: v.optional(v.unknown()),
  store: v.optional(v.unknown()),
  service_tier: v.optional(v.unknown()),
  parallel_tool_calls: v.optional(v.unknown()),
  prompt_cache_key: v.optional(v.unknown()),
  prompt_cache_retention: v.optional(v.unknown()),
  safety_identifier: v.optional(v.unknown()),
}

const SAMPLING = {
  model: v.nullish(text),
  max_tokens: integer(0),
  temperature: number(0, 100),
  top_p: number(0, 1),
  top_k: integer(0),
  min_p: number(0, 1),
  repeat_penalty: number(1e-6, 100),
  repeat_last_n: integer(0),
  presence_penalty: number(-2, 2),
  frequency_penalty: number(-2, 2),
  logit_bias: logitBias,
  seed: integer(Number.MIN_SAFE_INTEGER),
  stop,
  n: integer(1),
  stream: flag,
  stream_options: v.nullish(
    v.strictObject({ include_usage: flag, include_obfuscation: flag }, 'must be { include_usage: boolean }'),
  ),
}

const textPart = v.strictObject({ type: v.literal('text'), text })
const message = v.strictObject(
  {
    role: v.picklist(
      ['system', 'developer', 'user', 'assistant'],
      'must be system, developer, user or assistant',
    ),
    content: v.union([text, v.array(textPart)], 'must be a string, or an array of text parts'),
    reasoning_content: v.nullish(text),
    name: v.nullish(text),
    refusal: v.nullish(text),
    tool_calls: v.nullish(v.array(v.unknown())),
  },
  'must be an object with role and content',
)

const chatSchema = v.strictObject({
  ...SAMPLING,
  ...WITHOUT_EFFECT,
  messages: v.pipe(v.array(message, 'must be an array of messages'), v.minLength(1, 'must not be empty')),
  max_completion_tokens: integer(0),
  logprobs: flag,
  top_logprobs: integer(0, 20),
  reasoning_effort: v.nullish(v.picklist(['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max'])),
  chat_template_kwargs: v.nullish(v.strictObject({ enable_thinking: flag }, 'may only have enable_thinking')),
})

// Checked by hand: there may be two hundred thousand of them.
const tokenIds = v.custom<readonly number[]>(
  (value) =>
    Array.isArray(value) && value.length > 0 && value.every((id) => Number.isSafeInteger(id) && id >= 0),
)
const completionSchema = v.strictObject({
  ...SAMPLING,
  ...WITHOUT_EFFECT,
  prompt: v.union(
    [text, tokenIds, v.pipe(v.array(v.union([text, tokenIds])), v.minLength(1))],
    'must be a string, an array of token ids, or an array of these',
  ),
  echo: flag,
  logprobs: integer(0, 5),
})

/** Whether requests may have this field: any other name is the client's own text. */
export function isParameter(name: string): boolean {
  return [chatSchema.entries, completionSchema.entries, MISSING].some((known) => Object.hasOwn(known, name))
}

export type ChatRequest = v.InferOutput<typeof chatSchema>
export type CompletionRequest = v.InferOutput<typeof completionSchema>
export type SamplingRequest = Pick<ChatRequest, keyof typeof SAMPLING>

/** Parameters that this server does not support yet, and whether a value asks for nothing. */
const MISSING: Readonly<Record<string, (value: unknown) => boolean>> = {
  tools: (value) => Array.isArray(value) && value.length === 0,
  tool_choice: (value) => value === 'none' || value === 'auto',
  functions: (value) => Array.isArray(value) && value.length === 0,
  function_call: (value) => value === 'none' || value === 'auto',
  response_format: (value) => (value as { type?: unknown }).type === 'text',
  modalities: (value) => Array.isArray(value) && value.every((one) => one === 'text'),
  audio: () => false,
  prediction: () => false,
  web_search_options: () => false,
  grammar: () => false,
  json_schema: () => false,
  suffix: (value) => value === '',
  best_of: (value) => value === 1,
}

/** @throws {ApiError} 400 for an invalid request, or more than `maxMessages` */
export function readChatRequest(body: Readonly<Record<string, unknown>>, maxMessages: number): ChatRequest {
  const known = knownOf(chatSchema.entries, body)
  const { messages } = known
  if (Array.isArray(messages)) {
    checkCount('messages', messages, maxMessages)
    messages.forEach(checkSupported)
  }
  return parse(chatSchema, known)
}

/** @throws {ApiError} 400 for an invalid request, or more than `maxPrompts` */
export function readCompletionRequest(
  body: Readonly<Record<string, unknown>>,
  maxPrompts: number,
): CompletionRequest {
  const known = knownOf(completionSchema.entries, body)
  const { prompt } = known
  if (Array.isArray(prompt) && typeof prompt[0] !== 'number') checkCount('prompt', prompt, maxPrompts)
  return parse(completionSchema, known)
}

/** Runs before the entries are looked at: there may be too many to check in passing. */
function checkCount(param: string, { length }: readonly unknown[], most: number): void {
  if (length > most)
    throw badParameter(
      param,
      `"${param}" has ${length} entries; at most ${most} are accepted.`,
      'array_above_max_length',
    )
}

/** The fields listed in `entries`, without those of `MISSING`. */
function knownOf(entries: object, body: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const known: Record<string, unknown> = {}
  for (const name of Object.keys(body)) {
    const value = body[name]
    const asksForNothing = Object.hasOwn(MISSING, name) ? MISSING[name] : undefined
    if (asksForNothing) {
      if (value === null || asksForNothing(value)) continue
      throw badParameter(name, `"${name}" is not supported by this server yet.`, 'unsupported_parameter')
    }
    if (!Object.hasOwn(entries, name)) throw unknownParameter(name.slice(0, MOST_QUOTED))
    known[name] = value
  }
  return known
}

function unknownParameter(param: string): ApiError {
  return badParameter(param, `Unknown parameter: "${param}".`, 'unknown_parameter')
}

/** Names what is not supported yet in a message, before the schema calls it unknown. */
function checkSupported(message: unknown, i: number): void {
  const { role, content, tool_calls: calls } = Object(message)
  const refuse = (what: string, where: string) => {
    throw badParameter(where, `${what} are not supported by this server yet.`, 'unsupported_parameter')
  }
  if (role === 'tool' || role === 'function') refuse(`Messages of the role "${role}"`, `messages[${i}].role`)
  if (Array.isArray(calls) && calls.length > 0) refuse('Tool calls', `messages[${i}].tool_calls`)
  if (!Array.isArray(content)) return
  content.forEach((part, j) => {
    const { type } = Object(part)
    if (typeof type === 'string' && type !== 'text')
      refuse(`Parts of the type "${type}"`, `messages[${i}].content[${j}].type`)
  })
}

function parse<const S extends v.GenericSchema>(schema: S, value: unknown): v.InferOutput<S> {
  const result = v.safeParse(schema, value, { abortEarly: true })
  if (result.success) return result.output
  const [issue] = result.issues
  const param = pathOf(issue) || 'body'
  if (issue.expected === 'never') throw unknownParameter(param)
  const isMissing = issue.received === 'undefined'
  const problem = isMissing ? 'is required' : isOurs(issue.message) ? issue.message : 'is not valid'
  throw badParameter(param, `"${param}" ${problem}.`, codeOf(issue))
}

function codeOf({ kind, type, received }: v.BaseIssue<unknown>): string {
  if (received === 'undefined') return 'missing_required_parameter'
  return kind === 'schema' && !['picklist', 'literal'].includes(type) ? 'invalid_type' : 'invalid_value'
}

/** Most characters quoted of a name that the client chose. */
const MOST_QUOTED = 200

const isOurs = (message: string) => /^(must|may) /.test(message)

function pathOf(issue: v.BaseIssue<unknown>): string {
  const keys = (issue.path ?? []).map(({ key }) => key)
  return keys
    .map((key, i) => (typeof key === 'number' ? `[${key}]` : `${i > 0 ? '.' : ''}${String(key)}`))
    .join('')
    .slice(0, MOST_QUOTED)
}
