import type { ChatMessage } from '../core/messages.ts'
import type { PartialResult } from '../generation/result.ts'
import type { EventSource, ReaderWatch } from '../generation/source.ts'
import type { AnswerPrefix } from './answer-prefix.ts'

/** What a turn is to answer: the messages, and how the answer begins. */
export type TurnPrompt = { readonly messages: readonly ChatMessage[]; readonly begun: AnswerPrefix }

/** How a turn ends. */
export type TurnEnd = {
  /** Adds the answer to the conversation; absent until the prompt is made. */
  commit: ((made: PartialResult) => Promise<void>) | undefined
  /** Lets the next turn begin; absent until this one has begun. */
  leave: (() => void) | undefined
}

// Not in `ChatSession`: a function made beside `start` would hold the options of the generation, and with
// them a callback that may hold the generation itself, which then would never be collected.
export function endOf(turn: TurnEnd, reader: ReaderWatch): NonNullable<EventSource['end']> {
  return (made) => {
    reader.ends()
    const { commit, leave } = turn
    if (made && commit) commit(made).then(leave, leave)
    else leave?.()
  }
}

/**
 * The last answer as the model wrote it; valid while the session's messages are `messages`, which end with
 * it.
 */
export type LastAnswer = {
  readonly messages: readonly ChatMessage[]
  readonly raw: string
  readonly enableThinking: boolean
}
