import type { GPT4All } from '../../index.ts'
import { eraseShare, generateOptions, positionOf } from '../common/options.ts'
import type { CompletionOptions, InferenceResult } from '../common/types.ts'
import { warn } from '../common/warn.ts'
import { parseTemplate } from './template.ts'
import { continuation, type Piece, promptTokens } from './tokens.ts'
import type { Transcript } from './transcript.ts'

/** Set by `createCompletionStream()`: waits until the reader wants more; resolves with false if it has left. */
export const WANTED: unique symbol = Symbol('wanted')
/** Set by a chat session: its own transcript, so that calls of the model between its turns do it no harm. */
export const TRANSCRIPT: unique symbol = Symbol('transcript')

/** Set by a model whose own template is used: control tokens that come before everything. */
export const START: unique symbol = Symbol('start')

/** Options of the package that are not declared, and our own between its classes. */
export type InferenceOptions = CompletionOptions & {
  /** The answer, which is read instead of generated. */
  readonly fakeReply?: string | undefined
  readonly [WANTED]?: () => Promise<boolean> | undefined
  readonly [TRANSCRIPT]?: Transcript
  readonly [START]?: string | undefined
}

/** Cells that the engine wants left free behind a prompt. */
const RESERVED = 4
/** The share of the context that an answer gets at the expense of old turns. */
const ANSWER_SHARE = 0.25

/** Reads `prompt` behind the first `nPast` tokens of the transcript, and writes the answer. */
export async function inferOn(
  model: GPT4All,
  transcript: Transcript,
  prompt: string,
  options: InferenceOptions,
): Promise<InferenceResult> {
  const { fakeReply, special = false, promptTemplate } = options
  const nPast = positionOf(options) ?? 0
  if (nPast > transcript.length) throw new Error(`nPast cannot be greater than ${transcript.length}.`)
  transcript.cutTo(nPast)
  const template = parseTemplate(typeof promptTemplate === 'string' ? promptTemplate : '%1')
  const request = generateOptions(options)
  const onlyReads = fakeReply !== undefined || request.maxTokens === 0
  const isSystem = transcript.length === 0 && fakeReply === undefined && onlyReads

  const message: Piece[] = template.hasMessage ? [[prompt, special]] : []
  const { [START]: start = '' } = options
  const isStarted = transcript.length > 0 || (template.before + prompt).startsWith(start)
  const before = isStarted ? template.before : start + template.before
  const pieces: Piece[] = [[before, true], ...message, [template.between, true]]
  const asked = await promptTokens(model, pieces, transcript.length === 0)
  const reply = fakeReply === undefined ? [] : await continuation(model, fakeReply, false)
  const suffix = await continuation(model, template.after, true)

  const read = told(asked, options)
  if (read < asked.length) {
    transcript.append(asked.slice(0, read))
    return { text: '', nPast: transcript.length, tokensIngested: read, tokensGenerated: 0 }
  }
  makeRoom(model, transcript, asked.length + (onlyReads ? reply.length + suffix.length : 0), options, request)
  if (!isSystem) transcript.beginTurn()

  const answer = onlyReads
    ? await readOnly(model, transcript.with([...asked, ...reply]), reply)
    : await generated(model, transcript.with(asked), options, request)
  transcript.append([...asked, ...answer.tokens])
  const more = told(suffix, options)
  transcript.append(suffix.slice(0, more))
  const tokensIngested = asked.length + (onlyReads ? answer.tokens.length : 0) + more
  const tokensGenerated = onlyReads ? 0 : answer.tokens.length
  return { text: answer.text, nPast: transcript.length, tokensIngested, tokensGenerated }
}

type Answer = { readonly text: string; readonly tokens: readonly number[] }
type Request = ReturnType<typeof generateOptions>

/** Evaluates the tokens, so that the next call finds them in the cache. The engine reads as it draws a token. */
async function readOnly(
  model: GPT4All,
  prompt: readonly number[],
  tokens: readonly number[],
): Promise<Answer> {
  if (prompt.length > 0) await model.generate(prompt, { maxTokens: 1, temp: 0 })
  return { text: '', tokens }
}

async function generated(
  model: GPT4All,
  prompt: readonly number[],
  { onResponseToken, [WANTED]: wanted }: InferenceOptions,
  request: Request,
): Promise<Answer> {
  if (prompt.length === 0) return { text: '', tokens: [] }
  const callback = (tokenId: number, piece: string) =>
    called('onResponseToken', () => onResponseToken?.(tokenId, piece)) && (wanted?.() ?? true)
  const { text, tokens, stopSequence } = await model.generate(prompt, {
    ...request,
    penalizePrompt: true,
    ...((onResponseToken || wanted) && { callback }),
  }).result
  // The tokens that spell a stop string are no part of the answer.
  return { text, tokens: stopSequence === undefined ? tokens : await continuation(model, text, false) }
}

/** Makes room for `count` tokens and an answer, at the expense of the oldest turns. */
function makeRoom(
  { contextSize }: GPT4All,
  transcript: Transcript,
  count: number,
  options: InferenceOptions,
  { maxTokens }: Request,
): void {
  const answer = Math.min(maxTokens, Math.floor(contextSize * ANSWER_SHARE))
  const missing = transcript.length + count + answer - (contextSize - RESERVED)
  if (missing > 0) transcript.erase(Math.max(missing, Math.ceil(eraseShare(options) * contextSize)))
}

/** Tells the program of the prompt's tokens; returns how many it has heard of. */
function told(tokens: readonly number[], { onPromptToken }: InferenceOptions): number {
  if (!onPromptToken) return tokens.length
  const end = tokens.findIndex((token) => !called('onPromptToken', () => onPromptToken(token)))
  return end < 0 ? tokens.length : end + 1
}

/** Whether the program's function wants more; an error in it means no, and is reported. */
function called(name: string, call: () => unknown): boolean {
  try {
    return call() !== false
  } catch (error) {
    warn(`Error in ${name} callback: ${error instanceof Error ? error.stack : String(error)}`)
    return false
  }
}
