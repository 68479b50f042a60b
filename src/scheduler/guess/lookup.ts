/** A match shorter than this is chance. */
const LEAST_MATCH = 3

/**
 * Proposes what comes next: what followed the last time the same tokens stood together. Prompts that are quoted, code
 * that is changed, lists: much of a text has been there before.
 */
export class Lookup {
  /** Where the token behind each run of `LEAST_MATCH` tokens stands; the latest wins. */
  readonly #next = new Map<string, number>()
  /** Tokens that were read. */
  #seen = 0
  /** Where what comes next stands, if it has been there before. */
  #from: number | undefined
  /** Tokens in a row, up to the last one, that a proposal of one token would have got right. */
  #foretold = 0

  /**
   * Up to `count` tokens that may follow `tokens`, which only ever grows; none where its end is new, or where fewer than
   * `evidence` tokens in a row would have been foretold.
   */
  propose(tokens: readonly number[], count: number, evidence: number): number[] {
    while (this.#seen < tokens.length) this.#read(tokens)
    if (this.#from === undefined || this.#foretold < evidence || count < 1) return []
    return tokens.slice(this.#from, this.#from + count)
  }

  #read(tokens: readonly number[]): void {
    const position = this.#seen++
    const isForetold = this.#from !== undefined && tokens[this.#from] === tokens[position]
    this.#foretold = isForetold ? this.#foretold + 1 : 0
    // The run that ends with this token has none behind it yet.
    if (position >= LEAST_MATCH) this.#next.set(keyAt(tokens, position), position)
    this.#from = position + 1 >= LEAST_MATCH ? this.#next.get(keyAt(tokens, position + 1)) : undefined
  }
}

/** The run that ends in front of position `end`. */
function keyAt(tokens: readonly number[], end: number): string {
  return `${tokens[end - 3]},${tokens[end - 2]},${tokens[end - 1]}`
}
