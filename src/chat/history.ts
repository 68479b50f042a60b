import { ContextOverflowError, optionError } from '../errors.ts'
import { encode, encodeMore } from '../native/tokenizer.ts'
import type { NativeModel } from '../native/types.ts'
import { Protection } from './protect.ts'
import { type ChatMessage, checkMessages, type PromptFormat, render } from './template.ts'

/**
 * What to do with a conversation that has outgrown the context: leave out the oldest turns, refuse, or show the model
 * what a function makes of the messages.
 */
export type OverflowPolicy =
  | 'drop-oldest'
  | 'error'
  | ((messages: readonly ChatMessage[]) => readonly ChatMessage[])

/** A prompt, ready to be evaluated, that asks for the next message. */
export type Prompt = {
  readonly tokens: readonly number[]
  /** As the model reads it. */
  readonly text: string
  /** Messages left out because the conversation has outgrown the context. */
  readonly dropped: readonly ChatMessage[]
  /** As it was rendered, its contents protected. */
  readonly rendered: string
  readonly protection: Protection
}

type HistoryShape = {
  /** Tokens of prompt and answer together. */
  readonly contextSize: number
  /** Cells that a prompt must leave free. */
  readonly reserved: number
}

/** Of what fits, the share that is left after dropping: the next few turns then need no dropping. */
const KEPT_SHARE = 0.5

/**
 * Turns a growing list of messages into prompts, each of which begins with the very tokens that were evaluated
 * before: tokenizing an answer's text again would not always give the tokens that the model drew.
 */
export class History {
  readonly #model: NativeModel
  readonly #format: PromptFormat
  readonly #shape: HistoryShape
  #evaluated: { readonly rendered: string; readonly tokens: readonly number[] } | undefined
  /** Messages behind the system's that are left out, from the oldest on. */
  #skipped = 0

  constructor(model: NativeModel, format: PromptFormat, shape: HistoryShape) {
    this.#model = model
    this.#format = format
    this.#shape = shape
  }

  /** The messages are no longer those of before, with some behind them: nothing is left out any more. */
  reset(): void {
    this.#skipped = 0
  }

  /**
   * The prompt for the answer to `messages`, which begins with `prefill`.
   * @throws {ContextOverflowError} when it does not fit and nothing (more) may be left out
   */
  async prompt(messages: readonly ChatMessage[], prefill: string, policy: OverflowPolicy): Promise<Prompt> {
    const prompt =
      policy === 'drop-oldest'
        ? await this.#dropOldest(messages, prefill)
        : await this.#shorten(messages, prefill, policy)
    const { contextSize } = this.#shape
    if (prompt.tokens.length <= this.#most) return prompt
    throw new ContextOverflowError(prompt.tokens.length, contextSize, this.#most)
  }

  /** Tokens of the prompt for the answer to `messages`, all of them, however many fit. */
  async countTokens(messages: readonly ChatMessage[]): Promise<number> {
    return (await this.#render(messages, '', [])).tokens.length
  }

  /** Remembers the tokens of a prompt and of the answer behind it; none where they are not all of its text. */
  commit({ rendered, tokens, protection }: Prompt, answer: string, answerTokens?: readonly number[]): void {
    this.#evaluated = answerTokens
      ? { rendered: rendered + protection.protect(answer), tokens: [...tokens, ...answerTokens] }
      : { rendered, tokens }
  }

  get #most(): number {
    return this.#shape.contextSize - this.#shape.reserved
  }

  async #shorten(
    messages: readonly ChatMessage[],
    prefill: string,
    policy: Exclude<OverflowPolicy, 'drop-oldest'>,
  ): Promise<Prompt> {
    const whole = await this.#render(messages, prefill, [])
    if (policy === 'error' || whole.tokens.length <= this.#most) return whole
    const kept: unknown = policy(messages.map((message) => ({ ...message })))
    checkKept(kept)
    const isKept = ({ role, content }: ChatMessage) =>
      kept.some((message) => message.role === role && message.content === content)
    return this.#render(
      kept,
      prefill,
      messages.filter((message) => !isKept(message)),
    )
  }

  // Leaving something out changes the prompt near its beginning, so everything is evaluated again: then leave out
  // enough for some turns to come.
  async #dropOldest(messages: readonly ChatMessage[], prefill: string): Promise<Prompt> {
    const system = messages[0]?.role === 'system' ? 1 : 0
    let first = Math.min(system + this.#skipped, messages.length - 1)
    let goal = this.#most
    for (;;) {
      const kept = [...messages.slice(0, system), ...messages.slice(first)]
      const prompt = await this.#render(kept, prefill, messages.slice(system, first))
      const next = nextTurn(messages, first)
      if (prompt.tokens.length <= goal || next >= messages.length) {
        this.#skipped = first - system
        return prompt
      }
      goal = Math.floor(this.#most * KEPT_SHARE)
      first = beyond(messages, next, estimatedExcess(prompt, goal))
    }
  }

  async #render(
    messages: readonly ChatMessage[],
    prefill: string,
    dropped: readonly ChatMessage[],
  ): Promise<Prompt> {
    const contents = [...messages.map(({ content }) => content), prefill]
    const protection = new Protection(this.#model.info.controlTexts, contents)
    const protect = (content: string) => protection.protect(content)
    const rendered = render(this.#model, this.#format, messages, protect) + protect(prefill)
    const tokens = await this.#tokenize(rendered, protection)
    return { tokens, text: protection.plain(rendered), dropped, rendered, protection }
  }

  async #tokenize(rendered: string, protection: Protection): Promise<number[]> {
    const known =
      this.#evaluated && rendered.startsWith(this.#evaluated.rendered) ? this.#evaluated : undefined
    const tokens = [...(known?.tokens ?? [])]
    for (const piece of protection.pieces(rendered.slice(known?.rendered.length ?? 0))) {
      const added =
        tokens.length === 0
          ? await encode(this.#model, piece, true, true)
          : await encodeMore(this.#model, piece)
      for (const token of added) tokens.push(token)
    }
    return tokens
  }
}

function checkKept(kept: unknown): asserts kept is readonly ChatMessage[] {
  checkMessages(kept as readonly ChatMessage[], 1)
  if ((kept as readonly ChatMessage[]).at(-1)?.role === 'user') return
  throw optionError('overflow', 'a function that returns messages, the last one of the user', kept)
}

/** Characters to leave out so that `goal` tokens are left, half of what the prompt's average says. */
function estimatedExcess({ tokens, text }: Prompt, goal: number): number {
  return (((tokens.length - goal) / tokens.length) * text.length) / 2
}

/** The turn from `from` on before which `characters` are left out; at most the last one. */
function beyond(messages: readonly ChatMessage[], from: number, characters: number): number {
  let at = from
  for (let left = characters; left > 0; ) {
    const next = nextTurn(messages, at)
    if (next >= messages.length) break
    for (const { content } of messages.slice(at, next)) left -= content.length
    at = next
  }
  return at
}

/** Where the turn behind the one at `from` begins: at the next message of the user. */
function nextTurn(messages: readonly ChatMessage[], from: number): number {
  let at = from + 1
  while (at < messages.length && messages[at]?.role !== 'user') at++
  return at
}
