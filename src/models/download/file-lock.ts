import { lstat, rmdir } from 'node:fs/promises'
import { pause } from '../../core/async.ts'
import { codeOf } from '../../core/errors.ts'
import type { Logger } from '../../core/logger.ts'

const LOOK_MS = 250
/** Stands for what Node.js does with SIGXFSZ. */
const ignore = () => {}

type LockOptions = { readonly signal: AbortSignal; readonly staleMs: number; readonly logger: Logger }

/**
 * Runs `work` while no other process does so for the same `path`. The lock is a folder `path.lock`, renewed while it is
 * held: that of a killed process is taken over after `staleMs`, by its date, or by ours where that lies in the future. A holder
 * that stood still for too long (a sleeping laptop) has lost it: the signal that `work` gets tells. Rejects with `ELOCK` where
 * what has the lock's name is none.
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
  const seen = new Seen(`${path}.lock`, staleMs)
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
 * Somebody's lock, as long as we wait for it. Its date alone does not tell that its holder is dead: where clocks differ, or somebody
 * has dated it so, it lies in the future. But a living holder renews it twice in `staleMs`, whatever the date.
 */
class Seen {
  readonly #path: string
  readonly #staleMs: number
  #known = ''
  #since = 0

  constructor(path: string, staleMs: number) {
    this.#path = path
    this.#staleMs = staleMs
  }

  /** Removes it where it has not been renewed for `staleMs`. */
  async look(): Promise<void> {
    const known = await this.#ask()
    const now = performance.now()
    if (known !== this.#known) this.#since = now
    this.#known = known
    if (known === '' || now - this.#since <= this.#staleMs) return
    // Another one that waits may have been faster: then this is the lock of that one.
    if ((await this.#ask()) === known) await rmdir(this.#path).catch(unlessGone)
  }

  async #ask(): Promise<string> {
    const found = await lstat(this.#path, { bigint: true }).catch(unlessGone)
    if (!found) return ''
    if (found.isDirectory()) return `${found.ino} ${found.mtimeNs}`
    const message = `${this.#path} is no lock; delete it`
    throw Object.assign(new Error(message), { code: 'ELOCK', syscall: 'lock' })
  }
}

function unlessGone(error: unknown): undefined {
  if (codeOf(error) !== 'ENOENT') throw error
}
