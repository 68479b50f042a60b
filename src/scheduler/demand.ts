import type { Placement } from './cache/placement.ts'
import type { Slots } from './cache/slots.ts'
import type { Ask, Sequence } from './request.ts'

type Line = {
  readonly slots: Slots<Sequence>
  readonly placement: Placement
  readonly isWaiting: (sequence: Sequence) => boolean
  /** There could be more slots. */
  readonly canGrow: boolean
}

/** Those who ask and have no slot. */
export function waitingFor(slots: Slots<Sequence>, asks: readonly Ask[]): Ask[] {
  return asks.filter((ask) => !slots.of(ask.sequence))
}

/**
 * How many of those who ask are served by the next step, and how many slots they all lack (less than 0: how many are left). Who is
 * held back has no use for one yet, as what it begins with is being evaluated for another, and will soon.
 */
export function demandOf(
  asks: readonly Ask[],
  { slots, placement, isWaiting, canGrow }: Line,
): { readonly served: number; readonly missing: number } {
  const waiting = waitingFor(slots, asks)
  const free = slots.free(isWaiting)
  const isHeldBack = ({ sequence }: Ask) => placement.isUnderWay(sequence, isWaiting)
  const heldBack = free > 0 || canGrow ? waiting.filter(isHeldBack).length : 0
  const missing = waiting.length - free
  return { served: asks.length - Math.max(heldBack, missing, 0), missing }
}

/** How many of those who ask have a slot, or could have one where there may be `most`. */
export function canRun(
  asks: readonly Ask[],
  slots: Slots<Sequence>,
  isWaiting: (sequence: Sequence) => boolean,
  most: number,
): number {
  const room = slots.free(isWaiting) + most - slots.all.length
  return asks.length - Math.max(0, waitingFor(slots, asks).length - room)
}
