/** A step that evaluates a part of a prompt beside running streams may take this many times a step of theirs ... */
const MOST_TIMES = 2.5
/** ... and where theirs are short, so long, ms: two frames of a display. */
const UNFELT_MS = 32
/** Tokens of a prompt beside running streams: at least, and as long as nothing was measured. */
const LEAST = 4
const FIRST = 8
/** Weight of the latest step in the averages. */
const STREAM_WEIGHT = 0.2
const PROMPT_WEIGHT = 0.5

/** Measures steps, and from that tells how much of a prompt fits beside running streams without holding them up. */
export class Pace {
  /** Of a step that draws for every stream and evaluates nothing else, ms. */
  #stream: number | undefined
  /** Of one more token of a prompt beside them, ms: slices are short, and a token of them dearer than one of a whole prompt. */
  #prompt: number | undefined

  /** A step of `streams` single tokens and `prompt` tokens of prompts took `ms`. */
  took(ms: number, streams: number, prompt: number): void {
    if (prompt === 0) this.#stream = average(this.#stream, ms, STREAM_WEIGHT)
    else if (streams > 0 && prompt >= LEAST) {
      const more = Math.max(0, ms - (this.#stream ?? 0)) / prompt
      this.#prompt = average(this.#prompt, more, PROMPT_WEIGHT)
    }
  }

  /** Tokens of prompts that may go into a step beside running streams. */
  get beside(): number {
    if (this.#stream === undefined || !this.#prompt) return FIRST
    const most = Math.max(MOST_TIMES * this.#stream, UNFELT_MS)
    return Math.max(LEAST, Math.floor((most - this.#stream) / this.#prompt))
  }
}

/** A running average in which the latest figure has this weight. */
export function average(past: number | undefined, now: number, weight: number): number {
  return past === undefined ? now : past + weight * (now - past)
}
