import { ContextOverflowError } from '../core/errors.ts'
import type { ChatMessage } from '../core/messages.ts'
import type { ReplyFormat } from '../generation/stages/reply.ts'
import type { NativeModel, NativeTextFinder } from '../native/contract.ts'
import { type ControlTexts, controlTextsOf, Protection } from '../native/protect.ts'
import { encodePrompt, leastTokens } from '../native/tokenizer.ts'
import type { Aside } from '../scheduler/request-queue.ts'
import { type AnswerPrefix, beginAnswer, mayThink, replyFormat } from './answer-prefix.ts'
import { checkKept, firstKept, leftOut, nextTurn } from './overflow.ts'
import { type Cut, type PromptSegment, TokenRecord } from './record.ts'
import type { SavedChat } from './saved/file.ts'
import { type PromptFormat, type ReasoningPolicy, render, type TemplateResult } from './template/template.ts'

/**
 * What happens when a conversation outgrows the context: leave out the oldest turns, reject, end the turn
 * before it begins, or show the model the messages that a function returns.
 */
export type OverflowPolicy =
  | 'drop-oldest'
  | 'error'
  | 'stop'
  | ((messages: readonly ChatMessage[]) => readonly ChatMessage[] | Promise<readonly ChatMessage[]>)

/** What a prompt asks for: the answer to `messages`. */
export type PromptRequest = {
  readonly messages: readonly ChatMessage[]
  readonly begun: AnswerPrefix
  readonly enableThinking: boolean
  /** The most tokens the answer may have. */
  readonly maxTokens: number
  readonly signal?: AbortSignal | undefined
}

/** A prompt, ready to be evaluated. */
export type ChatPrompt = {
  readonly record: TokenRecord
  /**
   * Tokens of the prompt; where `isEstimated`, the fewest it can have, which do not fit, and `record` is
   * empty.
   */
  readonly length: number
  readonly isEstimated: boolean
  /** As the model reads it. */
  readonly text: string
  /** Messages left out because the conversation has outgrown the context. */
  readonly dropped: readonly ChatMessage[]
  /**
   * More was left out than last time: tokens after the gap may be moved in the cache instead of evaluated
   * again.
   */
  readonly moved: boolean
  /** False where the policy is to stop. */
  readonly fits: boolean
  /** How to split the answer into its parts; absent where it has none. */
  readonly reply: ReplyFormat | undefined
  /** What ends the answer beside the model's own end tokens. */
  readonly stops: readonly string[]
  readonly protection: Protection
  /** How many messages after the system message are left out, from the oldest on. */
  readonly skipped: number
}

type PromptShape = {
  /** Tokens of prompt and answer together. */
  readonly contextSize: number
  /** Cells that a prompt must leave free. */
  readonly reserved: number
  readonly overflow: OverflowPolicy
  readonly reasoning: ReasoningPolicy | undefined
  /** The same messages make the same prompt, whatever was evaluated before. */
  readonly deterministic: boolean
}

const NO_RECORD = new TokenRecord('', [], [])
const NOTHING: AnswerPrefix = { content: '', reasoning: '' }

/**
 * The share of what fits that is kept when turns are dropped, so that the next few turns need no dropping.
 */
const KEPT_SHARE = 0.5

/**
 * Turns a growing list of messages into prompts, each of which begins with the very tokens that were
 * evaluated before, as far as the template does not change the past.
 */
export class PromptBuilder {
  readonly #model: NativeModel
  readonly #format: PromptFormat
  readonly #shape: PromptShape
  readonly #controlTexts: ControlTexts
  #control: NativeTextFinder | undefined
  #reasoningTags = ''
  #record = NO_RECORD
  /** How many messages after the system message are left out, from the oldest on. */
  #skipped = 0

  constructor(model: NativeModel, format: PromptFormat, shape: PromptShape) {
    this.#model = model
    this.#format = format
    this.#shape = shape
    this.#controlTexts = controlTextsOf(model, format.source)
    this.#control = this.#controlTexts.finder([])
  }

  /** The messages no longer begin with those of before: nothing is left out any more. */
  reset(): void {
    this.#skipped = 0
  }

