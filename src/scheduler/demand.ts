import type { Placement } from './cache/placement.ts'
import type { Slots } from './cache/slots.ts'
import type { Ask, Request } from './request.ts'

type Queued = {
  readonly slots: Slots<Request>
  readonly placement: Placement
  readonly isWaiting: (request: Request) => boolean
  /** There could be more slots. */
  readonly canGrow: boolean
}

/** Those who ask and have no slot. */
export function waitingFor(slots: Slots<Request>, asks: readonly Ask[]): Ask[] {
  return asks.filter((ask) => !slots.of(ask.request))
}

/**
 * How many of those who ask are served by the next step, and how many slots they all lack (less than 0: how many are left). Who is
 * held back has no use for one yet, as what it begins with is being evaluated for another, and will soon.
 */
export function demandOf(
  asks: readonly Ask[],
  { slots, placement, isWaiting, canGrow }: Queued,
): { readonly served: number; readonly missing: number } {
  const waiting = waitingFor(slots, asks)
  const free = slots.free(isWaiting)
  const isHeldBack = ({ request }: Ask) => placement.isUnderWay(request, isWaiting)
  const heldBack = free > 0 || canGrow ? waiting.filter(isHeldBack).length : 0
  const missing = waiting.length - free
  return { served: asks.length - Math.max(heldBack, missing, 0), missing }
}

/** How many of those who ask have a slot, or could have one where there may be `most`. */
export function canRun(
  asks: readonly Ask[],
  slots: Slots<Request>,
  isWaiting: (request: Request) => boolean,
  most: number,
): number {
  const room = slots.free(isWaiting) + most - slots.all.length
  return asks.length - Math.max(0, waitingFor(slots, asks).length - room)
}
