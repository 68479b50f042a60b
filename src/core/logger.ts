import { channel } from 'node:diagnostics_channel'
import { optionError } from './errors.ts'
import { printable } from './printable.ts'

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
const silent: Logger = { debug: nothing, info: nothing, warn: nothing, error: nothing }

const toStderr = (line: string): void => void process.stderr.write(line)
let writeLine = toStderr

/** Where lines for stderr go, with their line feed, while something else is drawn there; `undefined` = straight to it. */
export function writeLinesTo(write: ((line: string) => void) | undefined): void {
  writeLine = write ?? toStderr
}

/** A logger that writes lines of at least `level` to stderr (never stdout: that belongs to the program). */
function stderrLogger(level: LogLevel): Logger {
  const levels = LOG_LEVELS.slice(LOG_LEVELS.indexOf(level))
  return loggerOf(levels, (name, message) => writeLine(`gpt4all ${name}: ${printable(message)}\n`))
}

/**
 * The logger to use: the one given, else stderr at `info` when `verbose`, or at the level that the environment variable
 * `GPT4ALL_LOG` names (`debug`, `info`, `warn`, `error`; `warn`, and a word about it, for any other text), whichever tells
 * more, else silence.
 */
export function resolveLogger(logger: Logger | undefined, verbose: boolean): Logger {
  if (logger !== undefined) return harmless(checkLogger(logger))
  const named = process.env.GPT4ALL_LOG
  const isLevel = LOG_LEVELS.includes(named as LogLevel)
  const levels = [...(verbose ? ['info'] : []), ...(named ? [isLevel ? named : 'warn'] : [])]
  const level = LOG_LEVELS.find((one) => levels.includes(one))
  if (level === undefined) return silent
  const chosen = stderrLogger(level)
  if (named && !isLevel)
    chosen.warn(`GPT4ALL_LOG is "${named}", which is none of ${LOG_LEVELS.join(', ')}: logging warnings`)
  return chosen
}

/** True where `logger` drops lines of `level`: lets the caller skip the work of making them. */
export function isSilent(logger: Logger, level: LogLevel): boolean {
  return logger[level] === nothing
}

/** What the diagnostics channel `gpt4all-ts:prompt` publishes before a generation. */
export type PromptMessage = {
  /** The final prompt, as the model reads it. */
  readonly prompt: string
  /** Its number of tokens. */
  readonly promptTokens: number
  /** How many of them were in the cache and did not have to be evaluated. */
  readonly cachedTokens: number
}

const prompts = channel('gpt4all-ts:prompt')

/** Tells those who listen to `gpt4all-ts:prompt`. */
export function publishPrompt(message: PromptMessage): void {
  if (prompts.hasSubscribers) prompts.publish(message)
}

/** Whether somebody does. */
export const arePromptsWanted = (): boolean => prompts.hasSubscribers

/** Calls `listener` with the prompts of this process, until the function that it returns is called. */
export function onPrompt(listener: (message: PromptMessage) => void): () => void {
  const hear = (message: unknown) => listener(message as PromptMessage)
  prompts.subscribe(hear)
  return () => prompts.unsubscribe(hear)
}

/** A logger whose lines at `levels` go to `write`; the others are never made. */
export function loggerOf(
  levels: readonly LogLevel[],
  write: (level: LogLevel, line: string) => void,
): Logger {
  const at = (level: LogLevel) => (levels.includes(level) ? (line: string) => write(level, line) : nothing)
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}

/** Tells the final prompt of a generation: to `logger` at level `info`, and on `gpt4all-ts:prompt`. */
export function logPrompt(logger: Logger, message: PromptMessage): void {
  publishPrompt(message)
  if (isSilent(logger, 'info')) return
  const { prompt, promptTokens, cachedTokens } = message
  logger.info(`prompt of ${promptTokens} tokens, ${cachedTokens} of them cached:\n${prompt}`)
}

/** A logger that fails must not fail what it logs. */
function harmless(logger: Logger): Logger {
  return loggerOf(LOG_LEVELS, (level, message) => {
    try {
      logger[level](message)
    } catch {
      // nobody to tell
    }
  })
}

function checkLogger(logger: Logger): Logger {
  const whole =
    typeof logger === 'object' &&
    logger !== null &&
    LOG_LEVELS.every((level) => typeof logger[level] === 'function')
  if (!whole) throw optionError('logger', 'an object with debug, info, warn and error functions', logger)
  return logger
}
