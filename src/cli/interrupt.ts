import { Interrupted } from './failure.ts'

/** Aborts at the first Ctrl-C, or when the process is asked to end; at the second it ends at once. */
export function signalOf(): AbortSignal {
  const controller = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM'] as const)
    process.once(name, () => controller.abort(new Interrupted(name)))
  return controller.signal
}
