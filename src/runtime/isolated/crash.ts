import { EngineCrashedError } from '../../core/errors.ts'

/** How a crash report names a generation. */
export const GENERATION = 'a generation'

/** How a process ended, or why it never started; `hung` is why it was killed. */
export type End =
  | { readonly error: Error }
  | { readonly hung: string }
  | { readonly code: number | null; readonly signal: NodeJS.Signals | null }

/** `lastError` is the last line that reports a failure, `running` what the process was doing. */
export function crashOf(
  end: End,
  lastError: string | undefined,
  lastLines: readonly string[],
  running: readonly string[],
): EngineCrashedError {
  if ('error' in end) {
    const message = `The engine's process could not be started: ${end.error.message}.`
    return new EngineCrashedError(
      message,
      { signal: undefined, exitCode: undefined, lastLines, running },
      { cause: end.error },
    )
  }
  const what = running.length > 0 ? ` during ${counted(running).join(', ')}` : ''
  if ('hung' in end)
    return new EngineCrashedError(`The engine's process ${end.hung}${what}.`, {
      signal: 'SIGKILL',
      exitCode: undefined,
      lastLines,
      running,
    })
  const { code, signal } = end
  const how = signal ?? `exit code ${code}`
  const hint = signal === 'SIGKILL' ? ' (sent by hand, or by the system because memory ran out)' : ''
  const why = lastError === undefined ? hint : `${hint}: ${lastError}`
  return new EngineCrashedError(`The engine's process ended with ${how}${what}${why}`, {
    signal: signal ?? undefined,
    exitCode: code ?? undefined,
    lastLines,
    running,
  })
}

/** Replaces several generations by their number. */
function counted(running: readonly string[]): readonly string[] {
  const generations = running.filter((what) => what.startsWith(GENERATION))
  if (generations.length < 2) return running
  const others = running.filter((what) => !what.startsWith(GENERATION))
  return [`${generations.length} generations`, ...new Set(others)]
}
