import * as v from 'valibot'
import type { ChatMessage } from '../../index.ts'
import { badParameter } from '../errors.ts'
import { isNamedHere, MOST_QUOTED, ownFields, type Sent, type UnknownFields } from './fields.ts'
import { checkCount, readMessages } from './messages.ts'
import { flag, integer, logitBias, mostTokens, number, orMinusOne, seed, stop, text } from './values.ts'

const STREAM_OPTIONS = { include_usage: flag, include_obfuscation: flag }

const SAMPLING_FIELDS = {
  model: v.nullish(text),
  max_tokens: mostTokens,
  temperature: number(0, 100),
  top_p: orMinusOne(number(0, 1), 1),
  top_k: orMinusOne(integer(0), 0),
  min_p: orMinusOne(number(0, 1), 0),
  repeat_penalty: number(1e-6, 100),
  repeat_last_n: orMinusOne(integer(0), Number.MAX_SAFE_INTEGER),
  presence_penalty: number(-2, 2),
  frequency_penalty: number(-2, 2),
  logit_bias: logitBias,
  seed,
  stop,
  n: integer(1),
  stream: flag,
  stream_options: v.nullish(v.object(STREAM_OPTIONS, 'must be { include_usage: boolean }')),
}

/** Both switch off the thinking of models that can do without. */
const TEMPLATE_OPTIONS = { enable_thinking: flag, thinking: flag }
const THINKING = { type: v.nullish(text) }
const REASONING = { effort: v.nullish(text), enabled: flag }
/** Objects in requests, and what has an effect in them. */
const NESTED: Readonly<Record<string, object>> = {
  stream_options: STREAM_OPTIONS,
  chat_template_kwargs: TEMPLATE_OPTIONS,
  thinking: THINKING,
  reasoning: REASONING,
}

const chatSchema = v.object({
  ...SAMPLING_FIELDS,
  max_completion_tokens: mostTokens,
  logprobs: v.nullish(v.union([v.boolean(), v.literal(0)], 'must be true or false')),
  top_logprobs: integer(0, 20),
  reasoning_effort: v.nullish(text),
  chat_template_kwargs: v.nullish(v.object(TEMPLATE_OPTIONS, 'must be an object')),
  enable_thinking: flag,
  think: v.nullish(v.union([v.boolean(), text], 'must be true or false')),
  thinking: v.nullish(v.object(THINKING, 'must be an object with type')),
  reasoning: v.nullish(v.object(REASONING, 'must be an object with effort or enabled')),
})

// Checked by hand: there may be two hundred thousand of them.
const tokenIds = v.custom<readonly number[]>(
  (value) =>
    Array.isArray(value) && value.length > 0 && value.every((id) => Number.isSafeInteger(id) && id >= 0),
)
const completionSchema = v.object({
  ...SAMPLING_FIELDS,
  prompt: v.nullable(
    v.union(
      [text, tokenIds, v.pipe(v.array(v.union([text, tokenIds])), v.minLength(1, 'must not be empty'))],
      'must be a string, an array of token ids, or an array of these',
    ),
  ),
  echo: flag,
  logprobs: v.nullish(
    v.pipe(
      v.union(
        [
          v.boolean(),
          v.pipe(v.number(), v.safeInteger(), v.minValue(0), v.maxValue(5, 'must be an integer from 0 to 5')),
        ],
        'must be an integer from 0 to 5',
      ),
      v.transform((count) => (typeof count === 'number' ? count : count ? 1 : undefined)),
    ),
  ),
})

/** As many as OpenAI's takes, and Jina's documents. */
const MOST_INPUTS = 2048
const INPUT = 'must be a string, an array of token ids, or an array of these'
const embeddingSchema = v.object({
  model: v.nullish(text),
  input: v.union(
    [
      v.pipe(text, v.minLength(1, 'must not be empty')),
      tokenIds,
      v.pipe(v.array(v.union([text, tokenIds], INPUT)), v.minLength(1, 'must not be empty')),
    ],
    INPUT,
  ),
  encoding_format: v.nullish(v.picklist(['float', 'base64'], 'must be "float" or "base64"')),
  dimensions: integer(1, 2 ** 31 - 1),
  prefix: v.nullish(text),
})

const DOCUMENT = 'must be a string, or an object with text'
const documentsOf = <S extends v.GenericSchema>(document: S) =>
  v.nullish(v.pipe(v.array(document, 'must be an array'), v.minLength(1, 'must not be empty')))
const rankSchema = v.object({
  model: v.nullish(text),
  query: text,
  documents: documentsOf(v.union([text, v.looseObject({ text })], DOCUMENT)),
  texts: documentsOf(text),
  top_n: integer(1),
  return_documents: flag,
  return_text: flag,
  truncate: flag,
})

