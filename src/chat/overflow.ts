import { optionError } from '../core/errors.ts'
import { type ChatMessage, checkMessages } from '../core/messages.ts'

/**
 * @throws {TypeError} `ERR_OPTION` unless a user's `overflow` function returned messages that ask for an
 * answer
 */
export function checkKept(kept: unknown): readonly ChatMessage[] {
  const messages = kept as readonly ChatMessage[]
  const last = Array.isArray(kept) ? messages.at(-1)?.role : undefined
  if (last === undefined || last === 'assistant')
    throw optionError('overflow', 'a function that returns messages, the last one not an answer', kept)
  checkMessages(messages, 1)
  return messages
}

/** The `messages` that are not among `kept`; of equal ones, the last count as kept. */
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

/** About how many characters the template puts around a message. */
const FRAME = 20

/**
 * The messages from `first` on make a prompt of `tokens` tokens, which should have only `goal`. Returns where
 * to start instead: at a later turn, before which about half of the excess lies. So a few renderings approach
 * the goal from above.
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

/** Where the turn after the one at `from` begins: at the next user message. */
export function nextTurn(messages: readonly ChatMessage[], from: number): number {
  let at = from + 1
  while (at < messages.length && messages[at]?.role !== 'user') at++
  return at
}
