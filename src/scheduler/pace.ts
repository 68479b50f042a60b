/**
 * A step with part of a prompt beside running streams may take this many times as long as one of streams
 * alone ...
 */
const MOST_TIMES = 2.5
/** ... or, where that is short, this long, ms: two frames of a display. */
const UNFELT_MS = 32
/**
 * Tokens of a prompt beside running streams: the fewest, and as many as are taken before anything was
 * measured.
 */
const LEAST = 4
const FIRST = 8
/** Weight of the latest step in the averages. */
const STREAM_WEIGHT = 0.2
const PROMPT_WEIGHT = 0.5

/** Measures steps, and works out how much of a prompt fits beside running streams without holding them up. */
export class Pace {
  /** Time of a step that draws for every stream and evaluates nothing else, ms. */
  #stream: number | undefined
  /**
   * Time of one more prompt token beside them, ms. Slices are short, so a token of one costs more than one of
   * a whole prompt.
   */
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

/** A running average in which `now`, the latest figure, has this weight. */
export function average(past: number | undefined, now: number, weight: number): number {
  return past === undefined ? now : past + weight * (now - past)
}
