import type { PromptProgress } from '../../index.ts'
import { obeysEscapes } from '../styled.ts'

/** A prompt that takes less time needs no word. */
const QUIET_MS = 1000

/**
 * Says how far a long prompt has been read: on a terminal in a line of its own that goes again, elsewhere in one line for
 * each tenth.
 */
export class PromptStatus {
  readonly #stream: NodeJS.WriteStream | undefined
  readonly #isTerminal: boolean
  readonly #since = performance.now()
  #latest: PromptProgress | undefined
  #isShown = false
  #lastTenth = 0
  #timer: NodeJS.Timeout | undefined

  /** Nothing is said without a stream. */
  constructor(stream: NodeJS.WriteStream | undefined) {
    this.#stream = stream
    this.#isTerminal = stream !== undefined && obeysEscapes(stream)
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
    const tenth = Math.floor(percent / 10)
    if (!this.#isTerminal) {
      if (tenth > this.#lastTenth) this.#stream.write(`prompt: ${10 * tenth} % of ${promptTokens} tokens\n`)
      this.#lastTenth = tenth
      return
    }
    const said = `reading the prompt: ${percent} % of ${promptTokens} tokens`
    // One row: only that goes again. The last column stays free.
    this.#stream.write(`\r\x1b[K${said.slice(0, (this.#stream.columns || said.length + 1) - 1)}`)
    this.#isShown = true
  }
}
