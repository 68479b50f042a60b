import type { NativeContext, NativeSampler } from '../../native/contract.ts'
import { commonPrefix } from '../cache/slots.ts'

/** A guess of which the small model is less sure than this is not worth verifying. */
const LEAST_SURE = 0.5

/** The small model's only sequence. */
const SEQUENCE = 0

/** Guesses what comes next with a smaller, much faster model of the same vocabulary. */
export class Drafter {
  readonly #context: NativeContext
  /** Picks the most likely token. */
  readonly #greedy: NativeSampler
  /** Sizes of the small model's vocabulary and of the large one's. */
  readonly #ownVocabSize: number
  readonly #vocabSize: number
  #cached: number[] = []

  constructor(context: NativeContext, greedy: NativeSampler, ownVocabSize: number, vocabSize: number) {
    this.#context = context
    this.#greedy = greedy
    this.#ownVocabSize = ownVocabSize
    this.#vocabSize = vocabSize
  }

  /**
   * Evaluates what the small model has not seen of `tokens`, except the last one, up to the first token it
   * does not know; resolves with how many those were.
   */
  async follow(tokens: readonly number[]): Promise<number> {
    let end = Math.min(commonPrefix(this.#cached, tokens), tokens.length - 1)
    this.#keep(end)
    const seen = end
    while (end < tokens.length - 1 && tokens[end]! < this.#ownVocabSize) end++
    const { batchSize } = this.#context.info
    while (this.#cached.length < end) {
      const from = this.#cached.length
      await this.#evaluate(tokens.slice(from, Math.min(end, from + batchSize)))
    }
    return end - seen
  }

  /**
   * Up to `count` tokens that may follow `tokens`, to be called after `follow(tokens)`; fewer where it is in
   * doubt.
   */
  async propose(tokens: readonly number[], count: number): Promise<number[]> {
    const guessed: number[] = []
    if (this.#cached.length < tokens.length - 1) return guessed // some of them are unknown to it
    let next = tokens.at(-1)!
    while (guessed.length < count && next < this.#ownVocabSize) {
      const drawn = await this.#draw(next)
      if (drawn.probability < LEAST_SURE || drawn.token >= this.#vocabSize) break
      guessed.push(drawn.token)
      next = drawn.token
    }
    return guessed
  }

  /** Forgets what is cached: it is evaluated again. */
  forget(): void {
    this.#keep(0)
  }

  setThreads(count: number, batchCount: number, watch: boolean): void {
    this.#context.setThreads(count, batchCount, watch)
  }

  /** Interrupts the evaluation under way. */
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
    const entry = {
      sequence: SEQUENCE,
      position,
      tokens: Int32Array.of(token),
      outputs: [0],
      sampler: this.#greedy,
    }
    const [result] = await this.#context.eval([{ ...entry, logprobs: 1 }])
    if (result!.error) throw result!.error
    this.#cached.push(token)
    return { token: result!.tokens[0]!, probability: Math.exp(result!.logprobs![0]!.logprob) }
  }

  #keep(count: number): void {
    this.#cached.length = Math.min(count, this.#cached.length)
  }
}
