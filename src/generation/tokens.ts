import type { Request, StepOptions } from '../scheduler/request.ts'

/** Why a generation ended. */
export type FinishReason = 'stop' | 'length' | 'callback' | 'break'

/** What the stages of the pipe learn on the way; the generation reads it at the end. */
export type Outcome = {
  finishReason: FinishReason
  stopSequence: string | undefined
}

export type TokenLimits = {
  readonly maxTokens: number
  /** Tokens the context holds, prompt and answer together. */
  readonly contextSize: number
  readonly endTokens: ReadonlySet<number>
}

/**
 * The first stage: evaluates the prompt and yields token ids until the model ends its answer (`stop`; the end token
 * is not yielded) or a limit is reached (`length`).
 */
export async function* generateTokens(
  request: Request,
  prompt: Iterable<number>,
  step: StepOptions,
  limits: TokenLimits,
  outcome: Outcome,
): AsyncGenerator<number, void, void> {
  let next = prompt
  for (let count = 0; count < limits.maxTokens; ) {
    const drawn = await request.next(next, { ...step, most: limits.maxTokens - count })
    for (const [i, token] of drawn.tokens.entries()) {
      step.signal?.throwIfAborted() // several came at once, and the first may have been one too many
      if (limits.endTokens.has(token)) {
        outcome.finishReason = 'stop'
        return
      }
      if (drawn.logprobs) step.logprobs?.tell(token, drawn.logprobs[i]!)
      yield token
      count++
    }
    next = drawn.tokens
    // What was just drawn has not been evaluated; there must be a cell for it before another can be drawn.
    if (request.tokens.length + drawn.tokens.length - 1 >= limits.contextSize) return
  }
}
