import type { Demand } from '../scheduler/request.ts'
import type { EventStream } from './events.ts'
import type { PartialResult } from './result.ts'

/** @internal Told what a reader of pieces does. */
export type ReaderWatch = {
  /** It asks for a piece: called in its own async context. */
  asks(): void
  /** It has got one. */
  has(): void
  /** It wants no more. */
  leaves(): void
  /** The generation has ended. */
  ends(): void
}

/** @internal Where the events of a generation come from. */
export type EventSource = {
  /** Starts the pipe; called once, when the first piece is wanted. `signal` is the generation's own. */
  start(demand: Demand, signal: AbortSignal): EventStream
  /**
   * Called once at the end, before that is reported, with what was made, or without it where it is not to be
   * kept.
   */
  end?(made: PartialResult | undefined): void
  readonly reader?: ReaderWatch
}
