import { optionError } from '../core/errors.ts'
import { type ChatMessage, checkMessages } from '../core/messages.ts'
import { checkObject } from '../options/checks.ts'
import { DEFAULTS } from '../options/defaults.ts'
import { boolean, define, Option, oneOf, string } from '../options/define.ts'
import type { GenerateOptions } from '../options/generate.ts'
import type { OverflowPolicy } from './prompt.ts'
import { parsePattern, type ReasoningPolicy, type TemplateOptions } from './template/template.ts'

/** Options of `model.chatSession(options)` and `model.withChatSession(options, fn)`. */
export type ChatSessionOptions = TemplateOptions & {
  /**
   * What the model is told before the conversation. With a Jinja template (most models) the content of a system
   * message; with a `promptTemplate` raw text in front of everything, special tokens parsed, as in Python.
   * @default that of a catalog entry whose template is used, else none; `''` for none. Source: `system_prompt` in Python
   */
  readonly systemPrompt?: string | undefined
  /** Alias of `systemPrompt`. Source: `system_template` on Python's page */
  readonly systemTemplate?: string | undefined
  /**
   * GPT4All's form of a template for one turn: `{0}` or `%1` is where the user's message goes, `%2` (optional) where
   * the answer goes. @default the model's own chat template. Source: `prompt_template` in Python
   */
  readonly promptTemplate?: string | undefined
  /** A Jinja template to use instead of the model's own. @default the model's own. Source: `chat_template` in Python */
  readonly chatTemplate?: string | undefined
  /** A conversation to go on with. Its first message may be the system's, instead of `systemPrompt`. @default none */
  readonly messages?: readonly ChatMessage[] | undefined
  /**
   * A file that `session.save()` has written: the conversation goes on where it was, in place of `messages` and
   * `systemPrompt`. With another model, where its cache does not fit, or where another user or machine has saved it, its messages
   * are evaluated anew.
   * @default none. A file that is damaged, or none, throws `ERR_SESSION_FILE`
   */
  readonly restore?: string | undefined
  /**
   * When the conversation has outgrown `nCtx`: `'drop-oldest'` leaves the oldest turns out of the prompt (never the
   * system prompt, nor the last message) until at most half of what fits is left, as soon as the prompt and room for the
   * answer (`maxTokens`, a quarter of `nCtx` at most) do not fit; `'error'` rejects with `ContextOverflowError`
   * where the prompt has more than `nCtx - 4` tokens; `'stop'` ends the turn at once without text, with `finishReason:
   * 'length'` and `messages` as before; a function, async if it likes, returns the messages that the model is to see.
   * `messages` keeps them all; `result.dropped` tells what was left out.
   * @default 'drop-oldest'
   */
  readonly overflow?: OverflowPolicy | undefined
  /**
   * End answers at GPT4All's stop strings too (`### Human`, `<|im_end|>` ...).
   * @default true with a `promptTemplate` or the default one, false with a Jinja template
   */
  readonly defaultStops?: boolean | undefined
  /**
   * What the model sees of its earlier reasoning: `'keep'` all of it, `'strip'` none, as far as the template can.
   * @default what the template does by itself; most show none, or that of the last answer
   */
  readonly reasoning?: ReasoningPolicy | undefined
  /** Whether the model may think before it answers, where its template has a switch for it. @default true */
  readonly enableThinking?: boolean | undefined
}

/** Options of `session.generate(prompt, options)`. */
export type ChatGenerateOptions = GenerateOptions & {
  /** Whether the model may think before this answer. @default that of the session */
  readonly enableThinking?: boolean | undefined
  /**
   * How the answer begins. The message in the history has it, the generation only what follows. An answer that is
   * begun is not thought about first. @default ''
   */
  readonly prefill?: string | undefined
}

