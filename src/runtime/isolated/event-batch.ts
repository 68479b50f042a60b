import type { ChatMessage } from '../../core/messages.ts'
import type {
  DeltaEvent,
  EndEvent,
  GenerationEvent,
  ProgressEvent,
  PromptEvent,
  UsageEvent,
} from '../../generation/events.ts'
import type { TokenLogprob } from '../../generation/logprobs.ts'

/**
 * A delta as it crosses between processes, an array as these are frequent. `raw` is left out where it equals
 * `text`.
 */
type WireDelta = readonly [
  token: number | undefined,
  text: string,
  reasoning: string,
  raw: string | undefined,
  bytes: number,
  logprob?: TokenLogprob,
]

/** Events of a generation that cross together, in the order of these members. */
export type WireEvents = {
  /** Dropped messages are given by their indices among those of the turn. */
  readonly prompt?: Omit<PromptEvent, 'type' | 'dropped'> & { readonly dropped: readonly number[] }
  /** The latest usage event. */
  readonly usage?: UsageEvent
  /** The latest progress event. */
  readonly progress?: ProgressEvent
  readonly deltas: readonly WireDelta[]
  /** When the first and the last of the deltas were made, milliseconds since 1970. */
  readonly made?: readonly [first: number, last: number]
  readonly end?: EndEvent
}

/** Collects events until they cross together. */
export class EventBatch {
  readonly #messages: readonly ChatMessage[]
  #prompt: WireEvents['prompt']
  #usage: UsageEvent | undefined
  #progress: ProgressEvent | undefined
  #deltas: WireDelta[] = []
  #made: [first: number, last: number] | undefined
  #end: EndEvent | undefined

  /** `messages` are those of the turn. */
  constructor(messages: readonly ChatMessage[]) {
    this.#messages = messages
  }

  add(event: GenerationEvent): void {
    if (event.type === 'delta') this.#addDelta(event)
    else if (event.type === 'usage') this.#usage = event
    else if (event.type === 'progress') this.#progress = event
    else if (event.type === 'end') this.#end = event
    else {
      const left = new Set(event.dropped)
      const dropped = Array.from(this.#messages.keys()).filter((i) => left.has(this.#messages[i]!))
      this.#prompt = { promptTokens: event.promptTokens, fits: event.fits, dropped }
    }
  }

  /** The events that came since the last call; `undefined` where none did. */
  take(): WireEvents | undefined {
    const [prompt, usage, progress, deltas, made, end] = [
      this.#prompt,
      this.#usage,
      this.#progress,
      this.#deltas,
      this.#made,
      this.#end,
    ]
    if (!prompt && !usage && !progress && !end && deltas.length === 0) return undefined
    this.#prompt = this.#usage = this.#progress = this.#made = this.#end = undefined
    this.#deltas = []
    return {
      deltas,
      ...(prompt && { prompt }),
      ...(usage && { usage }),
      ...(progress && { progress }),
      ...(made && { made }),
      ...(end && { end }),
    }
  }

  #addDelta({ token, text, reasoning, raw, bytes, logprob, at }: DeltaEvent): void {
    const delta = [token, text, reasoning, raw === text ? undefined : raw, bytes] as const
    this.#deltas.push(logprob ? [...delta, logprob] : delta)
    const made = performance.timeOrigin + at
    this.#made = [this.#made?.[0] ?? made, made]
  }
}

/** The events of a batch. `messages` are those of the turn. */
export function* eventsOf(
  { prompt, usage, progress, deltas, made, end }: WireEvents,
  messages: readonly ChatMessage[],
): Generator<GenerationEvent, void, void> {
  if (prompt) {
    const dropped = prompt.dropped.map((i) => messages[i]!)
    yield { ...prompt, type: 'prompt', dropped }
  }
  if (usage) yield usage
  if (progress) yield progress
  for (const [i, [token, text, reasoning, raw = text, bytes, logprob]] of deltas.entries()) {
    const at = (made?.[i === 0 ? 0 : 1] ?? 0) - performance.timeOrigin
    yield { type: 'delta', token, text, reasoning, raw, bytes, logprob, at }
  }
  if (end) yield end
}
