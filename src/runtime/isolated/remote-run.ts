import type { Turn } from '../../chat/conversation.ts'
import { arePromptsWanted } from '../../core/logger.ts'
import type { ChatMessage } from '../../core/messages.ts'
import type { Delta } from '../../generation/reply.ts'
import type { RunRecord } from '../../generation/run.ts'
import type { ResolvedGenerateOptions } from '../../options/generate.ts'
import { GENERATION } from './crash.ts'
import { BATCHES_TOLD, type Item, messagesToWire, type RemoteHost, type RunUpdate } from './wire.ts'
import { errorFromWire } from './wire-errors.ts'

/** Tells the engine's process that so many more batches have been read. */
type Grant = (batches: number, interval: number | undefined) => void

/** The program's end of a generation in the engine's process: what has come of it and has not been read yet. */
export class RemoteRun {
  readonly #record: RunRecord
  readonly #messages: readonly ChatMessage[]
  readonly #grant: Grant
  readonly #batches: Pick<RunUpdate, 'items' | 'made'>[] = []
  #interval: number
  /** Batches that the engine has not been told of. */
  #read = 0
  #end: { readonly error: unknown } | 'done' | undefined
  #wake = () => {}

  /** `messages` are those of the turn. */
  constructor(record: RunRecord, messages: readonly ChatMessage[], grant: Grant) {
    this.#record = record
    this.#messages = messages
    this.#grant = grant
    this.#interval = record.reader.interval
  }

  /** What a crash tells of it. */
  get what(): string {
    return `${GENERATION} (${this.#record.promptTokens} tokens of prompt)`
  }

  get isOver(): boolean {
    return this.#end !== undefined
  }

  receive({ items, made, figures, prompt, end }: RunUpdate): void {
    const record = this.#record
    if (figures) Object.assign(record, figures)
    if (prompt) {
      record.dropped = prompt.dropped.map((i) => this.#messages[i]!)
      if (prompt.fits) record.onPrompt?.()
    }
    if (items.length > 0) this.#batches.push({ items, ...(made && { made }) })
    if (end && 'outcome' in end) {
      Object.assign(record.outcome, end.outcome)
      this.#end = 'done'
    } else if (end) this.#end = { error: errorFromWire(end.error) }
    this.#wake()
  }

  fail(error: unknown): void {
    this.#batches.length = 0
    this.#end = { error }
    this.#wake()
  }

  /** Rejects with the signal's reason as soon as it aborts. `hold` keeps the program alive while it waits. */
  async *read(
    signal: AbortSignal,
    hold: <T>(waiting: Promise<T>) => Promise<T>,
  ): AsyncGenerator<Delta, void, void> {
    const onAbort = () => this.#wake()
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      for (;;) {
        signal.throwIfAborted()
        const batch = this.#batches.shift()
        if (batch) {
          for (const [i, item] of batch.items.entries()) {
            signal.throwIfAborted()
            this.#record.madeAt = localTime(batch.made?.[i === 0 ? 0 : 1])
            yield this.#note(item)
          }
          if (!this.#end) this.#askForMore()
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

  #note([token, text, reasoning, raw, tokenBytes, logprobs]: Item): Delta {
    const record = this.#record
    record.transcript.raw += raw ?? text
    record.tokenBytes = tokenBytes
    if (logprobs) record.logprobs.push(...logprobs)
    return { token, text, reasoning }
  }

  #askForMore(): void {
    const { interval } = this.#record.reader
    const isNew = interval !== this.#interval
    if (++this.#read < BATCHES_TOLD && !isNew) return
    this.#grant(this.#read, isNew ? interval : undefined)
    this.#read = 0
    this.#interval = interval
  }
}

const localTime = (epoch: number | undefined) => epoch && epoch - performance.timeOrigin

/** What is to be generated: the part of `RunRequest` that differs. */
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
  record: RunRecord,
  signal: AbortSignal,
): AsyncGenerator<Delta, void, void> {
  signal.throwIfAborted()
  const id = process.newId()
  const messages = 'turn' in asked ? asked.turn.messages : []
  const run = new RemoteRun(record, messages, (batches, interval) =>
    process.say((host) => host.credit.asEvent(id, batches, interval)),
  )
  process.addRun(id, run)
  const { interval } = record.reader
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