  /** The part of a conversation's file that is known here. */
  get saved(): Pick<SavedChat, 'skipped' | 'record'> {
    return { skipped: this.#skipped, record: this.#record.saved }
  }

  /** Continues from what was saved, with the same model. */
  restore({ skipped, record }: Pick<SavedChat, 'skipped' | 'record'>): void {
    this.#skipped = skipped
    const { vocabSize } = this.#model.info
    if (record.tokens.every((token) => token < vocabSize)) this.#record = TokenRecord.from(record)
  }

  /** @throws {ContextOverflowError} when the prompt does not fit and nothing (more) may be left out */
  async prompt(request: PromptRequest, aside: Aside): Promise<ChatPrompt> {
    const prompt = await this.#fit(request, aside)
    const { length, isEstimated } = prompt
    if (length <= this.#most || !prompt.fits) return prompt
    throw new ContextOverflowError(length, this.#shape.contextSize, this.#most, isEstimated)
  }

  /** Tokens of the prompt for the answer to `messages`, even where they do not fit. */
  async countTokens(messages: readonly ChatMessage[], enableThinking: boolean): Promise<number> {
    const request = { messages, begun: NOTHING, enableThinking, maxTokens: 0 }
    return (await this.#render(request, [], true)).length
  }

  /**
   * Remembers the tokens of a prompt and of what the model wrote after it: `raw`, tags included. `tokens` is
   * `undefined` where they do not spell exactly `raw`; `contents` are the parts of `raw` that templates get
   * as content. True where the model may continue after `raw` as it stands.
   */
  commit(
    { record, protection, skipped }: ChatPrompt,
    raw: string,
    tokens: readonly number[] | undefined,
    contents: readonly string[],
  ): boolean {
    this.#skipped = skipped
    const literal = contents.every((content) => protection.protect(content) === content)
    if (this.#shape.deterministic) return literal
    // Tags that the model wrote itself are not forged, but tags within its words would be taken for
    // forgeries.
    const text = literal ? raw : contents.length === 1 ? protection.protect(raw) : undefined
    this.#record = tokens && text !== undefined ? record.with(text, tokens) : record
    return literal && tokens !== undefined
  }

  get #most(): number {
    return this.#shape.contextSize - this.#shape.reserved
  }

  async #fit(request: PromptRequest, aside: Aside): Promise<ChatPrompt> {
    const { overflow } = this.#shape
    if (overflow === 'drop-oldest') return this.#dropOldest(request)
    const whole = await this.#render(request, [], overflow === 'stop')
    if (overflow === 'error' || whole.length <= this.#most) return whole
    const { messages } = request
    if (overflow === 'stop') {
      const system = messages[0]?.role === 'system' ? 1 : 0
      const kept = [...messages.slice(0, system), ...messages.slice(-1)]
      const alone = await this.#render({ ...request, messages: kept }, [])
      // If the message does not even fit alone, the length of the conversation is not the problem.
      return alone.length <= this.#most ? { ...whole, fits: false } : alone
    }
    const copies = messages.map((message) => ({ ...message }))
    const kept = checkKept(await aside(() => overflow(copies)))
    return this.#render({ ...request, messages: kept }, leftOut(messages, kept))
  }

  // Leaving turns out changes the prompt near its beginning, so leave out enough for some turns to come.
  // Where there is something to leave out, make room for the answer, a quarter of the context at most.
  async #dropOldest(request: PromptRequest): Promise<ChatPrompt> {
    const { messages, maxTokens } = request
    const { contextSize } = this.#shape
    const system = messages[0]?.role === 'system' ? 1 : 0
    // Where results must not depend on earlier turns, start afresh each time.
    const before = this.#shape.deterministic ? 0 : this.#skipped
    let first = Math.max(system, Math.min(system + before, messages.length - 1))
    let goal = Math.min(this.#most, contextSize - Math.min(maxTokens, Math.floor(contextSize / 4)))
    for (;;) {
      const kept = [...messages.slice(0, system), ...messages.slice(first)]
      const prompt = await this.#render({ ...request, messages: kept }, messages.slice(system, first))
      const { length } = prompt
      if (length <= goal || nextTurn(messages, first) >= messages.length) {
        const skipped = first - system
        return { ...prompt, skipped, moved: skipped > before }
      }
      goal = Math.floor(this.#most * KEPT_SHARE)
      first = firstKept(messages, first, length, goal)
    }
  }

  // `counts`: count all tokens, even where they cannot fit.
  async #render(
    request: PromptRequest,
    dropped: readonly ChatMessage[],
    counts = false,
  ): Promise<ChatPrompt> {
    const { begun, signal } = request
    let rendered = await this.#renderGuarded(request)
    if (this.#learnTags(rendered)) rendered = await this.#renderGuarded(request)
    const protection = new Protection(this.#control, rendered.marks)
    const { beginning, whole } = await beginAnswer(rendered, begun, protection, signal)
    const asked = rendered.text.length - rendered.generationPrompt.length
    const text = rendered.plain + beginning
    const least = counts ? 0 : leastTokens(this.#model.info, text)
    const isEstimated = least > this.#most
    const record = isEstimated ? NO_RECORD : await this.#tokenize(whole, protection, asked, signal)
    return {
      record,
      length: isEstimated ? least : record.tokens.length,
      isEstimated,
      text,
      dropped,
      moved: false,
      fits: true,
      reply: replyFormat(rendered, begun, beginning),
      stops: rendered.stops,
      protection,
      skipped: 0,
    }
  }

  #renderGuarded({ messages, begun, enableThinking, signal }: PromptRequest): Promise<TemplateResult> {
    const thinks = enableThinking && mayThink(begun)
    const behind = begun.content + begun.reasoning + (begun.raw ?? '')
    const guarded = { control: this.#control, behind }
    const options = { guarded, reasoning: this.#shape.reasoning, enableThinking: thinks }
    return render(this.#format, messages, options, signal)
  }

  // The tags around reasoning are known once something was rendered; when users write them, they are plain
  // text.
  #learnTags({ reply }: TemplateResult): boolean {
    const tags = reply ? [reply.thinkingStart, ...reply.thinkingEnds].filter((tag) => tag.trim() !== '') : []
    const known = tags.join('\n')
    if (known === this.#reasoningTags || known === '') return false
    this.#reasoningTags = known
    this.#control = this.#controlTexts.finder(tags)
    return true
  }

  // `asked` is where the text that asks for the answer begins: a template may write something else there once
  // the answer exists.
  async #tokenize(
    rendered: string,
    protection: Protection,
    asked: number,
    signal: AbortSignal | undefined,
  ): Promise<TokenRecord> {
    const tokens: number[] = []
    const cuts: Cut[] = []
    let chars = 0
    for (const part of this.#record.parts(rendered)) {
      const end = chars + lengthOf(part)
      if ('tokens' in part) {
        for (const cut of part.cuts)
          cuts.push({ chars: chars + cut.chars, tokens: tokens.length + cut.tokens })
        for (const token of part.tokens) tokens.push(token)
      } else {
        const split = asked > chars && asked < end && this.#isSafe(rendered, asked) ? asked : end
        await this.#encode(rendered.slice(chars, split), protection, tokens, signal)
        if (split < end) cuts.push({ chars: split, tokens: tokens.length })
        await this.#encode(rendered.slice(split, end), protection, tokens, signal)
      }
      chars = end
      if (chars > 0 && chars < rendered.length) cuts.push({ chars, tokens: tokens.length })
    }
    return new TokenRecord(rendered, tokens, cuts)
  }

  async #encode(
    text: string,
    { marks }: Protection,
    tokens: number[],
    signal: AbortSignal | undefined,
  ): Promise<void> {
    if (text === '') return
    for (const token of await encodePrompt(this.#model, text, marks, tokens.length === 0, signal))
      tokens.push(token)
  }

  // Before a control token the text may be cut: nothing merges with that.
  #isSafe(rendered: string, at: number): boolean {
    return this.#controlTexts.texts.some((text) => text !== '' && rendered.startsWith(text, at))
  }
}

function lengthOf(part: PromptSegment): number {
  return 'text' in part ? part.text.length : part.chars
}
