import type { NativeLogprobs, NativeSampler } from '../native/contract.ts'
import type { Slot } from './cache/slots.ts'
import { Lookup } from './guess/lookup.ts'
import type { DraftPace, LookupPace } from './guess/pace.ts'

/** How long tokens may be kept from who reads them, ms. */
export type Demand = { readonly interval: number }

/** What a step drew for one request. */
export type SampledTokens = {
  readonly tokens: readonly number[]
  /** Of each of them, where they were asked for. */
  readonly logprobs: readonly NativeLogprobs[] | undefined
}

/** How one step of a request is to be done. */
export type StepOptions = {
  readonly sampler: NativeSampler
  /** Tokens of a prompt evaluated per step. */
  readonly batchSize: number
  /** Tokens that are still wanted; a step that guesses well draws several. */
  readonly most?: number | undefined
  /** The log probability of each token that is drawn is wanted, and of so many of the likeliest. */
  readonly logprobs?: number | undefined
  /** Without one, somebody reads them at once. */
  readonly demand?: Demand | undefined
  readonly signal: AbortSignal | undefined
}

/** @internal Who evaluates it: the engine. */
type Evaluator = {
  ask(request: Request, options: StepOptions): Promise<SampledTokens>
  aside<T>(request: Request, work: () => T | Promise<T>): Promise<T>
  release(request: Request): void
}

/** Requests made so far, of all engines. */
let made = 0

export type RequestOptions = {
  /** What comes next is guessed from what was there before, and several tokens are verified in one step. */
  readonly looksUp: boolean
  /** The same, guessed by the draft model where there is one. */
  readonly drafts: boolean
}

/** One run of tokens through the model: a prompt, then what is drawn. */
export class Request {
  /** All tokens so far, those drawn last included. */
  readonly tokens: number[] = []
  /** Of the first prompt, the tokens that were cached already; `undefined` before the first step. */
  cachedTokens: number | undefined
  /** Of `tokens`, those that were given at first; the others were drawn. */
  promptLength = 0
  /** Tokens of its prompt evaluated per step. */
  batchSize = 0
  /**
   * Tokens of the prompt stood further back before, behind others that are left out now: their keys may be moved in the
   * cache instead of evaluated again.
   */
  moved = false
  /** What it belongs to: the cache of one conversation is no loss to the same. */
  conversation: object = this
  /** Those that came later have higher ones. */
  readonly number = made++
  /** Tokens that were guessed, and those of them that the model would have drawn itself. */
  proposed = 0
  accepted = 0
  /** How many tokens there were when a guess was right last. */
  acceptedAt: number | undefined
  readonly #engine: Evaluator
  #askedAt: number | undefined
  #servedAt: number | undefined
  readonly drafts: boolean
  readonly #lookup: Lookup | undefined

  constructor(engine: Evaluator, { looksUp, drafts }: RequestOptions) {
    this.#engine = engine
    this.drafts = drafts
    this.#lookup = looksUp ? new Lookup() : undefined
  }

  get looksUp(): boolean {
    return this.#lookup !== undefined
  }

  /**
   * Up to `count` tokens that followed the last time the same stood before; none where that is new, or where it would have
   * foretold fewer than the last `evidence` tokens.
   */
  lookUp(count: number, evidence: number): number[] {
    return this.#lookup?.propose(this.tokens, count, evidence) ?? []
  }

  /**
   * Appends `tokens`, evaluates what is not cached and draws the next token, or several where the engine has guessed
   * well. They are not appended.
   */
  next(tokens: Iterable<number>, options: StepOptions): Promise<SampledTokens> {
    for (const token of tokens) this.tokens.push(token)
    this.promptLength ||= this.tokens.length
    this.batchSize = options.batchSize
    this.#askedAt ??= performance.now()
    return this.#engine.ask(this, options)
  }

  /** Does what a function of the program does for its prompt; see `Line`. */
  aside<T>(work: () => T | Promise<T>): Promise<T> {
    return this.#engine.aside(this, work)
  }

  /** It has a slot. */
  served(): void {
    this.#servedAt ??= performance.now()
  }

  /** How long it waited for a slot, or has waited by now, ms. */
  get queueMs(): number {
    if (this.#askedAt === undefined) return 0
    return (this.#servedAt ?? performance.now()) - this.#askedAt
  }

  release(): void {
    this.#engine.release(this)
  }
}

/** A request that asks for its next token. */
export type Ask = StepOptions & {
  readonly request: Request
  readonly resolve: (drawn: SampledTokens) => void
  readonly reject: (reason: unknown) => void
  readonly onAbort: () => void
}

/** What one step does for one of them. */
export type BatchEntry = {
  readonly ask: Ask
  readonly slot: Slot<Request>
  readonly tokens: Int32Array
  /** Of `tokens`, those at the end that are guesses. */
  readonly guessed: number
  /** The step reaches the end of what the request holds, so it draws the next token. */
  readonly last: boolean
}

/** Tokens that may come next in `request`. */
export type Guess = {
  readonly request: Request
  readonly tokens: readonly number[]
  /** Who measures whether guesses of this kind pay. */
  readonly pace: LookupPace | DraftPace
  /** What it cost to make it, ms. */
  readonly ms: number
}
