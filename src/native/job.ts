import type { NativeJob } from './contract.ts'

/** The result of a job, which is cancelled, with the signal's reason, when that aborts. */
export function settled<T>({ promise, cancel }: NativeJob<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise
  return new Promise((resolve, reject) => {
    const abort = () => {
      cancel()
      reject(signal.reason) // at once, though other jobs may run first
    }
    signal.addEventListener('abort', abort, { once: true })
    if (signal.aborted) abort()
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}
