import type { ChatMessage } from '../core/messages.ts'
import type { Aside } from '../scheduler/request-queue.ts'
import type { ReplyFormat } from './reply.ts'

/** @internal What a generation evaluates, and what ends it. */
export type PreparedPrompt = {
  readonly tokens: ArrayLike<number> & Iterable<number>
  readonly text: string
  readonly stop: readonly string[]
  /** What stands behind a gap in the prompt may be moved in the cache instead of evaluated again. */
  readonly moved?: boolean
  /** The conversation that it belongs to: what that had in the cache, and has no more, is not worth keeping. */
  readonly conversation?: object
  /** There is no room for it: nothing is evaluated, and the generation ends with `length`. */
  readonly full?: boolean
  /** Messages that were left out of it. */
  readonly dropped?: readonly ChatMessage[]
  /** Tells the parts of the answer apart. */
  readonly reply?: ReplyFormat | undefined
}

/** @internal Makes the prompt, in the moment in which the generation begins. What functions of the program do for it is done `aside`. */
export type Prepare = (aside: Aside) => Promise<PreparedPrompt>
