import type { GenerationResult, Part } from './result.ts'

/** What a stream reads from. */
type Readable = AsyncIterable<string> & {
  parts(): AsyncGenerator<Part, void, void>
  stop(): Promise<void>
  readonly result: Promise<GenerationResult>
}

/**
 * The pieces of a generation, in an object that is not a promise: it can be returned by an async function, and passed
 * through `await` and `Promise.all()`, without being replaced by its text. Made by `generation.stream()`.
 */
export class GenerationStream implements AsyncIterable<string> {
  readonly #generation: Readable

  /** @internal */
  constructor(generation: Readable) {
    this.#generation = generation
  }

  /** See `Generation`. */
  [Symbol.asyncIterator](): AsyncIterator<string, void, void> {
    return this.#generation[Symbol.asyncIterator]() as AsyncIterator<string, void, void>
  }

  /** See `Generation.parts()`. */
  parts(): AsyncGenerator<Part, void, void> {
    return this.#generation.parts()
  }

  /** See `Generation.result`. */
  get result(): Promise<GenerationResult> {
    return this.#generation.result
  }

  /** See `Generation.stop()`. */
  stop(): Promise<void> {
    return this.#generation.stop()
  }
}
