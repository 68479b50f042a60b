import { AsyncLocalStorage } from 'node:async_hooks'
import { isThenable } from '../core/async.ts'
import { GPT4AllError } from '../core/errors.ts'
import type { ReaderWatch } from '../generation/source.ts'
import type { ResolvedGenerateOptions } from '../options/generate.ts'

type Callback = NonNullable<ResolvedGenerateOptions['callback']>

/** Code that a turn of `session` waits for, while it is `pending`. */
type WaitedFor = { readonly session: object; readonly what: 'callback' | 'loop'; pending: boolean }

/** Set while such code runs, in everything that it calls and awaits. */
const waitedFor = new AsyncLocalStorage<WaitedFor>()

/** `callback`, marked as belonging to a turn of `session`. */
export function markCallback(session: object, callback: Callback): Callback {
  return (tokenId, piece) => {
    const call: WaitedFor = { session, what: 'callback', pending: true }
    const settle = () => {
      call.pending = false
    }
    let answer: unknown
    try {
      answer = waitedFor.run(call, () => {
        const returned = callback(tokenId, piece)
        return isThenable(returned) ? Promise.resolve(returned) : returned // its then() is called in here, too
      })
    } finally {
      if (!(answer instanceof Promise)) settle()
    }
    return answer instanceof Promise ? answer.finally(settle) : answer
  }
}

/**
 * Marks the loops over a turn of `session`: what is between two pieces is code that the turn waits for. A loop
 * asks for a piece in its own async context, which is how its body is found.
 */
export function watchLoop(session: object): ReaderWatch {
  const loop: WaitedFor = { session, what: 'loop', pending: false }
  let isOver = false
  return {
    asks() {
      loop.pending = false
      if (waitedFor.getStore() !== loop) waitedFor.enterWith(loop)
    },
    has() {
      loop.pending = !isOver
    },
    leaves() {
      loop.pending = false
    },
    ends() {
      isOver = true
      loop.pending = false
    },
  }
}

/** @throws {GPT4AllError} `ERR_BUSY` where code that a turn of `session` waits for would wait for another one */
export function refuseIfWaitedFor(session: object): void {
  const around = waitedFor.getStore()
  if (around?.session !== session || !around.pending) return
  throw new GPT4AllError(
    'ERR_BUSY',
    around.what === 'callback'
      ? 'A callback cannot wait for another turn of its session: the turn waits for the callback.'
      : 'The loop over a turn cannot wait for another turn of its session: the turn ends after the loop. Start the other one behind the loop, or in another session.',
  )
}
