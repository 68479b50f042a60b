import { optionError } from '../errors.ts'
import { translateFailure } from '../native/failures.ts'
import type { NativeModel } from '../native/types.ts'

/** One message of a conversation. */
export type ChatMessage = {
  readonly role: 'system' | 'user' | 'assistant'
  readonly content: string
}

const ROLES: readonly string[] = ['system', 'user', 'assistant']

/** The template of models that bring none. Source: the GPT4All Python package. */
function renderDefault(messages: readonly ChatMessage[]): string {
  let prompt = ''
  for (const { role, content } of messages) {
    if (role === 'user') prompt += `### Human:\n${content}\n\n### Assistant:\n`
    else prompt += `${content}\n\n`
  }
  return prompt
}

/**
 * The prompt that asks the model for its next message, in the format it was trained on.
 * @throws {TypeError} `ERR_OPTION` when `messages` are not messages
 * @throws {TemplateError} `ERR_TEMPLATE` when the model's template fails on them
 */
export function renderMessages(model: NativeModel, messages: readonly ChatMessage[]): string {
  checkMessages(messages)
  if (model.chatTemplate() === undefined) return renderDefault(messages)
  try {
    return model.renderChat({ template: undefined, messages, addGenerationPrompt: true })
  } catch (error) {
    throw translateFailure(error, 'The model')
  }
}

function checkMessages(messages: readonly ChatMessage[]): void {
  if (!Array.isArray(messages) || messages.length === 0) {
    throw optionError('messages', 'a non-empty array of messages', messages)
  }
  messages.forEach((message: unknown, i) => {
    const { role, content } = (message ?? {}) as Partial<ChatMessage>
    if (typeof role !== 'string' || !ROLES.includes(role)) {
      throw optionError(`messages[${i}].role`, '"system", "user" or "assistant"', role)
    }
    if (typeof content !== 'string') throw optionError(`messages[${i}].content`, 'a string', content)
  })
}
