import type { NativeEvalResult } from '../native/contract.ts'
import { sizesOf } from './gather.ts'
import type { Guesses } from './guess/guesses.ts'
import type { Pace } from './pace.ts'
import type { BatchEntry, Guess } from './request.ts'

type StepReport = {
  readonly work: readonly BatchEntry[]
  readonly guess: Guess | undefined
  readonly results: readonly NativeEvalResult[]
  readonly ms: number
}

/** Reports how long a step took to `pace` and `guesses`, which shape the next ones. */
export function measure(pace: Pace, guesses: Guesses, { work, guess, results, ms }: StepReport): void {
  const { streams, prompts, guessed } = sizesOf(work)
  const drawn = results[0]?.tokens.length ?? 0
  const steps = guessed > 0 ? 1 : Math.max(1, drawn)
  const step = ms / steps
  if (guessed === 0) pace.took(step, streams, prompts)
  if (streams !== 1 || work.length !== 1) return
  const accepted = guessed > 0 ? drawn - 1 : 0
  guesses.took(work[0]!.ask.request, { steps, ms: step, guessed, accepted }, guess)
}
