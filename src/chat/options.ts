import { optionError } from '../core/errors.ts'
import { type ChatMessage, checkMessages } from '../core/messages.ts'
import { checkObject } from '../options/checks.ts'
import { DEFAULTS } from '../options/defaults.ts'
import { boolean, define, Option, oneOf, path, string } from '../options/define.ts'
import type { GenerateOptions } from '../options/generate.ts'
import type { FilePath } from '../options/path-text.ts'
import type { OverflowPolicy } from './prompt.ts'
import { parsePattern, type ReasoningPolicy, type TemplateOptions } from './template/template.ts'

/**
 * Options of `model.chatSession(options)` and `model.withChatSession(options, fn)`.
 * @interface
 */
export type ChatSessionOptions = TemplateOptions & {
  /**
   * Instructions that precede the conversation. With a Jinja template, which most models have, it is the
   * content of a system message; with a `promptTemplate` it is raw text before everything else, in which
   * special tokens are read as such, as in Python. Without one, that of the catalog entry is used if its
   * template is; `''` switches that off. Source: `system_prompt` in Python.
   * @default undefined
   */
  readonly systemPrompt?: string | undefined
  /**
   * Alias of `systemPrompt`. Source: `system_template` on the Python package's documentation page.
   * @default undefined
   */
  readonly systemTemplate?: string | undefined
  /**
   * A conversation to continue. It may begin with a system message, instead of `systemPrompt`.
   * @default undefined
   */
  readonly messages?: readonly ChatMessage[] | undefined
  /**
   * Path of a file written by `session.save()`, whose conversation continues here; replaces `messages` and
   * `systemPrompt`. Its messages are evaluated again if it was saved with another model, by another user or
   * on another machine, or if its cache does not fit this model's options. A damaged file, or one of another
   * kind, throws `ERR_SESSION_FILE`.
   * @default undefined
   */
  readonly restore?: FilePath | undefined
  /**
   * What happens when the conversation outgrows `nCtx`; `messages` always keeps all of it. `'drop-oldest'`
   * applies when the prompt and room for the answer (`maxTokens`, at most a quarter of `nCtx`) no longer fit:
   * the oldest turns are left out of the prompt, never the system prompt or the last message, until at most
   * half of what fits remains; `result.dropped` lists them. `'error'` rejects with `ContextOverflowError` if
   * the prompt has more than `nCtx - 4` tokens. `'stop'` ends the turn at once, with no text, `finishReason:
   * 'length'` and `messages` unchanged. A function, which may be async, receives the messages and returns
   * those that the model should see.
   * @default 'drop-oldest'
   */
  readonly overflow?: OverflowPolicy | undefined
  /**
   * Also end answers at GPT4All's stop strings (`### Human`, `<|im_end|>` ...). Without it: true with a
   * `promptTemplate` or the default one, false with a Jinja template.
   * @default undefined
   */
  readonly defaultStops?: boolean | undefined
  /**
   * What the model sees of its earlier reasoning: `'keep'` shows all of it, `'strip'` none, as far as the
   * template can. Without it the template decides; most show none, or only that of the last answer.
   * @default undefined
   */
  readonly reasoning?: ReasoningPolicy | undefined
  /**
   * Whether the model may think before it answers, if its template has a switch for that.
   * @default true
   */
  readonly enableThinking?: boolean | undefined
}

/**
 * Options of `session.generate(prompt, options)`.
 * @interface
 */
export type ChatGenerateOptions = GenerateOptions & {
  /**
   * Whether the model may think before this answer. Without it, the session's `enableThinking` applies.
   * @default undefined
   */
  readonly enableThinking?: boolean | undefined
  /**
   * The beginning of the answer. The message in the history contains it; the generation yields only what
   * follows. The model does not think before an answer that has already begun.
   * @default ''
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

/**
 * What ends an answer in the formats that models without a template were trained on. Source: GPT4All's
 * backend.
 */
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
  restore: path(),
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
    throw optionError('systemPrompt', 'no value, because "messages" has a system message,', system)
  if (resolved.restore !== undefined)
    for (const [name, value] of Object.entries({ systemPrompt, systemTemplate, messages: options?.messages }))
      if (value !== undefined)
        throw optionError(name, 'no value together with "restore", whose file has its own,', value)
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
