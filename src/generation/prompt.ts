import type { ChatMessage } from '../core/messages.ts'
import type { Aside } from '../scheduler/request-queue.ts'
import type { ReplyFormat } from './stages/reply.ts'

/** @internal What a generation evaluates, and what ends it. */
export type TokenPrompt = {
  readonly tokens: ArrayLike<number> & Iterable<number>
  readonly text: string
  readonly stop: readonly string[]
  /** Tokens after a gap in the prompt may be moved in the cache instead of evaluated again. */
  readonly moved?: boolean
  /**
   * The conversation that it belongs to: cached tokens of that one that are not in the prompt are not worth
   * keeping.
   */
  readonly conversation?: object
  /** If false, nothing is evaluated, and the generation ends with `length`. */
  readonly fits: boolean
  /** Messages that were left out of it. */
  readonly dropped?: readonly ChatMessage[]
  /** Tells the parts of the answer apart. */
  readonly reply?: ReplyFormat | undefined
}

/**
 * @internal Makes the prompt when the generation begins. Functions of the program that help are called
 * through `aside`.
 */
export type MakePrompt = (aside: Aside) => Promise<TokenPrompt>
