import { setTimeout as sleep } from 'node:timers/promises'

/** A promise that is settled from outside. */
type Deferred<T> = {
  readonly promise: Promise<T>
  readonly resolve: (value: T | PromiseLike<T>) => void
  readonly reject: (reason: unknown) => void
}

export function deferred<T = void>(): Deferred<T> {
  let resolve: Deferred<T>['resolve'] = () => {}
  let reject: Deferred<T>['reject'] = () => {}
  const promise = new Promise<T>((settle, fail) => {
    resolve = settle
    reject = fail
  })
  return { promise, resolve, reject }
}

/** Lets one at a time through, in the order of asking. */
export class Queue {
  #last: Promise<void> = Promise.resolve()

  /** Waits for all who asked before; the function it resolves with lets the next one go. */
  async enter(): Promise<() => void> {
    const before = this.#last
    const { promise, resolve } = deferred()
    this.#last = promise
    await before
    return resolve
  }
}

/** Rejects with the signal's reason once it aborts: for waits that know no signal. */
export function abortOf(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason)
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
}

/** Resolves after `ms`; rejects with the signal's own reason where it aborts. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => signal.throwIfAborted())
}

/** Calls a user's functions where what they throw would be lost, or taken for a failure of ours: the first error is kept. */
export class Callbacks {
  #thrown: { readonly error: unknown } | undefined

  get haveThrown(): boolean {
    return this.#thrown !== undefined
  }

  /** What `fn` returns; what it throws is thrown on. */
  call<T>(fn: () => T): T {
    try {
      return fn()
    } catch (error) {
      this.#thrown ??= { error }
      throw error
    }
  }

  /** Throws what was kept, if there is anything. */
  rethrow(): void {
    if (this.#thrown) throw this.#thrown.error
  }
}
