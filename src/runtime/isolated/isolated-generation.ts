import type { Turn } from '../../chat/conversation.ts'
import { Bell } from '../../core/async.ts'
import type { ChatMessage } from '../../core/messages.ts'
import type { EventStream } from '../../generation/events.ts'
import type { Demand } from '../../scheduler/request.ts'
import { GENERATION } from './crash.ts'
import { eventsOf, type WireEvents } from './event-batch.ts'
import { BATCHES_PER_GRANT, type GenerationUpdate } from './wire.ts'
import { errorFromWire } from './wire-errors.ts'

/** Grants the engine's process as many more batches as have been read. */
type Grant = (batches: number, interval: number | undefined) => void

/**
 * The program's end of a generation in the engine's process: the events that have arrived and not been read
 * yet.
 */
export class IsolatedGeneration {
  readonly #demand: Demand
  readonly #messages: readonly ChatMessage[]
  readonly #grant: Grant
  readonly #batches: WireEvents[] = []
  #promptTokens = 0
  #interval: number
  /** Batches that were read since the last grant. */
  #read = 0
  #end: { readonly error: unknown } | 'done' | undefined
  readonly #change = new Bell()

  /** `messages` are those of the turn. */
  constructor(demand: Demand, messages: readonly ChatMessage[], grant: Grant) {
    this.#demand = demand
    this.#messages = messages
    this.#grant = grant
    this.#interval = demand.interval
  }

  /** How a crash report describes the generation. */
  get what(): string {
    return `${GENERATION} (${this.#promptTokens} tokens of prompt)`
  }

  get isOver(): boolean {
    return this.#end !== undefined
  }

  receive({ events, error }: GenerationUpdate): void {
    if (events) this.#batches.push(events)
    if (events?.prompt) this.#promptTokens = events.prompt.promptTokens
    if (events?.end) this.#end = 'done'
    else if (error) this.#end = { error: errorFromWire(error) }
    this.#change.ring()
  }

  fail(error: unknown): void {
    this.#batches.length = 0
    this.#end = { error }
    this.#change.ring()
  }

  /** Rejects with the signal's reason as soon as it aborts. `hold` keeps the program alive while it waits. */
  async *read(signal: AbortSignal, hold: <T>(waiting: Promise<T>) => Promise<T>): EventStream {
    signal.addEventListener('abort', this.#change.ring, { once: true })
    try {
      for (;;) {
        signal.throwIfAborted()
        const batch = this.#batches.shift()
        if (batch) {
          for (const event of eventsOf(batch, this.#messages)) {
            signal.throwIfAborted()
            yield event
          }
          if (!this.#end && batch.deltas.length > 0) this.#askForMore()
        } else if (this.#end === 'done') return
        else if (this.#end) throw this.#end.error
        else await hold(this.#change.next())
      }
    } finally {
      signal.removeEventListener('abort', this.#change.ring)
    }
  }

  #askForMore(): void {
    const { interval } = this.#demand
    const isNew = interval !== this.#interval
    if (++this.#read < BATCHES_PER_GRANT && !isNew) return
    this.#grant(this.#read, isNew ? interval : undefined)
    this.#read = 0
    this.#interval = interval
  }
}

/** What to generate: the part of `GenerationRequest` that differs. */
export type GenerationTarget =
  | { readonly model: number; readonly prompt: string | readonly number[] }
  | { readonly conversation: number; readonly turn: Turn }
