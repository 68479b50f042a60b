import { EngineCrashedError } from '../../core/errors.ts'

/** How the run of a generation is told. */
export const GENERATION = 'a generation'

/** How a process has ended, or that it has never begun; `hung` is why it was ended. */
export type End =
  | { readonly error: Error }
  | { readonly hung: string }
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
  const hint = signal === 'SIGKILL' ? ' (by hand, or by the system where memory runs out)' : ''
  const why = lastError === undefined ? hint : `${hint}: ${lastError}`
  return new EngineCrashedError(`The engine's process ended with ${how}${what}${why}`, {
    signal: signal ?? undefined,
    exitCode: code ?? undefined,
    lastLines,
    running,
  })
}

/** Many generations are told by their number. */
function counted(running: readonly string[]): readonly string[] {
  const generations = running.filter((what) => what.startsWith(GENERATION))
  if (generations.length < 2) return running
  const others = running.filter((what) => !what.startsWith(GENERATION))
  return [`${generations.length} generations`, ...new Set(others)]
}
