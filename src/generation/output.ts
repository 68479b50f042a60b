import type { DeltaEvent, EndEvent, PromptEvent, UsageEvent } from './events.ts'
import type { TokenLogprob } from './logprobs.ts'
import type { GenerationResult, Part, PartialResult } from './result.ts'
import type { Channel } from './stages/reply.ts'
import { Stopwatch } from './stopwatch.ts'

const NO_PROMPT = { promptTokens: 0, dropped: [] }
const NO_USAGE = { cachedTokens: 0, queueMs: 0, proposedTokens: 0, acceptedTokens: 0 }

/** What a generation has made so far, from the events of its pipe. */
export class Output {
  /** The pieces of text, in order. */
  readonly parts: Part[] = []
  readonly #tokens: number[] = []
  /** `undefined` where they were not asked for. */
  readonly #logprobs: TokenLogprob[] | undefined
  /** How many log probabilities went out with the parts. */
  #sentLogprobs = 0
  #prompt: Pick<PromptEvent, 'promptTokens' | 'dropped'> = NO_PROMPT
  #usage: Omit<UsageEvent, 'type'> = NO_USAGE
  readonly #stopwatch = new Stopwatch()

  constructor(reportsLogprobs: boolean) {
    this.#logprobs = reportsLogprobs ? [] : undefined
  }

  /** The generation begins now. */
  start(): void {
    this.#stopwatch.start()
  }

  add(event: PromptEvent | UsageEvent | DeltaEvent): void {
    if (event.type === 'prompt') this.#prompt = event
    else if (event.type === 'usage') this.#usage = event
    else this.#addDelta(event)
  }

  get hasPrompt(): boolean {
    return this.#prompt !== NO_PROMPT
  }

  get lastToken(): number | undefined {
    return this.#tokens.at(-1)
  }

  get partial(): PartialResult {
    const of = (channel: Channel) =>
      this.parts.map((part) => (part.channel === channel ? part.text : '')).join('')
    const { promptTokens } = this.#prompt
    const { cachedTokens } = this.#usage
    const usage = { promptTokens, cachedTokens, completionTokens: this.#tokens.length }
    return { text: of('answer'), reasoning: of('reasoning'), tokens: [...this.#tokens], usage }
  }

  result({ finishReason, stopSequence }: Omit<EndEvent, 'type'>, seed: number): GenerationResult {
    const { promptTokens, dropped } = this.#prompt
    const made = { tokens: this.#tokens.length, promptTokens, usage: this.#usage, finishReason }
    return {
      ...this.partial,
      finishReason,
      stopSequence,
      logprobs: this.#logprobs && [...this.#logprobs],
      seed,
      timings: this.#stopwatch.timings(made),
      dropped,
    }
  }

  #addDelta({ token, text, reasoning, logprob, at }: DeltaEvent): void {
    this.#stopwatch.note(at, this.#tokens.length === 0)
    if (logprob) this.#logprobs?.push(logprob)
    if (reasoning) this.#addPart('reasoning', reasoning)
    if (text) this.#addPart('answer', text)
    if (token !== undefined) this.#tokens.push(token)
  }

  #addPart(channel: Channel, text: string): void {
    const logprobs = this.#logprobs?.slice(this.#sentLogprobs)
    this.parts.push({ channel, text, ...(logprobs && { logprobs }) })
    this.#sentLogprobs += logprobs?.length ?? 0
  }
}
