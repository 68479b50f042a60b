import type { ChatMessage } from '../core/messages.ts'
import type { FinishReason } from './events.ts'
import type { TokenLogprob } from './logprobs.ts'
import type { Channel } from './stages/reply.ts'

/** Token counts of a generation. */
export type Usage = {
  /** Tokens of the prompt, including those of the template and the model's start token. */
  readonly promptTokens: number
  /** How many of them were in the cache and did not have to be evaluated. */
  readonly cachedTokens: number
  /** Tokens generated, without the end token. */
  readonly completionTokens: number
}

/** Durations and speeds of a generation. */
export type Timings = {
  /**
   * Milliseconds spent waiting in line, or for another generation to evaluate the beginning of the same
   * prompt. Part of `promptMs`.
   */
  readonly queueMs: number
  /** Milliseconds from the start to the first token, waiting included. */
  readonly promptMs: number
  /** Milliseconds from the first token to the last. */
  readonly completionMs: number
  /** Prompt tokens evaluated per second of `promptMs - queueMs`; 0 if none were evaluated. */
  readonly promptTokensPerSecond: number
  /** Tokens generated per second after the first; 0 if there are fewer than two. */
  readonly tokensPerSecond: number
  /** Tokens guessed with `promptLookup` or `draftModel`. */
  readonly proposedTokens: number
  /** How many of the guessed tokens the model confirmed. */
  readonly acceptedTokens: number
}

/** A piece of what the model writes. */
export type Part = {
  /** Whether the piece belongs to the answer or to the reasoning before it. */
  readonly channel: Channel
  /** The piece: whole characters, never empty. */
  readonly text: string
  /**
   * With the option `logprobs`: one entry for each token since the previous part, up to and including those
   * of this one.
   */
  readonly logprobs?: readonly TokenLogprob[]
}

/** The text of a generation, and how it came about. */
export type GenerationResult = {
  /** The answer, without the reasoning. */
  readonly text: string
  /** What a reasoning model thought before the answer, in a chat session; otherwise `''`. */
  readonly reasoning: string
  /** Ids of the generated tokens, without the end token. */
  readonly tokens: readonly number[]
  /** One entry per token of `tokens` with the option `logprobs`; otherwise `undefined`. */
  readonly logprobs: readonly TokenLogprob[] | undefined
  /**
   * `stop`: the model ended its answer, or a stop string occurred. `length`: `maxTokens` or the end of the
   * context was reached. `callback`: the callback returned `false`. `break`: the reader left the loop or
   * called `stop()`.
   */
  readonly finishReason: FinishReason
  /** The stop string that ended the generation; `undefined` if none did. */
  readonly stopSequence: string | undefined
  /** The seed with which this run can be repeated. */
  readonly seed: number
  /** Token counts. */
  readonly usage: Usage
  /** Durations and speeds. */
  readonly timings: Timings
  /** Messages left out of the prompt because the conversation has outgrown the context, in a chat session. */
  readonly dropped: readonly ChatMessage[]
}

/**
 * What a generation had produced by the time it failed or was aborted.
 * @interface
 */
export type PartialResult = Pick<GenerationResult, 'text' | 'reasoning' | 'tokens' | 'usage'>
