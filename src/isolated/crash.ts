import { EngineCrashedError } from '../errors.ts'

/** How a process has ended, or that it has never begun. */
export type End =
  | { readonly error: Error }
  | { readonly code: number | null; readonly signal: NodeJS.Signals | null }

/** `lastError` is the last line that tells of a failure, `running` what it was doing. */
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
  const { code, signal } = end
  const how = signal ?? `exit code ${code}`
  const hint = signal === 'SIGKILL' ? ' (the system does that where memory runs out)' : ''
  const why = lastError === undefined ? hint : `${hint}: ${lastError}`
  const what = running.length > 0 ? ` during ${running.join(', ')}` : ''
  return new EngineCrashedError(`The engine's process ended with ${how}${what}${why}`, {
    signal: signal ?? undefined,
    exitCode: code ?? undefined,
    lastLines,
    running,
  })
}
