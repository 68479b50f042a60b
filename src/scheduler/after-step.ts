import type { NativeEvalResult } from '../native/contract.ts'
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

/** How many streams a step draws for, and how many tokens of prompts and guesses it evaluates. */
function sizesOf(work: readonly BatchEntry[]): { streams: number; prompts: number; guessed: number } {
  const sizes = { streams: 0, prompts: 0, guessed: 0 }
  for (const { tokens, guessed } of work) {
    sizes.guessed += guessed
    if (tokens.length - guessed === 1) sizes.streams++
    else sizes.prompts += tokens.length
  }
  return sizes
}

/** Books what a step has done for one of its entries, for which it drew `drawn`. */
export function note({ ask: { request }, slot, tokens, guessed }: BatchEntry, drawn: Int32Array): void {
  request.noteStep(slot.tokens.length, guessed, drawn.length)
  // All drawn tokens but the last have been evaluated too. The next step drops wrong guesses.
  for (const token of tokens.subarray(0, tokens.length - guessed)) slot.tokens.push(token)
  for (const token of drawn.subarray(0, -1)) slot.tokens.push(token)
  if (slot.tokens.length <= request.promptLength) slot.inSlices = slot.tokens.length
  slot.lastUsed = performance.now()
}
