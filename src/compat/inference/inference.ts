import { isThenable } from '../../core/async.ts'
import type { GPT4All } from '../../index.ts'
import { eraseShare, generateOptions, positionOf } from '../common/options.ts'
import type { CompletionOptions, InferenceResult } from '../common/types.ts'
import { warn } from '../common/warn.ts'
import { parseTemplate } from './template.ts'
import { continuation, type Piece, promptTokens } from './tokens.ts'
import type { Transcript } from './transcript.ts'

/** What a call begins with, and goes on with once it has succeeded: a call that fails leaves it as it was. */
export type Conversation = { transcript: Transcript }

/** A prompt in its template, with the answer to it if that is known. */
export type Reading = {
  readonly prompt: string
  readonly template: string
  /** Whether special tokens in the prompt are read as such. */
  readonly special: boolean
  readonly answer?: string | undefined
  /** It precedes all turns, and is never given up. */
  readonly isSystem?: boolean
}

/** Set by `createCompletionStream()`: waits until the reader wants more; resolves with false if it has left. */
export const WANTED: unique symbol = Symbol('wanted')
/** Set by a chat session: its own conversation. */
export const CONVERSATION: unique symbol = Symbol('conversation')
/** Set for several messages: what is read before the prompt. */
export const BEFORE: unique symbol = Symbol('before')
/** Set by a model whose own template is used: control tokens that come before everything. */
export const START: unique symbol = Symbol('start')

/** Options of the package that are not declared, and our own between its classes. */
export type InferenceOptions = CompletionOptions & {
  /** The answer, which is read instead of generated. */
  readonly fakeReply?: string | undefined
  readonly [WANTED]?: () => Promise<boolean> | undefined
  readonly [CONVERSATION]?: Conversation
  readonly [BEFORE]?: readonly Reading[]
  readonly [START]?: string | undefined
}

/** Cells that the engine wants left free behind a prompt. */
const RESERVED = 4
/** The share of the context that an answer gets at the expense of old turns. */
const ANSWER_SHARE = 0.25

/**
 * Reads what comes before and `prompt` behind the first `nPast` tokens of the conversation, and writes the answer.
 * Without a prompt it only reads.
 */
export async function inferOn(
  model: GPT4All,
  conversation: Conversation,
  prompt: string | undefined,
  options: InferenceOptions,
): Promise<InferenceResult> {
  const nPast = positionOf(options) ?? 0
  const { length } = conversation.transcript
  if (nPast > length) throw new Error(`nPast cannot be greater than ${length}.`)
  const turn = new Inference(model, conversation.transcript.copy(), options)
  const result = await turn.run(nPast, prompt)
  conversation.transcript = turn.transcript
  return result
}

class Inference {
  readonly transcript: Transcript
  readonly #model: GPT4All
  readonly #options: InferenceOptions
  readonly #request: ReturnType<typeof generateOptions>
  readonly #tellPrompt: (token: number) => boolean
  readonly #tellAnswer: ((token: number, piece: string) => boolean) | undefined
  #ingested = 0
  #isStopped = false

  constructor(model: GPT4All, transcript: Transcript, options: InferenceOptions) {
    this.#model = model
    this.transcript = transcript
    this.#options = options
    this.#request = generateOptions(options)
    const { onPromptToken, onResponseToken } = options
    this.#tellPrompt = listener('onPromptToken', onPromptToken) ?? (() => true)
    this.#tellAnswer = listener('onResponseToken', onResponseToken)
  }

