import type { PromptProgress } from '../../index.ts'

/** A prompt that takes less time needs no word. */
const QUIET_MS = 1000

/** Says on a terminal, in a line of its own that goes again, how far a long prompt has been read. */
export class PromptStatus {
  readonly #stream: NodeJS.WriteStream | undefined
  readonly #since = performance.now()
  #latest: PromptProgress | undefined
  #isShown = false
  #timer: NodeJS.Timeout | undefined

  /** Nothing is said without a stream that is a terminal. */
  constructor(stream: NodeJS.WriteStream | undefined) {
    this.#stream = stream?.isTTY === true ? stream : undefined
  }

  /** For the option `onPromptProgress`. */
  readonly report = (progress: PromptProgress): void => {
    this.#latest = progress
    clearTimeout(this.#timer)
    const wait = this.#since + QUIET_MS - performance.now()
    if (progress.processedTokens === progress.promptTokens) this.end()
    else if (wait > 0) this.#timer = setTimeout(this.#show, wait).unref()
    else this.#show()
  }

  /** The prompt is done, or will not be. */
  end(): void {
    clearTimeout(this.#timer)
    if (this.#isShown) this.#stream?.write('\r\x1b[K')
    this.#isShown = false
  }

  #show = (): void => {
    if (!this.#stream || !this.#latest) return
    const { processedTokens, promptTokens } = this.#latest
    const percent = Math.floor((100 * processedTokens) / promptTokens)
    this.#stream.write(`\r\x1b[Kreading the prompt: ${percent} % of ${promptTokens} tokens`)
    this.#isShown = true
  }
}
