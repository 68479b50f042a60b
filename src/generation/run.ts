import type { ChatMessage } from '../core/messages.ts'
import type { Aside } from '../scheduler/line.ts'
import type { Demand } from '../scheduler/request.ts'
import type { TokenLogprob } from './logprobs.ts'
import type { Delta, ReplyFormat, Transcript } from './reply.ts'
import type { PartialResult } from './result.ts'
import type { Outcome } from './tokens.ts'

/** @internal What the run fills in while it is under way. */
export type RunRecord = {
  /** Read before each step. */
  readonly reader: Demand
  readonly outcome: Outcome
  readonly transcript: Transcript
  /** Bytes of all tokens generated; those of the transcript unless it ends within a token. */
  tokenBytes: number
  promptTokens: number
  cachedTokens: number
  queueMs: number
  /** When the token that came last was made, as `performance.now()` tells it; `undefined` = when it came. */
  madeAt: number | undefined
  /** Tokens that were guessed, and those that were right. */
  guessed: { readonly proposedTokens: number; readonly acceptedTokens: number }
  /** Of each token generated, where they were asked for. */
  readonly logprobs: TokenLogprob[]
  /** Messages that were left out of the prompt. */
  dropped: readonly ChatMessage[]
  /** Called once the prompt is made, before it is evaluated; not where there is no room for it. */
  onPrompt: (() => void) | undefined
  /** Brings the figures up to date. */
  refresh: () => void
  /** Called once at the end, before anyone hears of it: with what was made, or without where that is not to be kept. */
  onEnd: ((made: PartialResult | undefined) => void) | undefined
}

/** @internal A record of nothing yet. */
export function newRecord(reader: Demand): RunRecord {
  return {
    reader,
    outcome: { finishReason: 'length', stopSequence: undefined },
    transcript: { raw: '' },
    tokenBytes: 0,
    promptTokens: 0,
    cachedTokens: 0,
    queueMs: 0,
    madeAt: undefined,
    guessed: { proposedTokens: 0, acceptedTokens: 0 },
    logprobs: [],
    dropped: [],
    onPrompt: undefined,
    refresh: () => {},
    onEnd: undefined,
  }
}

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

/** @internal Starts the pipe; called once, when the first piece is wanted. `signal` is the generation's own. */
export type StartRun = (record: RunRecord, signal: AbortSignal) => AsyncGenerator<Delta, void, void>
