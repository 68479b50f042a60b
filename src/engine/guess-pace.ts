import { average } from './pace.ts'

/** Longest guess; the context has logits for one token more. */
export const MOST_GUESSED = 16
const FIRST_GUESSED = 4
const SHORTEST_REST = 16
const LONGEST_REST = 512
/** Weight of the latest step in the averages. */
export const WEIGHT = 0.25
/** Steps with guesses after which their average counts. */
const ENOUGH = 4

/** Measures whether the guesses for one conversation pay, and chooses how long they are. */
export class GuessPace {
  #length = FIRST_GUESSED
  /** Of steps with guesses, ms per token that came of them. */
  #with: number | undefined
  #tried = 0
  #rest = SHORTEST_REST
  #resting = 0

  /** How many tokens to guess now; 0 while it rests. */
  get length(): number {
    return this.#resting > 0 ? 0 : this.#length
  }

  /** A step went by without a guess. */
  rested(): void {
    if (this.#resting > 0) this.#resting--
  }

  /**
   * A step with `guessed` tokens, of which the model agreed to `accepted`, took `ms`; one without takes `without`
   * ms, as far as is known.
   */
  took(ms: number, guessed: number, accepted: number, without: number | undefined): void {
    this.#with = average(this.#with, ms / (accepted + 1), WEIGHT)
    this.#tried++
    this.#length =
      guessed > 0 && accepted === guessed
        ? Math.min(MOST_GUESSED, 2 * this.#length)
        : Math.max(2, accepted + 1)
    if (this.#tried < ENOUGH) return
    if (without === undefined) {
      this.#resting = 1 // a step without, to compare with
      return
    }
    if (this.#with <= without) {
      this.#rest = SHORTEST_REST
      return
    }
    this.giveUp()
  }

  /** Rests, longer each time. */
  giveUp(): void {
    this.#resting = this.#rest
    this.#rest = Math.min(LONGEST_REST, 2 * this.#rest)
    this.#with = undefined
    this.#tried = 0
    this.#length = FIRST_GUESSED
  }
}
