import { optionError } from '../errors.ts'
import { translateFailure } from '../native/failures.ts'
import type { NativeModel } from '../native/types.ts'

/** One message of a conversation. */
export type ChatMessage = {
  readonly role: 'system' | 'user' | 'assistant'
  readonly content: string
}

/** How messages become a prompt. */
export type PromptFormat =
  | {
      readonly kind: 'jinja' /** Its source; `undefined` = the GGUF's own. */
      readonly source: string | undefined
    }
  | ({ readonly kind: 'pattern' } & Pattern)

/** A turn is `before`, what the user says, `between`, what the model answers, `after`. */
type Pattern = { readonly before: string; readonly between: string; readonly after: string }

export type TemplateOptions = {
  /** GPT4All's form: `{0}` or `%1` is the user's message, `%2` (where there is one) the answer. */
  readonly promptTemplate?: string | undefined
  /** A Jinja template as in `tokenizer_config.json`. */
  readonly chatTemplate?: string | undefined
}

/** What ends an answer where the template leaves no line behind it. Source: GPT4All's backend. */
const BLANK_LINE = '\n\n'

/** The template of models that bring none. Source: the GPT4All Python package. */
export const DEFAULT_PROMPT_TEMPLATE = '### Human:\n{0}\n\n### Assistant:\n'

const ROLES: readonly string[] = ['system', 'user', 'assistant']

/** The caller's own template, else the GGUF's, else the default. */
export function chooseFormat(options: TemplateOptions, model: NativeModel): PromptFormat {
  const { promptTemplate, chatTemplate } = options
  if (chatTemplate !== undefined) return { kind: 'jinja', source: chatTemplate }
  if (promptTemplate !== undefined) return { kind: 'pattern', ...parsePattern(promptTemplate) }
  if (model.chatTemplate() !== undefined) return { kind: 'jinja', source: undefined }
  return { kind: 'pattern', ...parsePattern(DEFAULT_PROMPT_TEMPLATE) }
}

/** @throws {TypeError} `ERR_OPTION` unless it has one `{0}` or `%1`, and at most one `%2` behind it */
export function parsePattern(template: string): Pattern {
  const parts = template.split(/(\{0\}|%1|%2)/)
  const places = parts.filter((_, i) => i % 2 === 1)
  const [before = '', , between = '', , after] = parts
  const first = places[0] === '%1' || places[0] === '{0}'
  if (!first || places.length > 2 || (places.length === 2 && places[1] !== '%2')) {
    throw optionError(
      'promptTemplate',
      'a text with one {0} or %1 for the message, and perhaps a %2 behind it',
      template,
    )
  }
  return { before, between, after: after ?? BLANK_LINE }
}

/**
 * The prompt that asks the model for its next message. `wrap` is applied to what users and the model have written,
 * and to what a Jinja template gets as the system's; the raw system text of the `{0}` and `%1` forms stays as it is.
 * @throws {TemplateError} `ERR_TEMPLATE` when a Jinja template cannot be parsed, or fails on these messages
 */
export function render(
  model: NativeModel,
  format: PromptFormat,
  messages: readonly ChatMessage[],
  wrap: (content: string) => string = (content) => content,
): string {
  if (format.kind === 'pattern') return renderPattern(format, messages, wrap)
  const wrapped = messages.map(({ role, content }) => ({ role, content: wrap(content) }))
  try {
    return model.renderChat({ template: format.source, messages: wrapped, addGenerationPrompt: true })
  } catch (error) {
    throw translateFailure(error, 'The model')
  }
}

function renderPattern(
  { before, between, after }: Pattern,
  messages: readonly ChatMessage[],
  wrap: (content: string) => string,
): string {
  let prompt = ''
  for (const { role, content } of messages) {
    if (role === 'system') prompt += content
    else if (role === 'user') prompt += before + wrap(content) + between
    else prompt += wrap(content) + after
  }
  return prompt
}

/** @throws {TypeError} `ERR_OPTION` when `messages` are not messages, or none where some are needed */
export function checkMessages(messages: readonly ChatMessage[], least = 0): void {
  if (!Array.isArray(messages) || messages.length < least) {
    throw optionError('messages', least ? 'a non-empty array of messages' : 'an array of messages', messages)
  }
  messages.forEach((message: unknown, i) => {
    const { role, content } = (message ?? {}) as Partial<ChatMessage>
    if (typeof role !== 'string' || !ROLES.includes(role)) {
      throw optionError(`messages[${i}].role`, '"system", "user" or "assistant"', role)
    }
    if (typeof content !== 'string') throw optionError(`messages[${i}].content`, 'a string', content)
  })
}
