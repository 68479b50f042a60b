import { pause } from '../../core/async.ts'
import { DownloadError } from '../../core/errors.ts'
import type { Logger } from '../../core/logger.ts'
import { type Answer, backoff, type Patience } from './http.ts'

/**
 * The body of a short answer, which is closed afterwards.
 * @throws {DownloadError} `ERR_DOWNLOAD` if it has more than `mostBytes`, or ends early; `what` says what it is not
 */
export async function readWhole(answer: Answer, mostBytes: number, what: string): Promise<Buffer> {
  const whole: Uint8Array[] = []
  let bytes = 0
  const take = async (pieces: readonly Uint8Array[]) => {
    for (const piece of pieces) {
      whole.push(Buffer.from(piece)) // its memory is used again
      bytes += piece.length
    }
    if (bytes <= mostBytes) return
    throw new DownloadError(`${answer.url} is not ${what}: it is too long`, { url: answer.url, retry: false })
  }
  await answer.read(take).finally(answer.close)
  return Buffer.concat(whole)
}

type Trying = {
  /** In all. */
  readonly attempts: number
  readonly patience: Patience
  readonly signal: AbortSignal
  readonly logger: Logger
}

/**
 * What `ask` resolves with; asks again after a failure that may pass. Rejects with the last error, or with
 * `signal.reason`.
 */
export async function tryAgain<T>(
  { attempts, patience, signal, logger }: Trying,
  ask: () => Promise<T>,
): Promise<T> {
  for (let failures = 1; ; failures++) {
    try {
      return await ask()
    } catch (error) {
      signal.throwIfAborted()
      if (!(error instanceof DownloadError) || !error.retry || failures >= attempts) throw error
      logger.info(`${error.message} Trying again.`)
      await pause(backoff(failures, patience, error), signal)
    }
  }
}