export type ResolvedChatOptions = {
  readonly template: TemplateOptions
  readonly messages: readonly ChatMessage[]
  readonly overflow: OverflowPolicy
  readonly defaultStops: boolean | undefined
  readonly reasoning: ReasoningPolicy | undefined
  readonly enableThinking: boolean
  /** A system prompt was given, be it an empty one: that of a catalog entry is not used. */
  readonly ownSystem: boolean
  readonly restore: string | undefined
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

const anyString = () => new Option(text)

const CHAT = define<ChatSessionOptions>()({
  systemPrompt: anyString(),
  systemTemplate: anyString(),
  promptTemplate: string(),
  chatTemplate: string(),
  messages: new Option((_, given) => given as ChatSessionOptions['messages']), // see checkMessages()
  restore: string(),
  overflow: new Option(overflow).default(DEFAULTS.overflow),
  defaultStops: boolean(),
  reasoning: oneOf('keep', 'strip'),
  enableThinking: boolean().default(DEFAULTS.enableThinking),
})

export function resolveChatOptions(options?: ChatSessionOptions): ResolvedChatOptions {
  const {
    systemPrompt,
    systemTemplate,
    promptTemplate,
    chatTemplate,
    messages = [],
    ...resolved
  } = CHAT.resolve(options)
  const system = systemPrompt ?? systemTemplate
  checkMessages(messages)
  if (system && messages[0]?.role === 'system')
    throw optionError('systemPrompt', 'no system prompt beside a system message in "messages"', system)
  if (resolved.restore !== undefined)
    for (const [name, value] of Object.entries({ systemPrompt, systemTemplate, messages: options?.messages }))
      if (value !== undefined)
        throw optionError(name, 'nothing beside "restore", whose file brings its own,', value)
  if (promptTemplate !== undefined) parsePattern(promptTemplate)
  if (promptTemplate !== undefined && chatTemplate !== undefined)
    throw optionError('promptTemplate', 'either "promptTemplate" or "chatTemplate"', promptTemplate)
  const ownMessages = messages.map((message) => ({ ...message }))
  return {
    ...resolved,
    template: { promptTemplate, chatTemplate },
    messages: system ? [{ role: 'system', content: system }, ...ownMessages] : ownMessages,
    ownSystem: system !== undefined || messages[0]?.role === 'system',
  }
}

const RENDER = define<TemplateOptions & Pick<ChatSessionOptions, 'enableThinking'>>()({
  promptTemplate: CHAT.table.promptTemplate,
  chatTemplate: CHAT.table.chatTemplate,
  enableThinking: CHAT.table.enableThinking,
})

/** Options of `model.renderPrompt(messages, options)`. */
export function resolveRenderOptions(
  options: TemplateOptions & Pick<ChatSessionOptions, 'enableThinking'> = {},
): Pick<ResolvedChatOptions, 'template' | 'enableThinking'> {
  RENDER.resolve(options)
  return resolveChatOptions(options)
}

/** What only a turn of a chat has, apart from the options of any generation. */
export type TurnOptions = {
  readonly prefill: string
  readonly enableThinking: boolean | undefined
  readonly options: GenerateOptions
}

const TURN = define<Pick<ChatGenerateOptions, 'prefill' | 'enableThinking'>>()({
  prefill: anyString().default(''),
  enableThinking: boolean(),
})

export function splitChatOptions(options: ChatGenerateOptions = {}): TurnOptions {
  checkObject('options', options)
  const { prefill, enableThinking, ...others } = options
  return { ...TURN.resolve({ prefill, enableThinking }), options: others }
}

function text(name: string, value: unknown): string | undefined {
  if (value === undefined || typeof value === 'string') return value
  throw optionError(name, 'a string', value)
}

function overflow(name: string, value: unknown): OverflowPolicy | undefined {
  const known = value === undefined || typeof value === 'function' || POLICIES.includes(value)
  if (known) return value as OverflowPolicy | undefined
  throw optionError(name, '"drop-oldest", "error", "stop" or a function', value)
}

const POLICIES: readonly unknown[] = ['drop-oldest', 'error', 'stop']