/** Whether requests may have this field: any other name is the client's own text. */
export function isParameter(name: string): boolean {
  const schemas = [chatSchema.entries, completionSchema.entries, embeddingSchema.entries, rankSchema.entries]
  const isOurs = [...schemas, { messages: true }].some((known) => Object.hasOwn(known, name))
  return isOurs || isNamedHere(name)
}

export type ChatRequest = v.InferOutput<typeof chatSchema> & { readonly messages: readonly ChatMessage[] }
export type CompletionRequest = v.InferOutput<typeof completionSchema>
export type EmbeddingRequest = v.InferOutput<typeof embeddingSchema>
/** It has `documents`, or else `texts`. */
export type RankRequest = v.InferOutput<typeof rankSchema>
export type SamplingRequest = Pick<ChatRequest, keyof typeof SAMPLING_FIELDS>

/** @throws {ApiError} 400 for an invalid request, or more than `maxMessages` */
export function readChatRequest(body: Sent, maxMessages: number, unknown: UnknownFields): ChatRequest {
  const { own, sentAs } = ownFields(body, { ...chatSchema.entries, messages: true }, unknown)
  const { messages, ...fields } = own
  noteNested(fields, unknown)
  return { messages: readMessages(messages, maxMessages, unknown), ...parse(chatSchema, fields, sentAs) }
}

/** @throws {ApiError} 400 for an invalid request, or more than `maxPrompts` */
export function readCompletionRequest(
  body: Sent,
  maxPrompts: number,
  unknown: UnknownFields,
): CompletionRequest {
  const { own, sentAs } = ownFields(body, completionSchema.entries, unknown)
  const { prompt } = own
  if (Array.isArray(prompt) && typeof prompt[0] !== 'number') checkCount('prompt', prompt, maxPrompts)
  noteNested(own, unknown)
  return parse(completionSchema, own, sentAs)
}

/** @throws {ApiError} 400 for an invalid request */
export function readEmbeddingRequest(body: Sent, unknown: UnknownFields): EmbeddingRequest {
  const { own, sentAs } = ownFields(body, embeddingSchema.entries, unknown)
  const { input } = own
  if (Array.isArray(input) && typeof input[0] !== 'number') checkCount('input', input, MOST_INPUTS)
  return parse(embeddingSchema, own, sentAs)
}

/** @throws {ApiError} 400 for an invalid request */
export function readRankRequest(body: Sent, unknown: UnknownFields): RankRequest {
  const { own, sentAs } = ownFields(body, rankSchema.entries, unknown)
  const [name = 'documents'] = ['documents', 'texts'].filter((one) => (own[one] ?? null) !== null)
  const sent = own[name] ?? null
  if (name === 'documents' && (own.texts ?? null) !== null)
    throw badParameter('texts', '"texts" cannot be combined with "documents".')
  if (sent === null) throw badParameter(name, `"${name}" is required.`, 'missing_required_parameter')
  if (Array.isArray(sent)) checkCount(name, sent, MOST_INPUTS)
  return parse(rankSchema, own, sentAs)
}

function noteNested(fields: Sent, unknown: UnknownFields): void {
  for (const [name, known] of Object.entries(NESTED)) unknown.noteOthers(fields[name], known, name)
}

/** `sentAs` has the client's names of fields that have others here. */
function parse<const S extends v.GenericSchema>(
  schema: S,
  value: unknown,
  sentAs: ReadonlyMap<string, string>,
): v.InferOutput<S> {
  const result = v.safeParse(schema, value, { abortEarly: true })
  if (result.success) return result.output
  const [issue] = result.issues
  const param = pathOf(issue).replace(/^\w+/, (name) => sentAs.get(name) ?? name) || 'body'
  const isMissing = issue.received === 'undefined'
  const problem = isMissing ? 'is required' : isOurs(issue.message) ? issue.message : 'is not valid'
  throw badParameter(param, `"${param}" ${problem}.`, codeOf(issue))
}

function codeOf({ kind, type, received }: v.BaseIssue<unknown>): string {
  if (received === 'undefined') return 'missing_required_parameter'
  return kind === 'schema' && !['picklist', 'literal'].includes(type) ? 'invalid_type' : 'invalid_value'
}

const isOurs = (message: string) => /^(must|may) /.test(message)

function pathOf(issue: v.BaseIssue<unknown>): string {
  const keys = (issue.path ?? []).map(({ key }) => key)
  return keys
    .map((key, i) => (typeof key === 'number' ? `[${key}]` : `${i > 0 ? '.' : ''}${String(key)}`))
    .join('')
    .slice(0, MOST_QUOTED)
}
