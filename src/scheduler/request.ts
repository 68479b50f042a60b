import type { NativeLogprobs, NativeSampler } from '../native/contract.ts'
import type { Slot } from './cache/slots.ts'
import { Lookup } from './guess/lookup.ts'
import type { DraftPace, LookupPace } from './guess/pace.ts'

/** How long tokens may be held back from their reader, ms. */
export type Demand = { readonly interval: number }

/** What a step drew for one request. */
export type SampledTokens = {
  readonly tokens: readonly number[]
  /** One for each of the tokens, where log probabilities were asked for. */
  readonly logprobs: readonly NativeLogprobs[] | undefined
}

/** How to do one step of a request. */
export type StepOptions = {
  readonly sampler: NativeSampler
  /** Tokens of a prompt evaluated per step. */
  readonly batchSize: number
  /** The most tokens still wanted; a step that guesses well draws several. */
  readonly most?: number | undefined
  /** Return the log probability of each drawn token, and of this many of the likeliest. */
  readonly logprobs?: number | undefined
  /** Without one, tokens wait for the reader as briefly as they do while others wait for a slot. */
  readonly demand?: Demand | undefined
  /** Called before each step that the request takes part in, with how many of its tokens are in the cache by then. */
  readonly onStep?: ((cached: number) => void) | undefined
  readonly signal: AbortSignal | undefined
}

/** @internal What evaluates a request: the scheduler. */
type Evaluator = {
  ask(request: Request, options: StepOptions): Promise<SampledTokens>
  aside<T>(request: Request, work: () => T | Promise<T>): Promise<T>
  release(request: Request): void
}

/** Requests made so far, by all schedulers. */
let made = 0

export type RequestOptions = {
  /** Guess what comes next from earlier text, and verify several tokens in one step. */
  readonly looksUp: boolean
  /** The same, with guesses from the draft model where there is one. */
  readonly drafts: boolean
}

/** What a request is for. */
type RequestBeginning = { readonly moved?: boolean | undefined; readonly conversation?: object | undefined }

/** One run of tokens through the model: a prompt, then what is drawn. */
export class Request {
  /** All tokens so far, including those that are to be evaluated next. */
  readonly tokens: number[] = []
  /** Requests that came later have higher numbers. */
  readonly number = made++
  readonly #evaluator: Evaluator
  #cachedTokens: number | undefined
  #promptLength = 0
  #batchSize = 0
  #moved = false
  #conversation: object = this
  #proposed = 0
  #accepted = 0
  #acceptedAt: number | undefined
  #askedAt: number | undefined
  #servedAt: number | undefined
  readonly drafts: boolean
  readonly #lookup: Lookup | undefined

  constructor(evaluator: Evaluator, { looksUp, drafts }: RequestOptions) {
    this.#evaluator = evaluator
    this.drafts = drafts
    this.#lookup = looksUp ? new Lookup() : undefined
  }

  /** Tokens of the prompt that were already cached; `undefined` before the first step. */
  get cachedTokens(): number | undefined {
    return this.#cachedTokens
  }

  /** How many of `tokens`, at the start, are the prompt; the others were drawn. */
  get promptLength(): number {
    return this.#promptLength
  }

  /** Tokens of the prompt evaluated per step. */
  get batchSize(): number {
    return this.#batchSize
  }

  /**
   * Tokens of the prompt came later in the one before, after tokens that are now left out: their keys may be
   * moved in the cache instead of evaluated again.
   */
  get moved(): boolean {
    return this.#moved
  }

  /** The conversation it belongs to, which loses nothing when its own cache is replaced. */
  get conversation(): object {
    return this.#conversation
  }

  /** Tokens that were guessed. */
  get proposed(): number {
    return this.#proposed
  }

  /** How many of the guessed tokens the model would have drawn itself. */
  get accepted(): number {
    return this.#accepted
  }

  /** How many tokens there were when a guess was last right. */
  get acceptedAt(): number | undefined {
    return this.#acceptedAt
  }

  get looksUp(): boolean {
    return this.#lookup !== undefined
  }

  /**
   * Up to `count` tokens that followed the latest earlier occurrence of the last few; none where those are
   * new, or where this would not have predicted the last `evidence` tokens.
   */
  lookUp(count: number, evidence: number): number[] {
    return this.#lookup?.propose(this.tokens, count, evidence) ?? []
  }

  /** The prompt is made; see `moved` and `conversation`. */
  begin({ moved = false, conversation = this }: RequestBeginning): void {
    this.#moved = moved
    this.#conversation = conversation
  }

  /**
   * Appends `tokens`, evaluates what is not cached and draws the next token, or several where the scheduler
   * has guessed well. Drawn tokens are not appended.
   */
  next(tokens: Iterable<number>, options: StepOptions): Promise<SampledTokens> {
    for (const token of tokens) this.tokens.push(token)
    this.#promptLength ||= this.tokens.length
    this.#batchSize = options.batchSize
    this.#askedAt ??= performance.now()
    return this.#evaluator.ask(this, options)
  }

  /** Runs a function of the program that helps make the prompt; see `Aside`. */
  aside<T>(work: () => T | Promise<T>): Promise<T> {
    return this.#evaluator.aside(this, work)
  }

  /** A step has drawn `drawn` tokens after `cached` ones, and verified `guessed`. */
  noteStep(cached: number, guessed: number, drawn: number): void {
    this.#cachedTokens ??= cached
    this.#proposed += guessed
    if (guessed === 0 || drawn <= 1) return
    this.#accepted += drawn - 1
    this.#acceptedAt = this.tokens.length
  }

  /** It has been given a slot. */
  served(): void {
    this.#servedAt ??= performance.now()
  }

  /** How long it waited for a slot, or has waited so far, ms. */
  get queueMs(): number {
    if (this.#askedAt === undefined) return 0
    return (this.#servedAt ?? performance.now()) - this.#askedAt
  }

  release(): void {
    this.#evaluator.release(this)
  }
}

/** A request that asks for its next token. */
export type Ask = StepOptions & {
  readonly request: Request
  readonly resolve: (drawn: SampledTokens) => void
  readonly reject: (reason: unknown) => void
  readonly onAbort: () => void
}

/** What one step does for one request. */
export type BatchEntry = {
  readonly ask: Ask
  readonly slot: Slot<Request>
  readonly tokens: Int32Array
  /** How many of `tokens`, at the end, are guesses. */
  readonly guessed: number
  /** The step reaches the end of what the request holds, so it draws the next token. */
  readonly last: boolean
}

/** Tokens that may come next in `request`. */
export type Guess = {
  readonly request: Request
  readonly tokens: readonly number[]
  /** Measures whether guesses of this kind pay. */
  readonly pace: LookupPace | DraftPace
  /** How long it took to make, ms. */
  readonly ms: number
}
