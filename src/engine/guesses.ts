import { nativeCode } from '../native/failures.ts'
import type { Drafter } from './draft.ts'
import type { Ask } from './gather.ts'
import { GuessPace, WEIGHT } from './guess-pace.ts'
import { average } from './pace.ts'
import type { Sequence } from './sequence.ts'

/** Tokens that may come next in `sequence`. */
export type Guess = {
  readonly sequence: Sequence
  readonly tokens: readonly number[]
  /** Who measures whether guesses of this kind pay. */
  readonly pace: GuessPace
  /** How long it took to make it, ms. */
  readonly ms: number
}

type Paces = { readonly lookup: GuessPace; readonly draft: GuessPace }

/**
 * Guesses for a stream that runs alone: first from what was there before, which costs nothing, else from a smaller model. With
 * several streams a step is busy as it is.
 */
export class Guesses {
  readonly #drafter: Drafter | undefined
  readonly #onCrowded: () => void
  readonly #paces = new WeakMap<object, Paces>()
  /** Of a step without a guess, ms. */
  #without: number | undefined

  /** `onCrowded`: other programs use the cores of the small model. */
  constructor(drafter: Drafter | undefined, onCrowded: () => void) {
    this.#drafter = drafter
    this.#onCrowded = onCrowded
  }

  /** A guess of up to `most` tokens for the sequence of `ask`. */
  async make({ sequence }: Ask, most: number): Promise<Guess | undefined> {
    const { lookup, draft } = this.#pacesOf(sequence)
    const found = sequence.lookUp(Math.min(most, lookup.length))
    if (found.length > 0) return { sequence, tokens: found, pace: lookup, ms: 0 }
    if (!this.#drafter || !sequence.drafts || Math.min(most, draft.length) < 1) return undefined
    try {
      // What it missed while it rested, or the whole prompt, says nothing about the price of the next guess.
      await this.#drafter.follow(sequence.tokens)
      const started = performance.now()
      const tokens = await this.#drafter.propose(sequence.tokens, Math.min(most, draft.length))
      return { sequence, tokens, pace: draft, ms: performance.now() - started }
    } catch (error) {
      const code = nativeCode(error)
      if (code === 'ERR_CROWDED') this.#onCrowded()
      else if (code !== 'ERR_ABORTED') {
        // A small model that fails costs speed, not the answer.
        this.#drafter.forget()
        draft.giveUp()
      }
      return undefined
    }
  }

  /**
   * A step for this sequence alone took `ms`; it verified `guessed` tokens, and the model agreed to `accepted` of them. `made`:
   * the guess before it, which may have been for a sequence that is gone.
   */
  took(
    sequence: Sequence,
    ms: number,
    { guessed, accepted }: { readonly guessed: number; readonly accepted: number },
    made: Guess | undefined,
  ): void {
    const guess = made?.sequence === sequence && made.tokens.length === guessed ? made : undefined
    if (guessed === 0) this.#without = average(this.#without, ms, WEIGHT)
    if (guess) guess.pace.took(ms + guess.ms, guessed, accepted, this.#without)
    const { lookup, draft } = this.#pacesOf(sequence)
    for (const pace of [lookup, draft]) if (pace !== guess?.pace) pace.rested()
  }

  #pacesOf({ conversation }: Sequence): Paces {
    let paces = this.#paces.get(conversation)
    if (!paces) {
      paces = { lookup: new GuessPace(), draft: new GuessPace() }
      this.#paces.set(conversation, paces)
    }
    return paces
  }
}
