import { optionError } from './errors.ts'
import { harmless, LOG_LEVELS, type Logger, type LogLevel, loggerOf, SILENT } from './logger.ts'
import { printable } from './printable.ts'

const toStderr = (line: string): void => void process.stderr.write(line)
let writeLine = toStderr

/** Sends stderr lines, with line feed, to `write` while something is drawn there; `undefined` ends that. */
export function writeLinesTo(write: ((line: string) => void) | undefined): void {
  writeLine = write ?? toStderr
}

/** A logger that writes lines of at least `level` to stderr (never stdout: that belongs to the program). */
function stderrLogger(level: LogLevel): Logger {
  const levels = LOG_LEVELS.slice(LOG_LEVELS.indexOf(level))
  return loggerOf(levels, (name, message) => writeLine(`gpt4all ${name}: ${printable(message)}\n`))
}

/**
 * The logger to use: the one given, else stderr at `info` if `verbose`, or at the level that the environment
 * variable `GPT4ALL_LOG` names (`debug`, `info`, `warn`, `error`; any other text means `warn`, and is
 * logged), whichever logs more; else silence.
 */
export function resolveLogger(logger: Logger | undefined, verbose: boolean): Logger {
  if (logger !== undefined) return harmless(checkLogger(logger))
  const named = process.env.GPT4ALL_LOG
  const isLevel = LOG_LEVELS.includes(named as LogLevel)
  const levels = [...(verbose ? ['info'] : []), ...(named ? [isLevel ? named : 'warn'] : [])]
  const level = LOG_LEVELS.find((one) => levels.includes(one))
  if (level === undefined) return SILENT
  const chosen = stderrLogger(level)
  if (named && !isLevel)
    chosen.warn(`GPT4ALL_LOG must be one of ${LOG_LEVELS.join(', ')}, not "${named}": logging warnings`)
  return chosen
}

function checkLogger(logger: Logger): Logger {
  const whole =
    typeof logger === 'object' &&
    logger !== null &&
    LOG_LEVELS.every((level) => typeof logger[level] === 'function')
  if (!whole) throw optionError('logger', 'an object with debug, info, warn and error functions', logger)
  return logger
}
