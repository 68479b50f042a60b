/** A match shorter than this is chance. */
const LEAST_MATCH = 3

/**
 * Proposes what comes next: what followed the last time the same tokens stood together. Prompts that are quoted, code
 * that is changed, lists: much of a text has been there before.
 */
export class Lookup {
  /** Where the token behind each run of `LEAST_MATCH` tokens stands; the latest wins. */
  readonly #next = new Map<string, number>()
  /** Tokens that are in the index. */
  #seen = 0

  /** Up to `count` tokens that may follow `tokens`, which only ever grows; none where its end is new. */
  propose(tokens: readonly number[], count: number): number[] {
    // The last run has no token behind it yet.
    for (; this.#seen < tokens.length; this.#seen++)
      if (this.#seen >= LEAST_MATCH) this.#next.set(keyAt(tokens, this.#seen), this.#seen)
    if (tokens.length < LEAST_MATCH || count < 1) return []
    const from = this.#next.get(keyAt(tokens, tokens.length))
    return from === undefined ? [] : tokens.slice(from, from + count)
  }
}

/** The run that ends in front of position `end`. */
function keyAt(tokens: readonly number[], end: number): string {
  return `${tokens[end - 3]},${tokens[end - 2]},${tokens[end - 1]}`
}
