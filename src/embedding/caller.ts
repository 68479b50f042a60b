import { unlessAborted } from '../core/async.ts'
import type { Batches, Caller } from './batches.ts'

/** What the work of a call has: its name in the batches, a signal, and a way to fail from a promise aside. */
type CallScope = {
  readonly caller: Caller
  readonly signal: AbortSignal
  /** Makes the call reject with the promise's error, if it has one, at once. */
  readonly failWith: (promise: Promise<unknown>) => void
}

/** Runs a call's `work`. Where that fails, or `signal` aborts, its chunks leave the batches and it rejects. */
export async function asCaller<Result>(
  batches: Batches,
  signal: AbortSignal,
  work: (scope: CallScope) => Promise<Result>,
): Promise<Result> {
  signal.throwIfAborted()
  const caller = {}
  const failing = new AbortController()
  const either = AbortSignal.any([signal, failing.signal])
  const failWith = (promise: Promise<unknown>) => {
    promise.catch((error) => failing.abort(error))
  }
  const working = work({ caller, signal: either, failWith })
  try {
    return await unlessAborted(working, either)
  } catch (error) {
    batches.leave(caller, error)
    working.catch(() => {}) // the call has its error
    throw error
  }
}
