import type { Demand } from '../scheduler/request.ts'
import type { EventStream } from './events.ts'
import type { PartialResult } from './result.ts'

/** @internal Where the events of a generation come from. */
export type EventSource = {
  /** Starts the pipe; called once, when the first piece is wanted. `signal` is the generation's own. */
  start(demand: Demand, signal: AbortSignal): EventStream
  /** Called once at the end, before it is reported: with what was made, or without where that is not to be kept. */
  end?(made: PartialResult | undefined): void
}
