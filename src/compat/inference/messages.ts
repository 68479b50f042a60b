import type { ChatMessage } from '../common/types.ts'
import { warnOnce } from '../common/warn.ts'

/** A message of the user, and the answer to it. */
export type Turn = { readonly user: string; readonly assistant: string }

type Turns = {
  readonly turns: readonly Turn[]
  /** The messages of these turns. */
  readonly history: ChatMessage[]
  /** What the user said last and nobody has answered; `undefined` if there is no such message. */
  readonly last: string | undefined
}

/** Messages as turns: those of one role in a row are joined, and system messages are left out, with a warning. */
export function turnsOf(messages: readonly ChatMessage[]): Turns {
  for (const message of messages) checkMessage(message)
  if (messages.some(({ role }) => role === 'system'))
    warnOnce(
      'System messages are currently not supported and will be ignored. Use the systemPrompt option instead.',
    )
  const turns: { user: string; assistant: string }[] = []
  const said = messages.filter(({ role }) => role !== 'system')
  const unanswered: string[] = []
  for (const [i, { role, content }] of said.entries()) {
    if (role === 'user') unanswered.push(content)
    else if (unanswered.length > 0 || i === 0)
      turns.push({ user: unanswered.splice(0).join('\n'), assistant: content })
    else turns.at(-1)!.assistant += `\n${content}`
  }
  const history = said.slice(0, said.length - unanswered.length)
  return { turns, history, last: unanswered.length > 0 ? unanswered.join('\n') : undefined }
}

function checkMessage(message: ChatMessage): void {
  const { role, content }: { role?: unknown; content?: unknown } = message ?? {}
  if (typeof content === 'string' && ['system', 'user', 'assistant'].includes(role as string)) return
  throw new Error('A message must have the role system, user or assistant, and a text as its content.')
}
