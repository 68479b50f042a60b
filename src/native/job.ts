import type { NativeJob } from './contract.ts'

/** What becomes of a job; it is given up, with the signal's reason, when that aborts. */
export function settled<T>({ promise, cancel }: NativeJob<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise
  return new Promise((resolve, reject) => {
    const abort = () => {
      cancel()
      reject(signal.reason) // others may be in front of it: whoever waits need not
    }
    signal.addEventListener('abort', abort, { once: true })
    if (signal.aborted) abort()
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}
