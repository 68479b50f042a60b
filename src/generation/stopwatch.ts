import type { FinishReason, UsageEvent } from './events.ts'
import type { Timings } from './result.ts'

/** What a generation has made of what, for its timings. */
type Made = {
  readonly tokens: number
  readonly promptTokens: number
  readonly usage: Omit<UsageEvent, 'type'>
  readonly finishReason: FinishReason
}

/**
 * Notes when a generation starts, and when its first and last pieces come, as `performance.now()` gives it.
 */
export class Stopwatch {
  /** 0 until it starts. */
  #startedAt = 0
  #firstAt = 0
  #lastAt = 0

  start(): void {
    this.#startedAt = performance.now()
  }

  /** A piece was made at `at`; the first one ends the prompt. */
  note(at: number, isFirst: boolean): void {
    this.#lastAt = at
    if (isFirst) this.#firstAt = at
  }

  timings({ tokens, promptTokens, usage, finishReason }: Made): Timings {
    const firstAt = tokens > 0 ? this.#firstAt : performance.now()
    const promptMs = this.#startedAt === 0 ? 0 : firstAt - this.#startedAt
    const { cachedTokens, queueMs, proposedTokens, acceptedTokens } = usage
    // A model may end its answer before the first token.
    const wasEvaluated = tokens > 0 || finishReason === 'stop'
    const completionMs = this.#lastAt - this.#firstAt
    return {
      queueMs,
      promptMs,
      completionMs,
      promptTokensPerSecond: wasEvaluated ? perSecond(promptTokens - cachedTokens, promptMs - queueMs) : 0,
      tokensPerSecond: perSecond(tokens - 1, completionMs),
      proposedTokens,
      acceptedTokens,
    }
  }
}

const perSecond = (count: number, ms: number) => (count > 0 && ms > 0 ? (count / ms) * 1000 : 0)
