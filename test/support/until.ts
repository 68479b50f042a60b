import { vi } from 'vitest'

/** Generous: on a busy machine everything takes long, and what never comes is a failure all the same. */
const LIMIT_MS = 60_000

/** Waits until `check` no longer throws; resolves with what it returns. */
export const until = <T>(check: () => T | Promise<T>, interval = 20): Promise<T> =>
  vi.waitFor(check, { timeout: LIMIT_MS, interval })
