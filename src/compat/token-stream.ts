import { Readable } from 'node:stream'

/** Characters that may wait for the reader before the model does. */
const HIGH_WATER = 64

/** The text of a completion as it is generated: the model waits for a reader that is slow. */
export class TokenStream extends Readable {
  #isFull = false
  #resume: ((goesOn: boolean) => void) | undefined
  #failure: { readonly error: Error } | undefined
  #isAsked = false

  constructor() {
    super({ encoding: 'utf8', highWaterMark: HIGH_WATER })
    this.on('removeListener', () => {
      if (!this.#isRead) this.#goOn(true)
    })
  }

  // Without a reader nothing would ever make room: programs may wait for the result alone, and readers may leave.
  get #isRead(): boolean {
    return this.listenerCount('data') > 0 || this.listenerCount('readable') > 0
  }

  add(token: string): void {
    if (token === '' || this.destroyed) return
    this.#isAsked = false
    this.#isFull = !this.push(token)
  }

  /** Waits until the reader wants more, if there is one; resolves with false if the stream is destroyed. */
  wanted(): Promise<boolean> | undefined {
    if (this.destroyed) return Promise.resolve(false)
    if (!this.#isFull || !this.#isRead) return undefined
    return new Promise((resolve) => {
      this.#resume = resolve
    })
  }

  end(): void {
    if (!this.destroyed) this.push(null)
  }

  /** Ends with `error`, behind the text that came before. Returns whether a reader gets the error, or wants none. */
  fail(error: Error): boolean {
    if (this.destroyed) return true
    this.#failure = { error }
    if (this.#isAsked && this.readableLength === 0) this.#break()
    else if (this.#isAsked) this.push('')
    return this.listenerCount('error') > 0
  }

  override _read(): void {
    this.#isAsked = true
    this.#isFull = false
    this.#goOn(true)
    if (!this.#failure) return
    if (this.readableLength > 0)
      this.push('') // asks again, once the text is read
    else this.#break()
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#goOn(false)
    done(error)
  }

  #goOn(wanted: boolean): void {
    this.#resume?.(wanted)
    this.#resume = undefined
  }

  // An error that nobody listens to would end the process, and the result tells it too.
  #break(): void {
    this.destroy(this.listenerCount('error') > 0 ? this.#failure?.error : undefined)
  }
}
