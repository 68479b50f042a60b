import { anySignal, isThenable } from '../core/async.ts'
import type { EmbedProgress } from '../options/embed.ts'
import { windowsOf } from './windows.ts'

/** Texts that are embedded together; as many again are read ahead. */
const WINDOW = 128

/** `onProgress` is called no more often, ms. */
export const PROGRESS_MS = 100

type StreamOptions = {
  readonly onProgress: ((progress: EmbedProgress) => void) | undefined
  readonly signal: AbortSignal | undefined
  /** How many texts there are, where that is known. */
  readonly total: number | undefined
}

/**
 * What `embed` makes of the texts, in their order. It gets some of them at a time, the index of the first, and
 * a signal that aborts when the stream is left.
 */
export async function* streamOf<Result>(
  texts: Iterable<string> | AsyncIterable<string>,
  { onProgress, signal, total }: StreamOptions,
  embed: (window: readonly string[], first: number, signal: AbortSignal) => Promise<readonly Result[]>,
): AsyncGenerator<Result, void, undefined> {
  const leaving = new AbortController()
  const either = anySignal(signal, leaving.signal)
  const windows = windowsOf(texts, WINDOW, either)
  const progress = new StreamProgress(onProgress, total)
  const ahead: Promise<readonly Result[]>[] = []
  let isOver = false
  let failed: { readonly error: unknown } | undefined
  let count = 0
  const read = async () => {
    try {
      const { done, value } = await windows.next()
      isOver = done === true
      if (done) return
      const embedding = embed(value, count, either)
      embedding.catch(() => {}) // the loop below gets the error
      ahead.push(embedding)
      count += value.length
    } catch (error) {
      isOver = true
      failed = { error }
    }
  }
  let reading: Promise<void> | undefined
  let yielded = 0
  try {
    for (;;) {
      // The next texts are read and computed while these are.
      if (!isOver)
        reading ??= read().finally(() => {
          reading = undefined
        })
      const next = ahead.shift()
      if (next) {
        for (const one of await next) {
          yield one
          progress.report(++yielded)
        }
      } else if (reading) await reading
      else break
      progress.rethrow()
    }
    if (failed) throw failed.error
    await progress.end(yielded)
  } finally {
    leaving.abort(new Error('left'))
    await windows.return(undefined)
  }
}

/** Tells how far a stream has come, and keeps the error of an `onProgress` that rejects. */
class StreamProgress {
  readonly #onProgress: StreamOptions['onProgress']
  readonly #total: number | undefined
  #reportedAt = Number.NEGATIVE_INFINITY
  #thrown: { readonly error: unknown } | undefined

  constructor(onProgress: StreamOptions['onProgress'], total: number | undefined) {
    this.#onProgress = onProgress
    this.#total = total
  }

  report(texts: number): void {
    const now = performance.now()
    if (now - this.#reportedAt < PROGRESS_MS) return
    this.#reportedAt = now
    this.#tell(texts, this.#total)
  }

  #tell(texts: number, total: number | undefined): void {
    const returned: unknown = this.#onProgress?.({ texts, total })
    if (isThenable(returned))
      returned.then(undefined, (error: unknown) => {
        this.#thrown ??= { error }
      })
  }

  async end(texts: number): Promise<void> {
    this.#tell(texts, texts)
    await null // for an async onProgress
    this.rethrow()
  }

  rethrow(): void {
    if (this.#thrown) throw this.#thrown.error
  }
}
