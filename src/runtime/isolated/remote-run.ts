import type { Turn } from '../../chat/conversation.ts'
import type { ChatMessage } from '../../core/messages.ts'
import { arePromptsWanted } from '../../core/prompt-channel.ts'
import type { EventStream } from '../../generation/events.ts'
import type { ResolvedGenerateOptions } from '../../options/generate.ts'
import type { Demand } from '../../scheduler/request.ts'
import { GENERATION } from './crash.ts'
import { eventsOf, type WireEvents } from './event-batch.ts'
import { BATCHES_TOLD, messagesToWire, type RemoteHost, type RunUpdate } from './wire.ts'
import { errorFromWire } from './wire-errors.ts'

/** Grants the engine's process as many more batches as have been read. */
type Grant = (batches: number, interval: number | undefined) => void

/**
 * The program's end of a generation in the engine's process: the events that have arrived and not been read
 * yet.
 */
export class RemoteRun {
  readonly #demand: Demand
  readonly #messages: readonly ChatMessage[]
  readonly #grant: Grant
  readonly #batches: WireEvents[] = []
  #promptTokens = 0
  #interval: number
  /** Batches that were read since the last grant. */
  #read = 0
  #end: { readonly error: unknown } | 'done' | undefined
  #wake = () => {}

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

  receive({ events, error }: RunUpdate): void {
    if (events) this.#batches.push(events)
    if (events?.prompt) this.#promptTokens = events.prompt.promptTokens
    if (events?.end) this.#end = 'done'
    else if (error) this.#end = { error: errorFromWire(error) }
    this.#wake()
  }

  fail(error: unknown): void {
    this.#batches.length = 0
    this.#end = { error }
    this.#wake()
  }

  /** Rejects with the signal's reason as soon as it aborts. `hold` keeps the program alive while it waits. */
  async *read(signal: AbortSignal, hold: <T>(waiting: Promise<T>) => Promise<T>): EventStream {
    const onAbort = () => this.#wake()
    signal.addEventListener('abort', onAbort, { once: true })
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
        else {
          await hold(
            new Promise<void>((resolve) => {
              this.#wake = resolve
            }),
          )
        }
      }
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
  }

  #askForMore(): void {
    const { interval } = this.#demand
    const isNew = interval !== this.#interval
    if (++this.#read < BATCHES_TOLD && !isNew) return
    this.#grant(this.#read, isNew ? interval : undefined)
    this.#read = 0
    this.#interval = interval
  }
}

/** What to generate: the part of `RunRequest` that differs. */
type RunTarget =
  | { readonly model: number; readonly prompt: string | readonly number[] }
  | { readonly conversation: number; readonly turn: Turn }

/** What a generation needs of the engine's process. */
type RunProcess = {
  newId(): number
  say(event: (host: RemoteHost) => Promise<void>): void
  hold<T>(waiting: Promise<T>): Promise<T>
  addRun(id: number, run: RemoteRun): void
  removeRun(id: number, run: RemoteRun): void
}

/** Runs a generation in `process`. */
export async function* runIn(
  process: RunProcess,
  asked: RunTarget,
  { callback: _, signal: __, ...options }: ResolvedGenerateOptions,
  demand: Demand,
  signal: AbortSignal,
): EventStream {
  signal.throwIfAborted()
  const id = process.newId()
  const messages = 'turn' in asked ? asked.turn.messages : []
  const run = new RemoteRun(demand, messages, (batches, interval) =>
    process.say((host) => host.credit.asEvent(id, batches, interval)),
  )
  process.addRun(id, run)
  const { interval } = demand
  const wire =
    'turn' in asked ? { ...asked, turn: { ...asked.turn, messages: messagesToWire(messages) } } : asked
  const request = { ...wire, options, interval, tellsPrompt: arePromptsWanted() }
  process.say((host) => host.startRun.asEvent(id, request))
  try {
    yield* run.read(signal, (waiting) => process.hold(waiting))
  } finally {
    process.removeRun(id, run)
  }
}
