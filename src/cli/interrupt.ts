import { Interruption } from './failure.ts'

const NAMES = ['SIGINT', 'SIGTERM'] as const

/** Aborts at the first Ctrl-C, or when the process is asked to end; a second one ends it at once. */
export function signalOf(): AbortSignal {
  return listen().signal
}

/** Runs `work` with such a signal; afterwards Ctrl-C acts as before. */
export async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const { signal, unlisten } = listen()
  try {
    return await work(signal)
  } finally {
    unlisten()
  }
}

function listen(): { readonly signal: AbortSignal; readonly unlisten: () => void } {
  const controller = new AbortController()
  const end = (name: NodeJS.Signals) => controller.abort(new Interruption(name))
  for (const name of NAMES) process.once(name, end)
  const unlisten = () => {
    for (const name of NAMES) process.off(name, end)
  }
  return { signal: controller.signal, unlisten }
}
