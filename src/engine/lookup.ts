import { average } from './pace.ts'

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

/** Longest proposal; the context has logits for one token more. */
export const MOST_PROPOSED = 16
const FIRST_PROPOSED = 4
const SHORTEST_REST = 16
const LONGEST_REST = 512
/** Weight of the latest step in the averages. */
const WEIGHT = 0.25
/** Steps with proposals after which their average counts. */
const ENOUGH = 4

/** Measures whether proposals pay, and chooses how long they are. */
export class LookupPace {
  #length = FIRST_PROPOSED
  /** Of steps with and without proposals, ms per token that came of them. */
  #with: number | undefined
  #without: number | undefined
  #tried = 0
  #rest = SHORTEST_REST
  #resting = 0

  /** How many tokens to propose now; 0 while it rests. */
  get length(): number {
    return this.#resting > 0 ? 0 : this.#length
  }

  /** A step with `proposed` tokens, of which the model agreed to `accepted`, took `ms`. */
  took(ms: number, proposed: number, accepted: number): void {
    if (proposed === 0) {
      this.#without = average(this.#without, ms, WEIGHT)
      if (this.#resting > 0) this.#resting--
      return
    }
    this.#with = average(this.#with, ms / (accepted + 1), WEIGHT)
    this.#tried++
    this.#length =
      accepted === proposed ? Math.min(MOST_PROPOSED, 2 * this.#length) : Math.max(2, accepted + 1)
    if (this.#tried < ENOUGH) return
    if (this.#without === undefined) {
      this.#resting = 1 // a step without, to compare with
      return
    }
    if (this.#with <= this.#without) {
      this.#rest = SHORTEST_REST
      return
    }
    this.#resting = this.#rest
    this.#rest = Math.min(LONGEST_REST, 2 * this.#rest)
    this.#with = undefined
    this.#tried = 0
    this.#length = FIRST_PROPOSED
  }
}
