import type { ChatMessage } from '../core/messages.ts'
import type { PromptProgress } from '../options/generate.ts'
import type { TokenLogprob } from './logprobs.ts'

/** Why a generation ended. */
export type FinishReason = 'stop' | 'length' | 'callback' | 'break'

/** @internal The prompt is made, and will be evaluated next. */
export type PromptEvent = {
  readonly type: 'prompt'
  readonly promptTokens: number
  /** Messages that were left out of the prompt. */
  readonly dropped: readonly ChatMessage[]
  /**
   * False where there is no room for an answer: nothing is evaluated, and the generation ends with `length`.
   */
  readonly fits: boolean
}

/** @internal More of the prompt has been evaluated. Only where it was asked for; of several, the last one counts. */
export type ProgressEvent = { readonly type: 'progress' } & PromptProgress

/**
 * @internal What one token added; `text` and `reasoning` are `''` while a tag or a character is incomplete.
 */
export type DeltaEvent = {
  readonly type: 'delta'
  /** Absent where text was held back and is released at the end. */
  readonly token: number | undefined
  /** Added to the answer. */
  readonly text: string
  /** Added to the reasoning. */
  readonly reasoning: string
  /** Added to what the model wrote, tags included. */
  readonly raw: string
  /** Bytes of the token; in sum as many as those of `raw`, unless the text was cut within a token. */
  readonly bytes: number
  /** Present where log probabilities were asked for. */
  readonly logprob: TokenLogprob | undefined
  /**
   * When the pipe yielded it, as `performance.now()` gives it. From an isolated engine the first of a batch
   * has its own time, and the others that of the last.
   */
  readonly at: number
}

/** @internal Figures, after any of them has changed. */
export type UsageEvent = {
  readonly type: 'usage'
  /** Tokens of the prompt that were in the cache. */
  readonly cachedTokens: number
  /** How long the request has waited in line, milliseconds. */
  readonly queueMs: number
  /** Tokens that were guessed, and how many of them were right. */
  readonly proposedTokens: number
  readonly acceptedTokens: number
}

/** @internal The last event of a generation that has not failed. */
export type EndEvent = {
  readonly type: 'end'
  readonly finishReason: FinishReason
  /** The stop string that ended the text. */
  readonly stopSequence: string | undefined
}

/**
 * @internal What a generation is made of, in order: one `prompt`, `progress` while it is evaluated, then
 * `delta`s with `usage` before, between or after them, and one `end`. One that fails ends with `usage`, also
 * where its prompt could not be made. Plain data, the same from this process and from an isolated engine.
 */
export type GenerationEvent = PromptEvent | ProgressEvent | DeltaEvent | UsageEvent | EndEvent

/** @internal */
export type EventStream = AsyncGenerator<GenerationEvent, void, void>

/**
 * @internal A stage between the tokens and the reader: what an event becomes, in order. Nothing follows an `end`, which
 * a stage may also put in before its own comes. Stages are functions, as each async generator would cost every token
 * several turns of the microtask queue.
 */
export type Stage<In, Out> = (event: In | EndEvent) => readonly (Out | EndEvent)[]
