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
 * The first stage: evaluates the prompt and yields tokens until the model ends its answer (`stop`; the end
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
  let cachedTokens: number | undefined
  let processedTokens = 0
  const onStep = (cached: number) => {
    cachedTokens ??= cached
    processedTokens = cached
    steps.ring()
  }
  const drawn = request.next(prompt, { ...step, onStep })
  const isDrawn = drawn.then(
    () => true,
    () => true, // reported below
  )
  const progress = (): ProgressEvent => {
    const { promptLength: promptTokens } = request
    return { type: 'progress', promptTokens, cachedTokens: cachedTokens ?? 0, processedTokens }
  }
  while (!(await Promise.race([isDrawn, steps.next().then(() => false)]))) yield progress()
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
