import type { NativeLogprobs } from '../native/contract.ts'
import type { Request, StepOptions } from '../scheduler/request.ts'
import type { EndEvent } from './events.ts'
import type { TokenLogprob } from './logprobs.ts'

/** A token that the model wrote. */
export type TokenEvent = {
  readonly type: 'token'
  readonly token: number
  readonly logprob: TokenLogprob | undefined
}

type TokenLimits = {
  readonly maxTokens: number
  /** Tokens the context holds, prompt and answer together. */
  readonly contextSize: number
  readonly endTokens: ReadonlySet<number>
}

/**
 * The first stage: evaluates the prompt and yields tokens until the model ends its answer (`stop`; the end
 * token is not yielded) or a limit is reached (`length`).
 */
export async function* generateTokens(
  request: Request,
  prompt: Iterable<number>,
  step: StepOptions,
  limits: TokenLimits,
  describe: (token: number, logprobs: NativeLogprobs) => TokenLogprob,
): AsyncGenerator<TokenEvent | EndEvent, void, void> {
  let next = prompt
  for (let count = 0; count < limits.maxTokens; ) {
    const drawn = await request.next(next, { ...step, most: limits.maxTokens - count })
    for (const [i, token] of drawn.tokens.entries()) {
      step.signal?.throwIfAborted() // several came at once, and the reader may want no more
      if (limits.endTokens.has(token)) return yield end('stop')
      const logprobs = drawn.logprobs?.[i]
      yield { type: 'token', token, logprob: logprobs && describe(token, logprobs) }
      count++
    }
    next = drawn.tokens
    // The last token drawn has not been evaluated: it needs a cell before another can be drawn.
    if (request.tokens.length + drawn.tokens.length - 1 >= limits.contextSize) break
  }
  yield end('length')
}

const end = (finishReason: 'stop' | 'length'): EndEvent => ({
  type: 'end',
  finishReason,
  stopSequence: undefined,
})
