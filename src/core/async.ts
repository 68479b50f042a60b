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

/** Wakes the code that waits for it. A ring that nothing waits for is lost: look first, then wait. */
export class Bell {
  #wake = () => {}

  readonly ring = (): void => this.#wake()

  /** Resolves at the next ring. */
  next(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve
    })
  }
}

/** Lets one caller at a time through, in order of arrival. */
export class Queue {
  #last: Promise<void> = Promise.resolve()

  /** Waits for all earlier callers; resolves with a function that lets the next one through. */
  async enter(): Promise<() => void> {
    const before = this.#last
    const { promise, resolve } = deferred()
    this.#last = promise
    await before
    return resolve
  }
}

/** Whether `value` can be awaited, whoever made it. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    (typeof value === 'object' || typeof value === 'function') && typeof Object(value).then === 'function'
  )
}

/** What a signal must be able to do: those of polyfills, and of other realms, are not of Node's class. */
export function isAbortSignal(value: unknown): value is AbortSignal {
  const { aborted, addEventListener } = Object(value) as Partial<AbortSignal>
  return typeof aborted === 'boolean' && typeof addEventListener === 'function'
}

const adopted = new WeakMap<AbortSignal, AbortSignal>()

/** A signal of Node's own class that aborts with `signal`. */
export function nodeSignal(signal: AbortSignal): AbortSignal {
  if (signal instanceof AbortSignal) return signal
  const known = adopted.get(signal)
  if (known) return known
  const controller = new AbortController()
  const abort = () => controller.abort((signal as AbortSignal).reason)
  if ((signal as AbortSignal).aborted) abort()
  else (signal as AbortSignal).addEventListener('abort', abort, { once: true })
  adopted.set(signal, controller.signal)
  return controller.signal
}

/** A signal that aborts with the first of `signals`; frameworks have classes of their own, or none at all. */
export function anySignal(...signals: readonly (AbortSignal | undefined)[]): AbortSignal {
  return AbortSignal.any(signals.filter((signal) => signal !== undefined).map(nodeSignal))
}

/** Rejects with the signal's reason once it aborts: for waits that take no signal. */
export function abortOf(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason)
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
}

/** What `promise` settles with, or the signal's reason if that aborts before. Leaves nothing on the signal. */
export function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  if (signal.aborted) return Promise.reject(signal.reason)
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason)
    signal.addEventListener('abort', abort, { once: true })
    const forget = () => signal.removeEventListener('abort', abort)
    promise.then(resolve, reject).finally(forget)
  })
}

/** Resolves after `ms`; rejects with the signal's own reason if it aborts. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => signal.throwIfAborted())
}

/** Calls a user's functions, whose errors might be lost or taken for ours: the first error is kept. */
export class Callbacks {
  #thrown: { readonly error: unknown } | undefined

  get haveThrown(): boolean {
    return this.#thrown !== undefined
  }

  /** Returns what `fn` returns, and throws what it throws. */
  call<T>(fn: () => T): T {
    try {
      return fn()
    } catch (error) {
      this.#thrown ??= { error }
      throw error
    }
  }

  /** Throws the error that was kept, if there is one. */
  rethrow(): void {
    if (this.#thrown) throw this.#thrown.error
  }
}
