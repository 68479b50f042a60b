import { Bell } from '../core/async.ts'
import type { NativeLogprobs } from '../native/contract.ts'
import type { Request, SampledTokens, StepOptions } from '../scheduler/request.ts'
import type { EndEvent, ProgressEvent } from './events.ts'
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
  /** Whether to report how far the prompt has been evaluated. */
  readonly reportsProgress: boolean
}

/**
 * The source of the stages: evaluates the prompt and yields tokens until the model ends its answer (`stop`; the end
 * token is not yielded) or a limit is reached (`length`).
 */
export async function* generateTokens(
  request: Request,
  prompt: Iterable<number>,
  step: StepOptions,
  limits: TokenLimits,
  describe: (token: number, logprobs: NativeLogprobs) => TokenLogprob,
): AsyncGenerator<TokenEvent | ProgressEvent | EndEvent, void, void> {
  let next = prompt
  for (let count = 0; count < limits.maxTokens; ) {
    const asked = { ...step, most: limits.maxTokens - count }
    const isPrompt = next === prompt
    const drawn =
      isPrompt && limits.reportsProgress
        ? yield* withProgress(request, next, asked)
        : await request.next(next, asked)
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

/** The first step of a request, whose prompt may take many steps of the scheduler. */
async function* withProgress(
  request: Request,
  prompt: Iterable<number>,
  step: StepOptions,
): AsyncGenerator<ProgressEvent, SampledTokens, void> {
  const steps = new Bell()
  let cachedTokens = 0
  /** How many tokens are done, and how many were when that was last reported; -1 before the first step. */
  let processedTokens = -1
  let reported = -1
  const onStep = (cached: number) => {
    if (processedTokens < 0) cachedTokens = cached
    processedTokens = Math.max(processedTokens, cached) // a step that was given up is done again
    steps.ring()
  }
  const drawn = request.next(prompt, { ...step, onStep })
  const isDrawn = drawn.then(
    () => true,
    () => true, // reported below
  )
  const progress = (): ProgressEvent => {
    reported = processedTokens
    return { type: 'progress', promptTokens: request.promptLength, cachedTokens, processedTokens }
  }
  for (;;) {
    if (processedTokens > reported) yield progress()
    else if (await Promise.race([isDrawn, steps.next().then(() => false)])) break
  }
  const made = await drawn
  processedTokens = request.promptLength
  yield progress()
  return made
}

const end = (finishReason: 'stop' | 'length'): EndEvent => ({
  type: 'end',
  finishReason,
  stopSequence: undefined,
})
