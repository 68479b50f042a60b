import { optionError } from './errors.ts'

/** One message of a conversation. */
export type ChatMessage = {
  /** Who wrote the message. */
  readonly role: 'system' | 'user' | 'assistant'
  /** The text of the message. */
  readonly content: string
  /** What the model thought before it answered; only messages of the assistant have it. */
  readonly reasoning?: string | undefined
}

const ROLES: readonly string[] = ['system', 'user', 'assistant']

/** @throws {TypeError} `ERR_OPTION` if `messages` are not messages, or fewer than `least` */
export function checkMessages(messages: readonly ChatMessage[], least = 0): void {
  if (!Array.isArray(messages) || messages.length < least) {
    throw optionError('messages', least ? 'a non-empty array of messages' : 'an array of messages', messages)
  }
  // By index: forEach() would skip holes.
  for (let i = 0; i < messages.length; i++) {
    const { role, content, reasoning } = (messages[i] ?? {}) as Partial<ChatMessage>
    if (typeof role !== 'string' || !ROLES.includes(role)) {
      throw optionError(`messages[${i}].role`, '"system", "user" or "assistant"', role)
    }
    if (typeof content !== 'string') throw optionError(`messages[${i}].content`, 'a string', content)
    if (reasoning !== undefined && typeof reasoning !== 'string')
      throw optionError(`messages[${i}].reasoning`, 'a string', reasoning)
  }
}
