import { AsyncLocalStorage } from 'node:async_hooks'
import { isThenable } from '../core/async.ts'
import { GPT4AllError } from '../core/errors.ts'
import type { ResolvedGenerateOptions } from '../options/generate.ts'

type Callback = NonNullable<ResolvedGenerateOptions['callback']>

/** Set while a callback runs, in everything that it calls and awaits: the turn of `session` waits for it. */
const inCallback = new AsyncLocalStorage<{ readonly session: object; pending: boolean }>()

/** `callback`, marked as belonging to a turn of `session`. */
export function markCallback(session: object, callback: Callback): Callback {
  return (tokenId, piece) => {
    const call = { session, pending: true }
    const settle = () => {
      call.pending = false
    }
    let answer: unknown
    try {
      answer = inCallback.run(call, () => {
        const returned = callback(tokenId, piece)
        return isThenable(returned) ? Promise.resolve(returned) : returned // its then() is called in here, too
      })
    } finally {
      if (!(answer instanceof Promise)) settle()
    }
    return answer instanceof Promise ? answer.finally(settle) : answer
  }
}

/** @throws {GPT4AllError} `ERR_BUSY` where a callback of `session` would wait for another turn of it */
export function refuseInCallback(session: object): void {
  const around = inCallback.getStore()
  if (around?.session === session && around.pending)
    throw new GPT4AllError(
      'ERR_BUSY',
      'A callback cannot wait for another turn of its session: the turn waits for the callback.',
    )
}
