import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from '../logger.ts'

const LOOK_MS = 250
/** Stands for what Node.js does with SIGXFSZ. */
const ignore = () => {}

type LockOptions = { readonly signal: AbortSignal; readonly staleMs: number; readonly logger: Logger }

/**
 * Runs `work` while no other process does so for the same `path`. The lock is a folder `path.lock`, renewed while it is
 * held: that of a killed process is taken over after `staleMs`. A holder that stood still for too long (a sleeping laptop) has lost
 * it: the signal that `work` gets tells.
 */
export async function withFileLock<T>(
  path: string,
  { signal, staleMs, logger }: LockOptions,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const lost = new AbortController()
  const release = await take(path, { signal, staleMs, logger, onCompromised: (error) => lost.abort(error) })
  try {
    return await work(AbortSignal.any([signal, lost.signal]))
  } finally {
    await release().catch(() => {}) // lost
  }
}

type Taking = LockOptions & {
  readonly onCompromised: (error: Error) => void
}

async function take(
  path: string,
  { signal, staleMs, logger, onCompromised }: Taking,
): Promise<() => Promise<void>> {
  // Loaded when it is needed: it listens to the host's signals from then on, to remove its locks.
  // Alone with SIGXFSZ it would end the process, where the write of too long a file is to fail.
  if (!process.listeners('SIGXFSZ').includes(ignore)) process.on('SIGXFSZ', ignore)
  const { lock } = await import('proper-lockfile')
  for (let attempts = 0; ; attempts++) {
    signal.throwIfAborted()
    try {
      return await lock(path, { realpath: false, stale: staleMs, onCompromised })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ELOCKED') throw error
    }
    if (attempts === 0) logger.info(`waiting for another process that works on ${path}, or has died`)
    await sleep(LOOK_MS, undefined, { signal }).catch(() => signal.throwIfAborted())
  }
}
