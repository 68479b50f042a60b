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
  readonly #paces = new WeakMap<object, Paces>()
  /** Of a step without a guess, ms. */
  #without: number | undefined

  constructor(drafter: Drafter | undefined) {
    this.#drafter = drafter
  }

  /** A guess of up to `most` tokens for the sequence of `ask`. */
  async make({ sequence }: Ask, most: number): Promise<Guess | undefined> {
    const { lookup, draft } = this.#pacesOf(sequence)
    const found = sequence.lookUp(Math.min(most, lookup.length))
    if (found.length > 0) return { sequence, tokens: found, pace: lookup, ms: 0 }
    if (!this.#drafter || !sequence.drafts || Math.min(most, draft.length) < 1) return undefined
    // What it missed while it rested, or the whole prompt, says nothing about the price of the next guess.
    if (!(await this.#drafter.follow(sequence.tokens))) return undefined
    const started = performance.now()
    const tokens = await this.#drafter.propose(sequence.tokens, Math.min(most, draft.length))
    return { sequence, tokens, pace: draft, ms: performance.now() - started }
  }

  /** A step for this sequence alone took `ms`; the model agreed to `accepted` of the tokens of `guess`. */
  took(sequence: Sequence, ms: number, guess: Guess | undefined, accepted: number): void {
    if (!guess?.tokens.length) this.#without = average(this.#without, ms, WEIGHT)
    if (guess) guess.pace.took(ms + guess.ms, guess.tokens.length, accepted, this.#without)
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
