import type { NativeRun } from '../native/contract.ts'
import type { Ask, BatchEntry, Request } from './request.ts'

/**
 * Interval of a reader that only wants the end: a stop string goes unnoticed for this long at most.
 */
export const UNREAD_MS = 50
/** Interval of every reader while others wait for a slot, and of readers that have set none. */
const SHORT_MS = 8
/** The most steps whose tokens reach JavaScript in one go. */
const MOST_STEPS = 64
/** Steps before a text may begin to repeat itself, so that its next tokens can be guessed. */
const MOST_UNTIL_LOOKUP = 16
const LEAST_UNTIL_LOOKUP = 2

/**
 * How far a step may go on without JavaScript, which costs half a millisecond per token where the weights
 * have just pushed its code out of the processor's caches. One step only beside prompts and guesses; while
 * others wait for a slot (`waiting`), ends are noticed soon.
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

// The first token of an answer comes alone, however little of the prompt had to be evaluated: `promptMs` ends
// with it.
const goesOn = ({ ask: { request }, tokens, last }: BatchEntry) =>
  last && tokens.length === 1 && request.cachedTokens !== undefined

// Soon after a right guess, then at growing distances.
function untilLookup({ looksUp, acceptedAt, tokens }: Request): number {
  if (!looksUp) return MOST_STEPS
  const since = acceptedAt === undefined ? Number.POSITIVE_INFINITY : tokens.length - acceptedAt
  return Math.min(MOST_UNTIL_LOOKUP, Math.max(LEAST_UNTIL_LOOKUP, Math.floor(since / 2)))
}
