import type { Placement } from './cache/placement.ts'
import type { Slots } from './cache/slots.ts'
import type { Ask, Request } from './request.ts'

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
