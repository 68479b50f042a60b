import type { ChatMessage } from '../core/messages.ts'
import type { FinishReason } from './events.ts'
import type { TokenLogprob } from './logprobs.ts'
import type { Channel } from './reply.ts'

export type Usage = {
  /** Tokens of the prompt, those of the template and the model's own start token included. */
  readonly promptTokens: number
  /** Of these, tokens that were in the cache and were not evaluated again. */
  readonly cachedTokens: number
  /** Tokens generated, without the end token. */
  readonly completionTokens: number
}

export type Timings = {
  /** Waited in line for others, or for the beginning of the prompt to be evaluated for another: a part of `promptMs`. */
  readonly queueMs: number
  /** From the start to the first token, waiting in line included, milliseconds. */
  readonly promptMs: number
  /** From the first token to the last, milliseconds. */
  readonly completionMs: number
  /** Prompt tokens evaluated per second of `promptMs` less `queueMs`; 0 where none were. */
  readonly promptTokensPerSecond: number
  /** Tokens generated per second, after the first; 0 where there are fewer than two. */
  readonly tokensPerSecond: number
  /** With `promptLookup` or `draftModel`: tokens that were guessed, and those of them that the model agreed to. */
  readonly proposedTokens: number
  readonly acceptedTokens: number
}

/** A piece of what the model writes. */
export type Part = {
  readonly channel: Channel
  readonly text: string
  /** With the option `logprobs`: the tokens since the part before, with this one's last. */
  readonly logprobs?: readonly TokenLogprob[]
}

export type GenerationResult = {
  /** The answer, without the reasoning. */
  readonly text: string
  /** In a chat with a reasoning model: what it thought before it answered; else `''`. */
  readonly reasoning: string
  /** Ids of the generated tokens, without the end token. */
  readonly tokens: readonly number[]
  /** One of each of `tokens`, with the option `logprobs`; else `undefined`. */
  readonly logprobs: readonly TokenLogprob[] | undefined
  /**
   * `stop`: the model ended its answer, or a stop string came; `length`: `maxTokens` or the context's end;
   * `callback`: the callback returned `false`; `break`: the reader left the loop.
   */
  readonly finishReason: FinishReason
  /** The stop string that came; `undefined` where none did. */
  readonly stopSequence: string | undefined
  /** The seed that repeats this run. */
  readonly seed: number
  readonly usage: Usage
  readonly timings: Timings
  /** In a chat session: the messages left out because the conversation has outgrown the context. */
  readonly dropped: readonly ChatMessage[]
}

/** What a generation that failed or was aborted had made by then. */
export type PartialResult = Pick<GenerationResult, 'text' | 'reasoning' | 'tokens' | 'usage'>
