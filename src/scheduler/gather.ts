import type { Placement } from './cache/placement.ts'
import type { Slot, Slots } from './cache/slots.ts'
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

/** How many streams a step draws for, and how many tokens of prompts and guesses it evaluates. */
export function sizesOf(work: readonly BatchEntry[]): { streams: number; prompts: number; guessed: number } {
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
  request.cachedTokens ??= slot.tokens.length
  request.proposed += guessed
  if (guessed > 0 && drawn.length > 1) {
    request.accepted += drawn.length - 1
    request.acceptedAt = request.tokens.length
  }
  // All drawn tokens but the last have been evaluated too. The next step drops wrong guesses.
  for (const token of tokens.subarray(0, tokens.length - guessed)) slot.tokens.push(token)
  for (const token of drawn.subarray(0, -1)) slot.tokens.push(token)
  if (slot.tokens.length <= request.promptLength) slot.inSlices = slot.tokens.length
  slot.lastUsed = performance.now()
}

type QueueView = {
  readonly slots: Slots<Request>
  readonly placement: Placement
  readonly isAsking: (request: Request) => boolean
  /** There could be more slots. */
  readonly canGrow: boolean
}

/** The asking requests that have no slot. */
export function withoutSlot(slots: Slots<Request>, asks: readonly Ask[]): Ask[] {
  return asks.filter((ask) => !slots.of(ask.request))
}

/**
 * How many of the asking requests the next step serves, and how many slots they lack in all (below 0: how
 * many are left over). A held-back request cannot use a slot yet, but soon will: its prefix is still being
 * evaluated for another request.
 */
export function slotUse(
  asks: readonly Ask[],
  { slots, placement, isAsking, canGrow }: QueueView,
): { readonly served: number; readonly missing: number } {
  const waiting = withoutSlot(slots, asks)
  const free = slots.free(isAsking)
  const isHeldBack = ({ request }: Ask) => placement.isUnderWay(request, isAsking)
  const heldBack = free > 0 || canGrow ? waiting.filter(isHeldBack).length : 0
  const missing = waiting.length - free
  return { served: asks.length - Math.max(heldBack, missing, 0), missing }
}

/** How many of the asking requests have a slot, or could have one if there were `most` slots. */
export function servable(
  asks: readonly Ask[],
  slots: Slots<Request>,
  isAsking: (request: Request) => boolean,
  most: number,
): number {
  const free = slots.free(isAsking) + most - slots.all.length
  return asks.length - Math.max(0, withoutSlot(slots, asks).length - free)
}
