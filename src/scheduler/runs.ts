import type { NativeRun } from '../native/contract.ts'
import type { Ask, BatchEntry, Request } from './request.ts'

/** From who only waits for all of them: so long a new prompt or a stop string goes unnoticed at most. */
export const UNREAD_MS = 50
/** From everybody while others wait for a slot, and from who has not said. */
const SHORT_MS = 8
/** JavaScript takes them in one go. */
const MOST_STEPS = 64
/** Of a text that may begin to repeat what was there before, so that the next tokens can be guessed. */
const MOST_UNTIL_LOOKUP = 16
const LEAST_UNTIL_LOOKUP = 2

/**
 * How far a step may go on without JavaScript, which costs half a millisecond per token where the weights have
 * just pushed its code out of the processor's caches. One step only beside prompts and guesses; while others wait for a slot
 * (`waiting`) ends are heard of soon.
 */
export function runOf(
  work: readonly BatchEntry[],
  asks: readonly Ask[],
  waiting: number,
  contextSize: number,
): NativeRun | undefined {
  if (work.length + waiting !== asks.length || !work.every(goesOn)) return undefined
  const steps = Math.min(
    MOST_STEPS,
    ...work.map(({ ask }) => Math.min(ask.most ?? 1, contextSize - ask.request.tokens.length + 1)),
    ...(work.length === 1 ? [untilLookup(work[0]!.ask.request)] : []), // guesses are for one alone
  )
  const intervals = work.map(({ ask }) => ask.demand?.interval ?? SHORT_MS)
  const milliseconds = Math.min(...intervals, waiting > 0 ? SHORT_MS : Number.POSITIVE_INFINITY)
  return steps > 1 && milliseconds > 0 ? { steps, milliseconds } : undefined
}

// The first token of an answer comes alone, however little of its prompt was to be evaluated: it is what `promptMs` tells.
const goesOn = ({ ask: { request }, tokens, last }: BatchEntry) =>
  last && tokens.length === 1 && request.cachedTokens !== undefined

// Soon after a guess was right, later by and by.
function untilLookup({ looksUp, acceptedAt, tokens }: Request): number {
  if (!looksUp) return MOST_STEPS
  const since = acceptedAt === undefined ? Number.POSITIVE_INFINITY : tokens.length - acceptedAt
  return Math.min(MOST_UNTIL_LOOKUP, Math.max(LEAST_UNTIL_LOOKUP, Math.floor(since / 2)))
}