  async run(nPast: number, prompt: string | undefined): Promise<InferenceResult> {
    const { fakeReply, special = false, promptTemplate: given } = this.#options
    this.transcript.cutTo(nPast)
    for (const reading of this.#options[BEFORE] ?? []) await this.#read(reading)
    if (prompt === undefined) return this.#evaluated()
    const template = typeof given === 'string' ? given : '%1'
    const isSystem = this.transcript.length === 0 && fakeReply === undefined
    const reading: Reading = { prompt, template, special, answer: fakeReply }
    if (fakeReply !== undefined || this.#request.maxTokens === 0) {
      await this.#read({ ...reading, isSystem })
      return this.#evaluated()
    }
    return this.#answer(reading)
  }

  /** Reads a prompt and the answer to it; they are evaluated with what comes next. */
  async #read(reading: Reading): Promise<void> {
    if (this.#isStopped) return
    const { asked, suffix } = await this.#tokensOf(reading)
    const { answer = '' } = reading
    const reply = await continuation(this.#model, answer, false)
    this.#begin(asked.length + reply.length + suffix.length, reading.isSystem)
    for (const tokens of [asked, reply, suffix]) this.#append(tokens)
  }

  async #answer(reading: Reading): Promise<InferenceResult> {
    const { asked, suffix } = await this.#tokensOf(reading)
    const { contextSize } = this.#model
    const wanted = Math.min(this.#request.maxTokens, Math.floor(contextSize * ANSWER_SHARE))
    if (!this.#isStopped) this.#begin(asked.length + wanted)
    this.#append(asked)
    if (this.#isStopped || this.transcript.length === 0) return this.#result('', 0)
    const room = contextSize - this.transcript.length - suffix.length
    const maxTokens = Math.min(this.#request.maxTokens, Math.max(1, room))
    const { text, tokens } = await this.#generate(maxTokens)
    this.transcript.append(tokens)
    this.#append(suffix)
    return this.#result(text, tokens.length)
  }

  async #generate(maxTokens: number): Promise<{ text: string; tokens: readonly number[] }> {
    const wanted = this.#options[WANTED]
    const tell = this.#tellAnswer
    const callback = (token: number, piece: string) => (tell?.(token, piece) ?? true) && (wanted?.() ?? true)
    const { text, tokens, stopSequence } = await this.#model.generate(this.transcript.with([]), {
      ...this.#request,
      maxTokens,
      penalizePrompt: true,
      ...((tell || wanted) && { callback }),
    }).result
    // The tokens that spell a stop string are no part of the answer.
    const isWhole = stopSequence === undefined
    return { text, tokens: isWhole ? tokens : await continuation(this.#model, text, false) }
  }

  /** Evaluates what was read, so that the next call finds it in the cache: the engine does as it draws a token. */
  async #evaluated(): Promise<InferenceResult> {
    if (this.transcript.length > 0)
      await this.#model.generate(this.transcript.with([]), { maxTokens: 1, temp: 0 })
    return this.#result('', 0)
  }

  async #tokensOf({ prompt, template, special }: Reading) {
    const { before, between, after, hasMessage } = parseTemplate(template)
    const { [START]: start = '' } = this.#options
    const begins = this.transcript.length === 0
    const isStarted = !begins || (before + prompt).startsWith(start)
    const message: Piece[] = hasMessage ? [[prompt, special]] : []
    const pieces: Piece[] = [[isStarted ? before : start + before, true], ...message, [between, true]]
    const asked = await promptTokens(this.#model, pieces, begins)
    return { asked, suffix: await continuation(this.#model, after, true) }
  }

  /** Makes room for `count` tokens, at the expense of the oldest turns, and begins another one. */
  #begin(count: number, isSystem = false): void {
    const { contextSize } = this.#model
    const missing = this.transcript.length + count - (contextSize - RESERVED)
    if (missing > 0)
      this.transcript.erase(Math.max(missing, Math.ceil(eraseShare(this.#options) * contextSize)))
    if (!isSystem) this.transcript.beginTurn()
  }

  /** Adds tokens that are read, as far as the program wants them to be. */
  #append(tokens: readonly number[]): void {
    if (this.#isStopped) return
    const end = tokens.findIndex((token) => !this.#tellPrompt(token))
    this.#isStopped = end >= 0
    const read = this.#isStopped ? tokens.slice(0, end + 1) : tokens
    this.transcript.append(read)
    this.#ingested += read.length
  }

  #result(text: string, tokensGenerated: number): InferenceResult {
    return { text, nPast: this.transcript.length, tokensIngested: this.#ingested, tokensGenerated }
  }
}

/**
 * Calls a function of the program; false once that has returned `false` or failed, which is reported. A promise that it
 * returns is not waited for.
 */
function listener<Given extends unknown[]>(
  name: string,
  call: ((...given: Given) => unknown) | undefined,
): ((...given: Given) => boolean) | undefined {
  if (!call) return undefined
  let isOver = false
  const fail = (error: unknown) => {
    isOver = true
    warn(`Error in ${name} callback: ${error instanceof Error ? error.stack : String(error)}`)
  }
  return (...given) => {
    if (isOver) return false
    try {
      const answer = call(...given)
      if (isThenable(answer)) answer.then(undefined, fail)
      isOver = answer === false
    } catch (error) {
      fail(error)
    }
    return !isOver
  }
}
