import { anySignal, isThenable } from '../core/async.ts'
import type { EmbedHooks } from '../embedding/embedding.ts'
import { PROGRESS_MS } from '../embedding/stream.ts'
import type { EmbedProgress } from '../options/embed.ts'

/** What a call on several texts listens to, and whom it tells. */
type Listeners = {
  readonly onProgress: ((progress: EmbedProgress) => void) | undefined
  /** All texts; `undefined` where they come one by one. */
  readonly total: number | undefined
  readonly signals: readonly (AbortSignal | undefined)[]
}

/**
 * Runs `call` with hooks that report progress and abort with any of the signals; an error of `onProgress` is
 * that of the call.
 */
export async function textHooks<Result>(
  { onProgress, total, signals }: Listeners,
  call: (hooks: Pick<EmbedHooks, 'signal' | 'onTexts'>) => Promise<Result>,
): Promise<Result> {
  const failing = new AbortController()
  let texts = 0
  let reportedAt = Number.NEGATIVE_INFINITY
  const onTexts = (count: number) => {
    texts += count
    const now = performance.now()
    if (!onProgress || (now - reportedAt < PROGRESS_MS && texts !== total)) return
    reportedAt = now
    try {
      const returned: unknown = onProgress({ texts, total })
      if (isThenable(returned)) returned.then(undefined, (error: unknown) => failing.abort(error))
    } catch (error) {
      failing.abort(error)
    }
  }
  const result = await call({ signal: anySignal(...signals, failing.signal), onTexts })
  failing.signal.throwIfAborted()
  return result
}
