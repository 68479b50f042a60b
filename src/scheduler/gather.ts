import type { NativeEvalEntry } from '../native/contract.ts'
import type { Slot } from './cache/slots.ts'
import type { Ask, BatchEntry, Guess, Request } from './request.ts'
import { endOfWholeSlice } from './slices.ts'

type StepLimits = {
  /** The slot of a request, newly assigned where it has none; `undefined` when all are busy. */
  readonly slotOf: (request: Request) => Slot<Request> | undefined
  /** Tokens of a request that are not in the cache. */
  readonly pending: (request: Request) => number
  /** The most tokens of a step. */
  readonly mostTokens: number
  /** Prompt tokens that fit beside running streams in a step, where there are as many streams as prompts. */
  readonly beside: number
  /** How many of the asking requests have a slot or will get one. */
  readonly served: number
  /** What may come next in a request; used only while that still runs alone. */
  readonly guess: Guess | undefined
  /** One sequence per step, in whole slices. */
  readonly deterministic: boolean
}

/** Where more prompts wait than streams run, the streams are held up at most this many times longer. */
const MOST_LONGER = 4

/**
 * What the next step evaluates. Streams that need one token go first. Prompts, in order of arrival, share the
 * rest; beside streams they get only as much as does not hold the streams up for long, but more the more
 * prompts wait for each stream.
 */
export function gather(
  asks: readonly Ask[],
  { slotOf, pending, mostTokens, beside, served, guess, deterministic }: StepLimits,
): BatchEntry[] {
  // A prompt of one token is still a prompt: it waits in line like the others.
  const isStream = ({ request }: Ask) => request.cachedTokens !== undefined && pending(request) === 1
  const streams = asks.filter(isStream)
  const prompts = asks.filter((ask) => !isStream(ask))
  const work: BatchEntry[] = []
  let left = mostTokens
  const add = (ask: Ask): void => {
    const slot = slotOf(ask.request)
    if (!slot) return
    const { tokens, promptLength } = ask.request
    const from = slot.tokens.length
    const end = Math.min(tokens.length, from + Math.min(left, ask.batchSize))
    const to = deterministic ? endOfWholeSlice(from, end, promptLength) : end
    const last = to === tokens.length
    const isAlone = served === 1 && last && to - from === 1
    const guessed = isAlone && guess?.request === ask.request ? guess.tokens : []
    const evaluated = Int32Array.from([...tokens.slice(from, to), ...guessed])
    work.push({ ask, slot, tokens: evaluated, guessed: guessed.length, last })
    left -= evaluated.length
    slot.lastUsed = performance.now()
  }
  const isFull = () => left <= 0 || (deterministic && work.length > 0)
  for (const ask of streams) if (!isFull()) add(ask)
  if (work.length > 0) {
    const waiting = prompts.slice(0, served - work.length).map(({ request }) => pending(request))
    const wanted = waiting.reduce((sum, tokens) => sum + Math.min(tokens, beside), 0)
    left = Math.min(left, Math.max(beside, Math.min(MOST_LONGER * beside, Math.ceil(wanted / work.length))))
  }
  for (const ask of prompts) if (!isFull()) add(ask)
  // llama.cpp evaluates neighbouring sequences of the cache together when they come in order.
  return work.sort((a, b) => a.slot.id - b.slot.id)
}

/** What the addon does for an entry of a step. */
export function nativeEntry({ ask, slot, tokens, guessed, last }: BatchEntry): NativeEvalEntry {
  const entry = { sequence: slot.id, position: slot.tokens.length, tokens }
  if (!last) return entry
  // The last token; with guesses, the one before them and each of them.
  const outputs = Array.from(tokens.keys()).slice(-1 - guessed)
  return { ...entry, sampler: ask.sampler, outputs, logprobs: ask.logprobs }
}
