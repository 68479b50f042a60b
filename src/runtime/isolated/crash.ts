import type { ChildProcess } from 'node:child_process'
import { EngineCrashedError } from '../../core/errors.ts'

/** How a crash report names a generation. */
export const GENERATION = 'a generation'

/** How a process ended, or why it never started; `hung` is why it was killed. */
export type ProcessEnd =
  | { readonly error: Error }
  | { readonly hung: string }
  | { readonly code: number | null; readonly signal: NodeJS.Signals | null }

/** `running` is what the process was doing. */
export function crashOf(
  end: ProcessEnd,
  { error: lastError, lines: lastLines }: Pick<LastWords, 'error' | 'lines'>,
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
  const hint = signal === 'SIGKILL' ? ' (sent by a user, or by the system because memory ran out)' : ''
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

/** The most lines, and characters of a line, kept from the end of the process's stderr and log. */
const LAST_LINES = 20
const LONGEST_LINE = 500
/** How long to wait for stderr after the process has ended. */
const STDERR_MS = 200

/** The last lines that a process wrote or logged before it ended. */
export class LastWords {
  #lines: readonly string[] = []
  #error: string | undefined

  get lines(): readonly string[] {
    return this.#lines
  }

  /** The last line that reports a failure. */
  get error(): string | undefined {
    return this.#error
  }

  remember(line: string, isError: boolean): void {
    if (line.trim() === '') return
    const kept = line.slice(0, LONGEST_LINE)
    if (isError) this.#error = kept
    this.#lines = [...this.#lines.slice(1 - LAST_LINES), kept]
  }
}

/** How `child` ends; `lastWords` gets the lines that it writes to stderr. */
export function endOf(child: ChildProcess, lastWords: LastWords): Promise<ProcessEnd> {
  let rest = ''
  child.stderr?.on('data', (data) => {
    const lines = (rest + data).split('\n')
    rest = (lines.pop() ?? '').slice(0, LONGEST_LINE) // a line may have no end
    for (const line of lines) lastWords.remember(line, true)
  })
  child.stderr?.on('error', () => {})
  return new Promise((resolve) => {
    child.on('error', (error) => {
      if (child.pid === undefined) resolve({ error })
    })
    child.once('exit', (code, signal) => {
      const done = () => {
        clearTimeout(timer)
        lastWords.remember(rest, true)
        rest = ''
        resolve({ code, signal })
      }
      const timer = setTimeout(done, STDERR_MS) // a child of the process may still hold its stderr
      if (child.stderr?.closed) done()
      else child.stderr?.once('close', done)
    })
  })
}
