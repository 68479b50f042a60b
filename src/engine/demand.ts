import type { Ask } from './gather.ts'
import type { Placement } from './placement.ts'
import type { Sequence } from './sequence.ts'
import type { Slots } from './slots.ts'

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
 * How many of those who ask have a slot or could use one, and how many slots they lack (less than 0: how many are left). A slot is of
 * no use yet to who is held back: what it begins with is being evaluated for another.
 */
export function demandOf(
  asks: readonly Ask[],
  { slots, placement, isWaiting, canGrow }: Line,
): { readonly wanted: number; readonly missing: number } {
  const waiting = waitingFor(slots, asks)
  const free = slots.free(isWaiting)
  const isHeldBack = ({ sequence }: Ask) => placement.isUnderWay(sequence, isWaiting)
  const heldBack = free > 0 || canGrow ? waiting.filter(isHeldBack).length : 0
  return { wanted: asks.length - heldBack, missing: waiting.length - heldBack - free }
}
