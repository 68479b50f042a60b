import { optionError } from '../core/errors.ts'
import { type ChatMessage, checkMessages } from '../core/messages.ts'

/** @throws {TypeError} `ERR_OPTION` unless a user's `overflow` function returned messages that ask for an answer */
export function checkKept(kept: unknown): readonly ChatMessage[] {
  const messages = kept as readonly ChatMessage[]
  if (Array.isArray(kept) && messages.at(-1)?.role === 'user') {
    checkMessages(messages, 1)
    return messages
  }
  throw optionError('overflow', 'a function that returns messages, the last one of the user', kept)
}

/** Those of `messages` that are not among `kept`; of equal ones the last are the kept ones. */
export function leftOut(messages: readonly ChatMessage[], kept: readonly ChatMessage[]): ChatMessage[] {
  const key = ({ role, content }: ChatMessage) => `${role}\n${content}`
  const counts = new Map<string, number>()
  for (const message of kept) counts.set(key(message), (counts.get(key(message)) ?? 0) + 1)
  return messages
    .toReversed()
    .filter((message) => {
      const count = counts.get(key(message)) ?? 0
      counts.set(key(message), count - 1)
      return count <= 0
    })
    .toReversed()
}

/** Characters that the template puts around a message, more or less. */
const FRAME = 20

/**
 * Messages from `first` on make a prompt of `tokens` tokens that is to have `goal` only: the turn, one on at least,
 * before which about half of what is too much is left out. So a few renderings come close to the goal, from above.
 */
export function firstKept(
  messages: readonly ChatMessage[],
  first: number,
  tokens: number,
  goal: number,
): number {
  const size = ({ content }: ChatMessage) => content.length + FRAME
  const characters = messages.slice(first).reduce((sum, message) => sum + size(message), 0)
  let left = (((tokens - goal) / tokens) * characters) / 2
  let at = first
  do {
    const next = nextTurn(messages, at)
    if (next >= messages.length) break
    for (const message of messages.slice(at, next)) left -= size(message)
    at = next
  } while (left > 0)
  return at
}

/** Where the turn behind the one at `from` begins: at the next message of the user. */
export function nextTurn(messages: readonly ChatMessage[], from: number): number {
  let at = from + 1
  while (at < messages.length && messages[at]?.role !== 'user') at++
  return at
}
