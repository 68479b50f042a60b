import { nativeCode } from '../../native/failures.ts'
import { average } from '../pace.ts'
import type { Ask, Guess, Request } from '../request.ts'
import type { Drafter } from './drafter.ts'
import { DraftPace, LookupPace, MOST_GUESSED, WEIGHT } from './pace.ts'

type GuessOutcome = {
  readonly steps: number
  readonly ms: number
  readonly guessed: number
  readonly accepted: number
}

/**
 * Guesses for a stream that runs alone: from its own earlier text where possible, which costs nothing, else
 * from a smaller model. With several streams the processor is busy anyway.
 */
export class Guesses {
  readonly #drafter: Drafter | undefined
  readonly #onCrowded: () => void
  /** One for each conversation: whether a text repeats itself says nothing about another. */
  readonly #lookups = new WeakMap<object, LookupPace>()
  /** One for all: how fast the small model is, and how well it predicts the large one. */
  readonly #draft = new DraftPace()
  /** Time of a step without a guess, ms. */
  #without: number | undefined

  /** `onCrowded` is called when other programs use the cores on which the small model computes. */
  constructor(drafter: Drafter | undefined, onCrowded: () => void) {
    this.#drafter = drafter
    this.#onCrowded = onCrowded
  }

  /** A guess of up to `most` tokens for the request of `ask`. */
  async make({ request }: Ask, most: number): Promise<Guess | undefined> {
    if (request.looksUp) {
      const pace = this.#lookupOf(request)
      const tokens = request.lookUp(Math.min(most, pace.length), pace.evidence)
      if (tokens.length > 0) return { request, tokens, pace, ms: 0 }
    }
    const count = Math.min(most, this.#draft.length)
    if (!this.#drafter || !request.drafts || count < 1) return undefined
    // First a step without a guess, to compare with.
    if (this.#without === undefined) return { request, tokens: [], pace: this.#draft, ms: 0 }
    try {
      let started = performance.now()
      const missed = await this.#drafter.follow(request.tokens)
      if (missed > MOST_GUESSED) {
        // Catching up with a prompt, or after a rest, says nothing about the price of the next guess.
        this.#draft.caughtUp((performance.now() - started) / this.#without)
        started = performance.now()
      }
      const tokens = await this.#drafter.propose(request.tokens, count)
      return { request, tokens, pace: this.#draft, ms: performance.now() - started }
    } catch (error) {
      const code = nativeCode(error)
      if (code === 'ERR_CROWDED') this.#onCrowded()
      else if (code !== 'ERR_ABORTED') {
        // A failing small model costs speed, not the answer.
        this.#drafter.forget()
        this.#draft.giveUp()
      }
      return undefined
    }
  }

  /**
   * `steps` steps for this request alone took `ms` each; the last verified `guessed` tokens, of which the
   * model accepted `accepted`. `made` is the guess before it, which may have been for a request that is gone.
   */
  took(request: Request, { steps, ms, guessed, accepted }: GuessOutcome, made: Guess | undefined): void {
    const guess = made?.request === request && made.tokens.length === guessed ? made : undefined
    const isBare = guessed === 0 && (!guess || this.#without === undefined)
    if (isBare) this.#without = average(this.#without, ms, WEIGHT)
    guess?.pace.took({ ms: ms + guess.ms, guessed, accepted, without: this.#without })
    if (guess?.pace !== this.#draft) this.#draft.rested(steps)
  }

  #lookupOf({ conversation }: Request): LookupPace {
    let pace = this.#lookups.get(conversation)
    if (!pace) {
      pace = new LookupPace()
      this.#lookups.set(conversation, pace)
    }
    return pace
  }
}
