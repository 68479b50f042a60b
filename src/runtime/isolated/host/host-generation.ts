import { Bell } from '../../../core/async.ts'
import type { ChatMessage } from '../../../core/messages.ts'
import type { EventSource } from '../../../generation/source.ts'
import { EventBatch } from '../event-batch.ts'
import { BATCHES_AHEAD, type GenerationUpdate } from '../wire.ts'
import { errorToWire, type WireError } from '../wire-errors.ts'

/**
 * The engine's end of a generation: reads events ahead of the program, by a few batches at most. A batch is
 * what comes in one turn of the event loop.
 */
export class HostGeneration {
  readonly #id: number
  readonly #demand: { interval: number }
  readonly #batch: EventBatch
  readonly #leaving = new AbortController()
  readonly #schedule: () => void
  #credit = BATCHES_AHEAD
  #error: WireError | undefined
  readonly #change = new Bell()

  /** `messages` are those of the turn; `schedule` is called when there is something to `take()`. */
  constructor(id: number, interval: number, messages: readonly ChatMessage[], schedule: () => void) {
    this.#id = id
    this.#demand = { interval }
    this.#batch = new EventBatch(messages)
    this.#schedule = schedule
  }

  /** Resolves when the generation is over, however it ends. */
  async read(source: EventSource): Promise<void> {
    const { signal } = this.#leaving
    try {
      const events = source.start(this.#demand, signal)
      try {
        for (;;) {
          while (this.#credit <= 0 && !signal.aborted) await this.#change.next()
          signal.throwIfAborted()
          const { done, value } = await events.next()
          if (done) break
          this.#batch.add(value)
          this.#schedule()
        }
      } finally {
        await events.return()
      }
    } catch (error) {
      this.#error = errorToWire(error)
    }
    this.#schedule()
  }

  grant(batches: number, interval: number | undefined): void {
    this.#credit += batches
    if (interval !== undefined) this.#demand.interval = interval
    this.#change.ring()
  }

  leave(): void {
    this.#leaving.abort(new Error('left'))
    this.#change.ring()
  }

  /** What is new since the last call; `undefined` where nothing is. */
  take(): GenerationUpdate | undefined {
    const error = this.#error
    const events = this.#batch.take()
    if (!events && !error) return undefined
    if (events && events.deltas.length > 0) this.#credit--
    return { generation: this.#id, ...(events && { events }), ...(error && { error }) }
  }
}
