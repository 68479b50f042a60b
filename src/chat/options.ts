import { boolean, checkKnown, checkObject, string } from '../checks.ts'
import { optionError } from '../errors.ts'
import type { GenerateOptions } from '../options.ts'
import type { OverflowPolicy } from './history.ts'
import { type ChatMessage, checkMessages, parsePattern, type TemplateOptions } from './template.ts'

/** Options of `model.chatSession(options)` and `model.withChatSession(options, fn)`. */
export type ChatSessionOptions = TemplateOptions & {
  /**
   * What the model is told before the conversation. With a Jinja template (most models) the content of a system
   * message; with a `promptTemplate` raw text in front of everything, special tokens parsed, as in Python.
   * @default none
   */
  readonly systemPrompt?: string | undefined
  /** Alias of `systemPrompt`. */
  readonly systemTemplate?: string | undefined
  /**
   * GPT4All's form of a template for one turn: `{0}` or `%1` is where the user's message goes, `%2` (optional) where
   * the answer goes. @default the model's own chat template
   */
  readonly promptTemplate?: string | undefined
  /** A Jinja template to use instead of the model's own. @default the model's own */
  readonly chatTemplate?: string | undefined
  /** A conversation to go on with. Its first message may be the system's, instead of `systemPrompt`. @default none */
  readonly messages?: readonly ChatMessage[] | undefined
  /**
   * When the conversation has outgrown `nCtx`: `'drop-oldest'` leaves the oldest turns out of the prompt (never the
   * system prompt, nor the last message) until it takes half of what fits, so that the next few turns are cached, `'error'` rejects with `ContextOverflowError`, and a function returns the
   * messages that the model is to see. `messages` keeps them all; `result.dropped` tells what was left out.
   * @default 'drop-oldest'
   */
  readonly overflow?: OverflowPolicy | undefined
  /**
   * End answers at GPT4All's stop strings too (`### Human`, `<|im_end|>` ...).
   * @default true with a `promptTemplate` or the default one, false with a Jinja template
   */
  readonly defaultStops?: boolean | undefined
}

/** Options of `session.generate(prompt, options)`. */
export type ChatGenerateOptions = GenerateOptions & {
  /** How the answer begins. The message in the history has it, the generation only what follows. @default '' */
  readonly prefill?: string | undefined
}

export type ResolvedChatOptions = {
  readonly template: TemplateOptions
  readonly messages: readonly ChatMessage[]
  readonly overflow: OverflowPolicy
  readonly defaultStops: boolean | undefined
}

/** What ends an answer in the formats that models without a template were trained on. Source: GPT4All's backend. */
export const DEFAULT_STOPS: readonly string[] = [
  '### System',
  '### Instruction',
  '### Human',
  '### User',
  '### Response',
  '### Assistant',
  '### Context',
  '<|im_start|>',
  '<|im_end|>',
  '<|endoftext|>',
]

const CHAT_OPTIONS: Readonly<Record<keyof ChatSessionOptions, true>> = {
  systemPrompt: true,
  systemTemplate: true,
  promptTemplate: true,
  chatTemplate: true,
  messages: true,
  overflow: true,
  defaultStops: true,
}

export function resolveChatOptions(options: ChatSessionOptions = {}): ResolvedChatOptions {
  checkObject('options', options)
  checkKnown(options, CHAT_OPTIONS)
  const { systemPrompt, systemTemplate, promptTemplate, chatTemplate, messages = [] } = options
  const system = text('systemPrompt', systemPrompt) ?? text('systemTemplate', systemTemplate)
  checkMessages(messages)
  if (system && messages[0]?.role === 'system')
    throw optionError('systemPrompt', 'no system prompt beside a system message in "messages"', system)
  string('promptTemplate', promptTemplate)
  string('chatTemplate', chatTemplate)
  if (promptTemplate !== undefined) parsePattern(promptTemplate)
  if (promptTemplate !== undefined && chatTemplate !== undefined)
    throw optionError('promptTemplate', 'either "promptTemplate" or "chatTemplate"', promptTemplate)
  return {
    template: { promptTemplate, chatTemplate },
    messages: system ? [{ role: 'system', content: system }, ...messages] : [...messages],
    overflow: overflow(options.overflow) ?? 'drop-oldest',
    defaultStops: boolean('defaultStops', options.defaultStops),
  }
}

/** Takes `prefill` out of the options: the others are those of any generation. */
export function splitChatOptions(options: ChatGenerateOptions = {}): {
  readonly prefill: string
  readonly options: GenerateOptions
} {
  checkObject('options', options)
  const { prefill, ...others } = options
  return { prefill: text('prefill', prefill) ?? '', options: others }
}

function text(name: string, value: unknown): string | undefined {
  if (value === undefined || typeof value === 'string') return value
  throw optionError(name, 'a string', value)
}

function overflow(value: unknown): OverflowPolicy | undefined {
  const known =
    value === undefined || value === 'drop-oldest' || value === 'error' || typeof value === 'function'
  if (known) return value as OverflowPolicy | undefined
  throw optionError('overflow', '"drop-oldest", "error" or a function', value)
}
