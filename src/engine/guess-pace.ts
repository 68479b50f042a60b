/** Longest guess; the context has logits for one token more. */
export const MOST_GUESSED = 15
/** Lengths of guesses. With the token before it each fills rows of four, which is how repacked weights are multiplied. */
const LENGTHS = [3, 7, MOST_GUESSED] as const
/** Weight of the latest step in averages of their time. */
export const WEIGHT = 0.25

/** What came of a step with a guess. */
export type Guessed = {
  /** Time of the step and of the guess, ms. */
  readonly ms: number
  /** Tokens that were guessed, and how many of them the model agreed to. */
  readonly guessed: number
  readonly accepted: number
  /** What a step without a guess takes, ms, as far as is known. */
  readonly without: number | undefined
}

/** Longer guesses where they are right, shorter ones where they are not. */
class GuessLength {
  #length: number = LENGTHS[0]

  get tokens(): number {
    return this.#length
  }

  took({ guessed, accepted }: Guessed): void {
    const wanted = guessed > 0 && accepted === guessed ? this.#length + 1 : accepted
    this.#length = LENGTHS.find((length) => length >= wanted) ?? MOST_GUESSED
  }
}

/** Steps that guessing has won (or, below 0, lost). */
const gain = ({ ms, accepted, without }: Guessed): number =>
  without === undefined ? 0 : accepted + 1 - ms / without

/** Tokens in a row that a look into the text must have foretold before the next ones are believed: at first, and at most. */
const FIRST_EVIDENCE = 2
const MOST_EVIDENCE = 32

/**
 * Guesses from the text itself cost nothing to make and little to check once the text has gone on, so that they are only
 * verified by the model where they would have been right before: longer where such guesses lost time.
 */
export class LookupPace {
  readonly #length = new GuessLength()
  #evidence = FIRST_EVIDENCE

  get length(): number {
    return this.#length.tokens
  }

  /** How many tokens in a row must have been foretold. */
  get evidence(): number {
    return this.#evidence
  }

  took(guessed: Guessed): void {
    this.#length.took(guessed)
    this.#evidence =
      gain(guessed) < 0
        ? Math.min(MOST_EVIDENCE, 2 * this.#evidence)
        : Math.max(FIRST_EVIDENCE, this.#evidence / 2)
  }
}

/** Steps that guesses may lose before anything is known of them, and the most that past gains allow them to lose. */
const FIRST_CREDIT = 4
const MOST_CREDIT = 16
/** Of the time without guesses, what may be lost on finding out whether they pay by now. */
const SHARE = 0.02

/** Guesses of a draft model cost time whether they are right or not: they live on what they have won. */
export class DraftPace {
  readonly #length = new GuessLength()
  /** In steps. */
  #credit = FIRST_CREDIT
  #isTrial = false

  /** How many tokens to guess now; 0 while it rests. */
  get length(): number {
    return this.#credit >= 0 ? this.#length.tokens : 0
  }

  /** The next guess is the first after a rest: what was missed meanwhile is a part of its price. */
  get isTrial(): boolean {
    return this.#isTrial
  }

  /** `steps` went by without a guess. */
  rested(steps: number): void {
    this.#credit = Math.min(MOST_CREDIT, this.#credit + SHARE * steps)
    this.#isTrial = true
  }

  took(guessed: Guessed): void {
    this.#isTrial = false
    this.#length.took(guessed)
    // Once the machine was busy with something else: that says nothing.
    const won = Math.max(gain(guessed), -2 * (guessed.guessed + 1))
    this.#credit = Math.min(MOST_CREDIT, this.#credit + won)
  }

  /** It failed. */
  giveUp(): void {
    this.#credit = -1
  }
}
