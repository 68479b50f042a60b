import { setTimeout as sleep } from 'node:timers/promises'
import { lock } from 'proper-lockfile'

/** A holder that has not renewed its lock for this long is dead. */
const STALE_MS = 15_000
const LOOK_MS = 250

/**
 * Runs `work` while no other process does so for the same `path`. The lock is a folder `path.lock`, renewed while it is
 * held: that of a killed process is taken over. A holder that stood still for too long (a sleeping laptop) has lost
 * it: the signal that `work` gets tells.
 */
export async function withFileLock<T>(
  path: string,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const lost = new AbortController()
  const release = await take(path, signal, (error) => lost.abort(error))
  try {
    return await work(AbortSignal.any([signal, lost.signal]))
  } finally {
    await release().catch(() => {}) // lost
  }
}

async function take(
  path: string,
  signal: AbortSignal,
  onCompromised: (error: Error) => void,
): Promise<() => Promise<void>> {
  for (;;) {
    signal.throwIfAborted()
    try {
      return await lock(path, { realpath: false, stale: STALE_MS, onCompromised })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ELOCKED') throw error
    }
    await sleep(LOOK_MS, undefined, { signal }).catch(() => signal.throwIfAborted())
  }
}
