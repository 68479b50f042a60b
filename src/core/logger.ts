/** Where log lines go: `console`, a pino or winston logger, or any object with these four methods. */
export type Logger = {
  /** Details, among them the lines of llama.cpp. */
  debug(message: string): void
  /** What the library does, among it the final prompt of every generation. */
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

/** True where `logger` drops lines of `level`: lets the caller skip the work of making them. */
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

/** `logger`, where it fails without failing what it logs. */
export function harmless(logger: Logger): Logger {
  return loggerOf(LOG_LEVELS, (level, message) => {
    try {
      logger[level](message)
    } catch {
      // nobody to tell
    }
  })
}
