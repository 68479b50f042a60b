import { Interrupted } from './failure.ts'

/** Aborts at the first Ctrl-C, or when the process is asked to end; at the second it ends at once. */
export function signalOf(): AbortSignal {
  const controller = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM'] as const)
    process.once(name, () => controller.abort(new Interrupted(name)))
  return controller.signal
}

/** Runs `work` with such a signal; behind it the process hears Ctrl-C as before. */
export async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController()
  const end = () => controller.abort(new Interrupted('interrupted'))
  const names = ['SIGINT', 'SIGTERM'] as const
  for (const name of names) process.once(name, end)
  try {
    return await work(controller.signal)
  } finally {
    for (const name of names) process.off(name, end)
  }
}
