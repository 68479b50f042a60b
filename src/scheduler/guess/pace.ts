/** Longest guess; the context has logits for one token more. */
export const MOST_GUESSED = 15
/**
 * Lengths of guesses: with the token before it each makes a multiple of four, as columns are multiplied four
 * at a time.
 */
const LENGTHS = [3, 7, MOST_GUESSED] as const
/** Weight of the latest step in averages of their time. */
export const WEIGHT = 0.25

/** The outcome of a step with a guess. */
type GuessCounts = {
  /** Time of the step and of the guess, ms. */
  readonly ms: number
  /** Tokens that were guessed, and how many of them the model accepted. */
  readonly guessed: number
  readonly accepted: number
  /** What a step without a guess takes, ms, as far as is known. */
  readonly without: number | undefined
}

/** Makes guesses longer where they are right, shorter where they are not. */
class GuessLength {
  #length: number = LENGTHS[0]

  get tokens(): number {
    return this.#length
  }

  took({ guessed, accepted }: GuessCounts): void {
    const wanted = guessed > 0 && accepted === guessed ? this.#length + 1 : accepted
    this.#length = LENGTHS.find((length) => length >= wanted) ?? MOST_GUESSED
  }
}

/** Steps that a guess has saved (or, below 0, cost). */
const gain = ({ ms, accepted, without }: GuessCounts): number =>
  without === undefined ? 0 : accepted + 1 - ms / without

/**
 * How many tokens in a row a lookup must have predicted before its next ones are tried: at first, and at
 * most.
 */
const FIRST_EVIDENCE = 2
const MOST_EVIDENCE = 32

/**
 * Guesses from the text itself cost nothing to make, and it costs little to check afterwards whether they
 * were right. So the model verifies them only where they would just have been right: more often in a row
 * after guesses that lost time.
 */
export class LookupPace {
  readonly #length = new GuessLength()
  #evidence = FIRST_EVIDENCE

  get length(): number {
    return this.#length.tokens
  }

  /** How many tokens in a row must have been predicted. */
  get evidence(): number {
    return this.#evidence
  }

  took(guessed: GuessCounts): void {
    this.#length.took(guessed)
    this.#evidence =
      gain(guessed) < 0
        ? Math.min(MOST_EVIDENCE, 4 * this.#evidence)
        : Math.max(FIRST_EVIDENCE, this.#evidence / 2)
  }
}

/** Steps that guesses may lose before they rest, and the most savings of theirs that count. */
const FIRST_CREDIT = 4
const MOST_CREDIT = 16
/** Steps that one guess may lose: beyond that the machine was busy with something else. */
const MOST_LOST = 4
/** The share of the time without guesses that may be lost on finding out whether guesses pay by now. */
const SHARE = 0.02
const LONGEST_REST = 5000

/**
 * Guesses of a draft model cost time whether right or wrong: what they have saved pays for those that lose.
 */
export class DraftPace {
  readonly #length = new GuessLength()
  /** In steps. */
  #credit = FIRST_CREDIT
  /** Steps that it took to catch up with texts, less those that guesses have saved since. */
  #caughtUp = 0
  #resting = 0
  #failures = 0

  /** How many tokens to guess now; 0 while guessing rests. */
  get length(): number {
    return this.#resting > 0 ? 0 : this.#length.tokens
  }

  /** `steps` went by without a guess. */
  rested(steps: number): void {
    this.#resting = Math.max(0, this.#resting - steps)
  }

  /**
   * Before a guess the small model first evaluated what it had missed of a text, which took as long as
   * `steps` steps.
   */
  caughtUp(steps: number): void {
    this.#caughtUp += steps
  }

  took(guessed: GuessCounts): void {
    this.#failures = 0
    this.#length.took(guessed)
    const won = Math.max(-MOST_LOST, gain(guessed))
    this.#credit = Math.min(MOST_CREDIT, this.#credit + won)
    this.#caughtUp = Math.max(0, this.#caughtUp - Math.max(0, won))
    if (this.#credit < 0) this.#rest(FIRST_CREDIT - this.#credit + this.#caughtUp)
  }

  /** The small model failed: guessing rests, longer each time. */
  giveUp(): void {
    this.#failures++
    this.#rest(2 ** this.#failures)
  }

  /** Rests until `lost` steps are a small part of all steps, then tries again. */
  #rest(lost: number): void {
    this.#resting = Math.min(LONGEST_REST, Math.ceil(lost / SHARE))
    this.#credit = FIRST_CREDIT
    this.#caughtUp = 0
  }
}
