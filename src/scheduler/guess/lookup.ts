/** Shorter matches are chance. */
const LEAST_MATCH = 3

/**
 * Proposes as the next tokens those that followed the last time the same tokens occurred in a row. Quoted
 * prompts, edited code, lists: much of a text repeats what came before.
 */
export class Lookup {
  /** The position of the token after each run of `LEAST_MATCH` tokens; the latest wins. */
  readonly #next = new Map<string, number>()
  /** Tokens that were read. */
  #seen = 0
  /** The position of the tokens to propose, if the last run has occurred before. */
  #from: number | undefined
  /** How many tokens in a row, up to the last one, a proposal of one token would have got right. */
  #foretold = 0

  /**
   * Up to `count` tokens that may follow `tokens`, which only ever grows; none where its end has not occurred
   * before, or where fewer than the last `evidence` tokens would have been predicted.
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
    // No token follows the run that ends with this one yet.
    if (position >= LEAST_MATCH) this.#next.set(keyAt(tokens, position), position)
    this.#from = position + 1 >= LEAST_MATCH ? this.#next.get(keyAt(tokens, position + 1)) : undefined
  }
}

/** The run that ends before position `end`. */
function keyAt(tokens: readonly number[], end: number): string {
  return `${tokens[end - 3]},${tokens[end - 2]},${tokens[end - 1]}`
}
