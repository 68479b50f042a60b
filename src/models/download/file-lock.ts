import { lstat, rmdir } from 'node:fs/promises'
import { anySignal, pause } from '../../core/async.ts'
import { codeOf } from '../../core/errors.ts'
import type { Logger } from '../../core/logger.ts'

const LOOK_MS = 250
/** Ignores SIGXFSZ, as Node.js does by default. */
const ignore = () => {}

type LockOptions = { readonly signal: AbortSignal; readonly staleMs: number; readonly logger: Logger }

/**
 * Runs `work` while no other process does so for the same `path`. The lock is a folder `path.lock`, renewed
 * while it is held. That of a killed process is taken over after `staleMs`, by its date, or by our clock if
 * its date is in the future. A holder that stood still for too long (a sleeping laptop) has lost the lock:
 * the signal passed to `work` aborts. Rejects with `ELOCK` if `path.lock` is not a lock.
 */
export async function withFileLock<T>(
  path: string,
  { signal, staleMs, logger }: LockOptions,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const lost = new AbortController()
  const release = await take(path, { signal, staleMs, logger, onCompromised: (error) => lost.abort(error) })
  try {
    return await work(anySignal(signal, lost.signal))
  } finally {
    await release().catch(() => {}) // the lock was lost
  }
}

type AcquireOptions = LockOptions & {
  readonly onCompromised: (error: Error) => void
}

async function take(
  path: string,
  { signal, staleMs, logger, onCompromised }: AcquireOptions,
): Promise<() => Promise<void>> {
  // Loaded on demand: from then on it listens to the host's signals, to remove its locks. As the only
  // listener to SIGXFSZ it would end the process, but writing too long a file should merely fail.
  if (!process.listeners('SIGXFSZ').includes(ignore)) process.on('SIGXFSZ', ignore)
  const { lock } = await import('proper-lockfile')
  const seen = new LockSighting(`${path}.lock`, staleMs)
  for (let attempts = 0; ; attempts++) {
    signal.throwIfAborted()
    await seen.look()
    try {
      return await lock(path, { realpath: false, stale: staleMs, onCompromised })
    } catch (error) {
      if (codeOf(error) !== 'ELOCKED') throw error
    }
    if (attempts === 0) logger.info(`waiting for another process that works on ${path}, or has died`)
    await pause(LOOK_MS, signal)
  }
}

/**
 * The lock of another holder while we wait for it. Its date alone does not show that the holder is dead: if
 * clocks differ, or the date was set by hand, it may be in the future. But a living holder renews the lock
 * twice in `staleMs`, whatever the date.
 */
class LockSighting {
  readonly #path: string
  readonly #staleMs: number
  #known = ''
  #since = 0

  constructor(path: string, staleMs: number) {
    this.#path = path
    this.#staleMs = staleMs
  }

  /** Removes the lock if it has not been renewed for `staleMs`. */
  async look(): Promise<void> {
    const known = await this.#ask()
    const now = performance.now()
    if (known !== this.#known) this.#since = now
    this.#known = known
    if (known === '' || now - this.#since <= this.#staleMs) return
    // Another waiting process may have been faster, and this may be its lock.
    if ((await this.#ask()) === known) await rmdir(this.#path).catch(unlessGone)
  }

  async #ask(): Promise<string> {
    const found = await lstat(this.#path, { bigint: true }).catch(unlessGone)
    if (!found) return ''
    if (found.isDirectory()) return `${found.ino} ${found.mtimeNs}`
    const message = `${this.#path} is not a lock file; delete it`
    throw Object.assign(new Error(message), { code: 'ELOCK', syscall: 'lock' })
  }
}

function unlessGone(error: unknown): undefined {
  if (codeOf(error) !== 'ENOENT') throw error
}
