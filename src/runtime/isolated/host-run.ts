import type { ChatMessage } from '../../core/messages.ts'
import type { TokenLogprob } from '../../generation/logprobs.ts'
import type { Delta } from '../../generation/reply.ts'
import { newRecord, type RunRecord } from '../../generation/run.ts'
import { BATCHES_AHEAD, type Figures, type Item, type RunUpdate } from './wire.ts'
import { errorToWire } from './wire-errors.ts'

/** Starts the pipe of a generation. */
type Start = (record: RunRecord, signal: AbortSignal) => AsyncGenerator<Delta, void, void>

/**
 * The engine's end of a generation: reads the pipe ahead of the program, by a few batches at most. A batch is what comes in one
 * turn of the event loop.
 */
export class HostRun {
  readonly #id: number
  readonly #messages: readonly ChatMessage[]
  readonly #reader: { interval: number }
  readonly #record: RunRecord
  readonly #leaving = new AbortController()
  readonly #schedule: () => void
  #credit = BATCHES_AHEAD
  #items: Item[] = []
  #made: [first: number, last: number] | undefined
  #prompt: RunUpdate['prompt']
  #hasPrompt = false
  #end: RunUpdate['end']
  #toldRaw = 0
  #toldLogprobs = 0
  #figures: Figures | undefined
  #wake = () => {}

  /** `messages` are those of the turn; `schedule` is called when there is something to `take()`. */
  constructor(id: number, interval: number, messages: readonly ChatMessage[], schedule: () => void) {
    this.#id = id
    this.#messages = messages
    this.#reader = { interval }
    this.#record = newRecord(this.#reader)
    this.#schedule = schedule
    this.#record.onPrompt = () => this.#tellPrompt(true)
  }

  /** Resolves when it is over, however that comes. */
  async run(start: Start): Promise<void> {
    const { signal } = this.#leaving
    try {
      const source = start(this.#record, signal)
      try {
        for (;;) {
          while (this.#credit <= 0 && !signal.aborted) await this.#granted()
          signal.throwIfAborted()
          const { done, value } = await source.next()
          if (done) break
          this.#items.push(this.#item(value))
          const now = performance.timeOrigin + performance.now()
          this.#made = [this.#made?.[0] ?? now, now]
          this.#schedule()
        }
      } finally {
        await source.return()
      }
      if (!this.#hasPrompt) this.#tellPrompt(false)
      this.#end = { outcome: this.#record.outcome }
    } catch (error) {
      this.#end = { error: errorToWire(error) }
    }
    this.#schedule()
  }

  grant(batches: number, interval: number | undefined): void {
    this.#credit += batches
    if (interval !== undefined) this.#reader.interval = interval
    this.#wake()
  }

  leave(): void {
    this.#leaving.abort(new Error('left'))
    this.#wake()
  }

  /** What is new since it was asked last; `undefined` where nothing is. */
  take(): RunUpdate | undefined {
    const [items, made] = [this.#items, this.#made]
    const prompt = this.#prompt
    const end = this.#end
    if (items.length === 0 && !prompt && !end) return undefined
    this.#items = []
    this.#made = undefined
    this.#prompt = undefined
    if (items.length > 0) this.#credit--
    const figures = this.#newFigures()
    return {
      run: this.#id,
      items,
      ...(made && { made }),
      ...(figures && { figures }),
      ...(prompt && { prompt }),
      ...(end && { end }),
    }
  }

  #granted(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve
    })
  }

  #tellPrompt(fits: boolean): void {
    const left = new Set(this.#record.dropped)
    const dropped = Array.from(this.#messages.keys()).filter((i) => left.has(this.#messages[i]!))
    this.#prompt = { dropped, fits }
    this.#hasPrompt = true
    this.#schedule()
  }

  #item({ token, text, reasoning }: Delta): Item {
    const { transcript, tokenBytes, logprobs } = this.#record
    const raw = transcript.raw.slice(this.#toldRaw)
    this.#toldRaw = transcript.raw.length
    const told: [logprobs?: TokenLogprob[]] =
      logprobs.length > this.#toldLogprobs ? [logprobs.slice(this.#toldLogprobs)] : []
    this.#toldLogprobs = logprobs.length
    return [token, text, reasoning, raw === text ? undefined : raw, tokenBytes, ...told]
  }

  // They change with the first token, and with guesses.
  #newFigures(): Figures | undefined {
    this.#record.refresh()
    const { promptTokens, cachedTokens, queueMs, guessed } = this.#record
    const told = this.#figures
    const isOld =
      told?.promptTokens === promptTokens &&
      told.cachedTokens === cachedTokens &&
      told.queueMs === queueMs &&
      told.guessed.proposedTokens === guessed.proposedTokens &&
      told.guessed.acceptedTokens === guessed.acceptedTokens
    if (isOld) return undefined
    this.#figures = { promptTokens, cachedTokens, queueMs, guessed }
    return this.#figures
  }
}
