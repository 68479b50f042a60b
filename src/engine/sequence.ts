import type { NativeSampler } from '../native/types.ts'

/** How one step of a sequence is to be done. */
export type StepOptions = {
  readonly sampler: NativeSampler
  /** Tokens of a prompt evaluated per step. */
  readonly batchSize: number
  readonly signal: AbortSignal | undefined
}

/** @internal Who evaluates it: the engine. */
type Asked = {
  ask(sequence: Sequence, options: StepOptions): Promise<number>
  release(sequence: Sequence): void
}

/** One run of tokens through the model: a prompt, then what is drawn. */
export class Sequence {
  /** All tokens so far, those drawn last included. */
  readonly tokens: number[] = []
  /** Of the first prompt, the tokens that were cached already; `undefined` before the first step. */
  cachedTokens: number | undefined
  /** Of `tokens`, those that were given at first; the others were drawn. */
  promptLength = 0
  readonly moved: boolean
  readonly #engine: Asked

  constructor(engine: Asked, moved: boolean) {
    this.#engine = engine
    this.moved = moved
  }

  /** Appends `tokens`, evaluates what is not cached and draws the next token (which is not appended). */
  next(tokens: Iterable<number>, options: StepOptions): Promise<number> {
    for (const token of tokens) this.tokens.push(token)
    this.promptLength ||= this.tokens.length
    return this.#engine.ask(this, options)
  }

  release(): void {
    this.#engine.release(this)
  }
}
