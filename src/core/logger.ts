import { isThenable } from './async.ts'

/** Where log lines go: `console`, a pino or winston logger, or any object with these four methods. */
export type Logger = {
  /** Details, including the lines of llama.cpp. */
  debug(message: string): void
  /** What the library does, including the final prompt of every generation. */
  info(message: string): void
  /** Something unexpected that the library could deal with. */
  warn(message: string): void
  /** A failure, such as a crash of an isolated engine while no call is in progress. */
  error(message: string): void
}

/** Severity of a log line, in ascending order. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

export const LOG_LEVELS: readonly LogLevel[] = ['debug', 'info', 'warn', 'error']

const nothing = () => {}

/** Drops all lines. */
export const SILENT: Logger = { debug: nothing, info: nothing, warn: nothing, error: nothing }

/** Whether `logger` drops lines of `level`, so that the caller need not make them. */
export function isSilent(logger: Logger, level: LogLevel): boolean {
  return logger[level] === nothing
}

/** A logger whose lines at `levels` go to `write`; the others are never made. */
export function loggerOf(
  levels: readonly LogLevel[],
  write: (level: LogLevel, line: string) => void,
): Logger {
  const at = (level: LogLevel) => (levels.includes(level) ? (line: string) => write(level, line) : nothing)
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}

/** `logger`, but its failures do not affect the work that it logs. */
export function harmless(logger: Logger): Logger {
  return loggerOf(LOG_LEVELS, (level, message) => {
    try {
      const logged: unknown = logger[level](message)
      if (isThenable(logged)) logged.then(undefined, () => {})
    } catch {
      // it cannot be reported
    }
  })
}
