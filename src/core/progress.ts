import { isThenable } from './async.ts'

/** What `onProgress` receives. */
export type Progress = {
  /**
   * What is being done: a file is downloaded, its checksum computed, converted to GGUF, or its weights read.
   */
  readonly phase: 'download' | 'verify' | 'convert' | 'load'
  /** Bytes completed in this phase, those of earlier attempts included. */
  readonly bytes: number
  /** Total bytes of this phase; `undefined` while that is unknown. */
  readonly total: number | undefined
  /** Speed over the last 3 seconds; 0 at the beginning. */
  readonly bytesPerSecond: number
}

const WINDOW_MS = 3000
const EVERY_MS = 100

/** Reports progress, ten times a second at most, and always the end. */
export class Meter {
  readonly #phase: Progress['phase']
  readonly #report: ((progress: Progress) => void) | undefined
  readonly #past: { at: number; bytes: number }[] = []
  #reportedAt = Number.NEGATIVE_INFINITY
  #failed: { readonly error: unknown } | undefined

  constructor(phase: Progress['phase'], report: ((progress: Progress) => void) | undefined) {
    this.#phase = phase
    this.#report = report
  }

  report(bytes: number, total: number | undefined): void {
    if (this.#failed) throw this.#failed.error
    const now = performance.now()
    if (!this.#report || (now - this.#reportedAt < EVERY_MS && bytes !== total)) return
    this.#reportedAt = now
    this.#past.push({ at: now, bytes })
    while ((this.#past[0]?.at ?? now) < now - WINDOW_MS) this.#past.shift()
    const first = this.#past[0] ?? { at: now, bytes }
    const seconds = (now - first.at) / 1000
    const bytesPerSecond = seconds > 0 ? Math.max(0, bytes - first.bytes) / seconds : 0
    // An async function fails later than it is called: the next call throws its error.
    const returned: unknown = this.#report({ phase: this.#phase, bytes, total, bytesPerSecond })
    if (isThenable(returned))
      returned.then(undefined, (error: unknown) => {
        this.#failed = { error }
      })
  }
}
