import { nativeCode } from '../native/failures.ts'
import type { NativeContext, NativeSampler } from '../native/types.ts'
import { commonPrefix } from './slots.ts'

/** Where the small model itself is less sure than this, a guess is not worth its verification. */
const LEAST_SURE = 0.5

/** The small model's only sequence. */
const SEQUENCE = 0

/** Guesses what comes next with a smaller model of the same vocabulary, which is much faster. */
export class Drafter {
  readonly #context: NativeContext
  /** Takes the most likely token. */
  readonly #greedy: NativeSampler
  /** Tokens of the large model's vocabulary. */
  readonly #vocabSize: number
  #cached: number[] = []

  constructor(context: NativeContext, greedy: NativeSampler, vocabSize: number) {
    this.#context = context
    this.#greedy = greedy
    this.#vocabSize = vocabSize
  }

  /** Evaluates what it has not seen of `tokens` but the last one; `false` when it was aborted or failed. */
  async follow(tokens: readonly number[]): Promise<boolean> {
    this.#keep(commonPrefix(this.#cached, tokens))
    const { batchSize } = this.#context.info
    try {
      while (this.#cached.length < tokens.length - 1) {
        const from = this.#cached.length
        await this.#evaluate(tokens.slice(from, Math.min(tokens.length - 1, from + batchSize)))
      }
      return true
    } catch (error) {
      return this.#failed(error)
    }
  }

  /** Up to `count` tokens that may follow `tokens`; fewer where it is in doubt. */
  async propose(tokens: readonly number[], count: number): Promise<number[]> {
    if (!(await this.follow(tokens))) return []
    const guessed: number[] = []
    try {
      let next = tokens.at(-1)!
      while (guessed.length < count) {
        const drawn = await this.#draw(next)
        if (drawn.probability < LEAST_SURE || drawn.token >= this.#vocabSize) break
        guessed.push(drawn.token)
        next = drawn.token
      }
    } catch (error) {
      this.#failed(error)
    }
    return guessed
  }

  setThreads(count: number, batchCount: number): void {
    this.#context.setThreads(count, batchCount, false)
  }

  /** Gives up what is under way. */
  abort(): void {
    this.#context.abort()
  }

  close(): Promise<void> {
    return this.#context.close()
  }

  async #evaluate(tokens: readonly number[]): Promise<void> {
    const entry = { sequence: SEQUENCE, position: this.#cached.length, tokens: Int32Array.from(tokens) }
    await this.#context.eval([entry])
    this.#cached.push(...tokens)
  }

  async #draw(token: number): Promise<{ readonly token: number; readonly probability: number }> {
    const position = this.#cached.length
    const entry = { sequence: SEQUENCE, position, tokens: Int32Array.of(token), sampler: this.#greedy }
    const [result] = await this.#context.eval([{ ...entry, logprobs: 1 }])
    this.#cached.push(token)
    return { token: result!.tokens[0]!, probability: Math.exp(result!.logprobs![0]!.logprob) }
  }

  #keep(count: number): void {
    this.#cached.length = Math.min(count, this.#cached.length)
  }

  /** Whatever its cache holds now: it is evaluated again. A small model that fails costs speed, not the answer. */
  #failed(error: unknown): false {
    if (nativeCode(error) === undefined) throw error
    this.#keep(0)
    return false
  }
}
