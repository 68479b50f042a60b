/**
 * Every failure of this library is an exception with a class and a stable `code`; messages may change, codes
 * do not. Bad arguments are a `TypeError` or `RangeError` with the code `ERR_OPTION`. All other errors extend
 * {@link GPT4AllError}. {@link isGPT4AllError} recognises both.
 */
export type ErrorCode =
  | 'ERR_OPTION'
  | 'ERR_MODEL_NOT_FOUND'
  | 'ERR_MODEL_UNREADABLE'
  | 'ERR_NOT_GGUF'
  | 'ERR_MODEL_DAMAGED'
  | 'ERR_MODEL_UNSUPPORTED'
  | 'ERR_MODEL_LOAD'
  | 'ERR_MODEL_CONFIG'
  | 'ERR_MEMORY'
  | 'ERR_DEVICE'
  | 'ERR_DOWNLOAD'
  | 'ERR_CHECKSUM'
  | 'ERR_DISK_SPACE'
  | 'ERR_CONTEXT_OVERFLOW'
  | 'ERR_CLOSED'
  | 'ERR_BUSY'
  | 'ERR_QUEUE_FULL'
  | 'ERR_ABORTED'
  | 'ERR_CANCELLED'
  | 'ERR_TEMPLATE'
  | 'ERR_DECODE'
  | 'ERR_SESSION_FILE'
  | 'ERR_ENGINE_CRASHED'
  | 'ERR_BINDING'

const brand = Symbol.for('gpt4all-ts.error')

/**
 * Base class of all errors of this library except bad arguments. Its own instances have the code `ERR_BUSY`
 * (a `callback` waits for another turn of the session that waits for it; a server that already listens),
 * `ERR_DECODE` (a step failed, or its logits are not numbers), `ERR_ABORTED` (a step was interrupted) or
 * `ERR_BINDING` (the native addon cannot be loaded; the message lists what was tried and how to fix it).
 */
export class GPT4AllError extends Error {
  /** What went wrong, for programs; stable across releases. */
  readonly code: Exclude<ErrorCode, 'ERR_OPTION'>

  constructor(code: Exclude<ErrorCode, 'ERR_OPTION'>, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = new.target.name
    this.code = code
    markError(this)
  }
}

/**
 * A model file that cannot be used. `code` says why:
 *
 * - `ERR_MODEL_NOT_FOUND`: there is no such file, and it cannot or must not be downloaded.
 * - `ERR_MODEL_UNREADABLE`: not a regular file (a directory, a named pipe, a device), no permission, or
 * changed while it was being opened.
 * - `ERR_NOT_GGUF`: a file of another kind.
 * - `ERR_MODEL_DAMAGED`: truncated or inconsistent, weights that do not give numbers, or the child process
 * that tried it did not survive.
 * - `ERR_MODEL_UNSUPPORTED`: a kind of model that this library does not run.
 * - `ERR_MODEL_LOAD`: llama.cpp refused it. If it refused a context for it, the error is a `GPT4AllError` of
 * that code.
 * - `ERR_MODEL_CONFIG`: the `modelConfigFile` cannot be read or is not a catalog, or no checksum is known.
 * - `ERR_CHECKSUM`: `verifyModel()` found a different file.
 */
export class ModelError extends GPT4AllError {
  /** The file in question. */
  readonly path: string

  constructor(code: GPT4AllError['code'], message: string, path: string, options?: ErrorOptions) {
    super(code, message, options)
    this.path = path
  }
}

/** `ERR_CONTEXT_OVERFLOW`: the prompt does not fit into the context. Thrown before anything is evaluated. */
export class ContextOverflowError extends GPT4AllError {
  /** Tokens of the prompt; a lower bound if `isEstimated`. */
  readonly promptTokens: number
  /** Size of the context in tokens, prompt and answer together (`nCtx`). */
  readonly contextSize: number
  /** The most prompt tokens that are accepted: `contextSize - 4`, as in the Python package. */
  readonly maxPromptTokens: number
  /** Whether the prompt was not tokenized, because its length alone shows that it cannot fit. */
  readonly isEstimated: boolean
  /** The HTTP status for a program that serves others: Express and Fastify take it from the error. */
  readonly statusCode = 413

  constructor(promptTokens: number, contextSize: number, maxPromptTokens: number, isEstimated = false) {
    super(
      'ERR_CONTEXT_OVERFLOW',
      `The prompt has ${isEstimated ? 'at least ' : ''}${promptTokens} tokens; a context of ${contextSize} (nCtx) takes at most ${maxPromptTokens}. ` +
        'Shorten the prompt or open the model with a larger nCtx.',
    )
    this.promptTokens = promptTokens
    this.contextSize = contextSize
    this.maxPromptTokens = maxPromptTokens
    this.isEstimated = isEstimated
  }
}

/** `ERR_CLOSED`: used after `close()`, or closed during the call. */
export class ClosedError extends GPT4AllError {
  constructor(what: string, options?: ErrorOptions) {
    super('ERR_CLOSED', `${what} is closed.`, options)
  }
}

/** `ERR_CANCELLED`: a `cancelCallback` returned `true`. */
export class CancellationError extends GPT4AllError {
  constructor() {
    super('ERR_CANCELLED', 'operation was canceled')
  }
}

/** `ERR_QUEUE_FULL`: as many generations are waiting as `maxQueue` allows. */
export class QueueFullError extends GPT4AllError {
  /** How many generations may wait. */
  readonly maxQueue: number
  /** The HTTP status for a program that serves others: Express and Fastify take it from the error. */
  readonly statusCode = 503

  constructor(maxQueue: number) {
    super(
      'ERR_QUEUE_FULL',
      `All slots are in use (parallel), and no more than ${maxQueue} generations may wait for one (maxQueue). Try again later.`,
    )
    this.maxQueue = maxQueue
  }
}

/**
 * `ERR_TEMPLATE`: a chat template that cannot be parsed, fails on these messages, or exceeds the limits on
 * steps, memory and recursion.
 */
export class TemplateError extends GPT4AllError {
  /** Line of the template, counted from 1; `undefined` if it is not known. */
  readonly line: number | undefined

  constructor(message: string, options?: ErrorOptions & { readonly line?: number | undefined }) {
    super('ERR_TEMPLATE', message, options)
    this.line = options?.line
  }
}

/** `ERR_SESSION_FILE`: the session file is damaged, is not a session file, or cannot be read or written. */
export class SessionFileError extends GPT4AllError {
  /** The file in question. */
  readonly path: string

  constructor(message: string, path: string, options?: ErrorOptions) {
    super('ERR_SESSION_FILE', message, options)
    this.path = path
  }
}

/**
 * `ERR_ENGINE_CRASHED`: the process of an isolated engine has died, or has crashed too often to be started
 * again.
 */
export class EngineCrashedError extends GPT4AllError {
  /**
   * The signal that ended the process, for example `SIGABRT` or `SIGSEGV`, or `SIGKILL` from the kernel when
   * memory ran out; `undefined` if it was not a signal.
   */
  readonly signal: NodeJS.Signals | undefined
  /** Its exit code; `undefined` if a signal ended it. */
  readonly exitCode: number | undefined
  /** The last lines that the process wrote, which usually contain the reason. */
  readonly lastLines: readonly string[]
  /** What the process was doing. */
  readonly running: readonly string[]
  /** Whether it has crashed more often than `maxRestarts` allows: no call starts it again until `reset()`. */
  readonly isDown: boolean
  /** When the last crash was noticed. */
  readonly time: Date
  /** The HTTP status for a program that serves others: Express and Fastify take it from the error. */
  readonly statusCode = 503

  constructor(
    message: string,
    crash: Pick<EngineCrashedError, 'signal' | 'exitCode' | 'lastLines' | 'running'> &
      Partial<Pick<EngineCrashedError, 'isDown' | 'time'>>,
    options?: ErrorOptions,
  ) {
    super('ERR_ENGINE_CRASHED', message, options)
    this.signal = crash.signal
    this.exitCode = crash.exitCode
    this.lastLines = crash.lastLines
    this.running = crash.running
    this.isDown = crash.isDown ?? false
    this.time = crash.time ?? new Date()
  }
}

/** `ERR_MEMORY`: the weights or the context do not fit into memory. */
export class OutOfMemoryError extends GPT4AllError {
  /** The largest `nCtx` that fits, 0 if none does; `undefined` if it is not known. */
  readonly largestNCtx: number | undefined

  constructor(message: string, options?: ErrorOptions & { readonly largestNCtx?: number }) {
    super('ERR_MEMORY', message, options)
    this.largestNCtx = options?.largestNCtx
  }
}

/** A requested device that is not used, and the reason. */
export type DeviceFallback = { readonly device: string; readonly reason: string }

/**
 * `ERR_DEVICE`: with `strictDevice`, none of the requested devices can be used; or a server in `rpcServers`
 * cannot.
 */
export class DeviceError extends GPT4AllError {
  /** Each requested device, and why it cannot be used. */
  readonly fallbacks: readonly DeviceFallback[]

  constructor(fallbacks: readonly DeviceFallback[], present: readonly string[], options?: ErrorOptions) {
    const reasons = fallbacks.map(({ device, reason }) => `"${device}" (${reason})`).join(', nor ')
    const others = present.length > 0 ? ` Available devices: ${present.join(', ')}.` : ''
    const message = `Cannot compute on ${reasons || 'an empty list of devices'}.${others}`
    super('ERR_DEVICE', message, options)
    this.fallbacks = fallbacks
  }
}

/**
 * A download that failed. `code` says why:
 *
 * - `ERR_DOWNLOAD`: the server cannot be reached, refuses, or sends something else; or the folder cannot be
 * written.
 * - `ERR_CHECKSUM`: the server sent a different file; none of it is kept.
 * - `ERR_DISK_SPACE`: there is not enough room.
 */
export class DownloadError extends GPT4AllError {
  /** The URL, without user, password and query. */
  readonly url: string
  /** HTTP status of the response; `undefined` if there was none, or if it was not the reason. */
  readonly status: number | undefined
  /** The checksum of what the server sent, hexadecimal, with `ERR_CHECKSUM`; otherwise `undefined`. */
  readonly digest: string | undefined
  /** @internal Another attempt may succeed. */
  declare readonly retry: boolean
  /** @internal How long the server asks to wait before another attempt. */
  declare readonly retryAfterMs: number | undefined

  constructor(
    message: string,
    options: ErrorOptions & {
      readonly url: string
      readonly retry: boolean
      readonly code?: 'ERR_DOWNLOAD' | 'ERR_CHECKSUM' | 'ERR_DISK_SPACE'
      readonly status?: number
      readonly digest?: string | undefined
      readonly retryAfterMs?: number | undefined
    },
  ) {
    super(options.code ?? 'ERR_DOWNLOAD', `${message}.`, options)
    this.url = options.url
    this.status = options.status
    this.digest = options.digest
    // Not enumerable: they are of no use to readers of the printed error.
    Object.defineProperty(this, 'retry', { value: options.retry })
    Object.defineProperty(this, 'retryAfterMs', { value: options.retryAfterMs })
  }
}

/**
 * A bad argument: a `TypeError` or `RangeError` whose `code` is `ERR_OPTION`; `option` names the argument.
 */
export type OptionError = (TypeError | RangeError) & { readonly code: 'ERR_OPTION'; readonly option: string }

/** Whether `error` was thrown by this library on purpose, bad arguments included. Works across realms. */
export function isGPT4AllError(error: unknown): error is GPT4AllError | OptionError {
  return typeof error === 'object' && error !== null && brand in error
}

/** @internal Makes `isGPT4AllError()` recognise `error`. */
export function markError<E extends Error>(error: E): E {
  return Object.defineProperty(error, brand, { value: true })
}

/** The message of any thrown value. */
export function messageOf(error: unknown): string {
  return isObject(error) && 'message' in error ? String(error.message) : String(error)
}

/** The code of an error of Node.js or of ours; `undefined` if it has none. */
export function codeOf(error: unknown): string | undefined {
  return isObject(error) && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null

/**
 * Makes the error that this library throws for a bad argument, for code built on top of it: `Expected
 * <expected> for "<option>" but received <received> (<type>)`, followed by `why`. It is a `RangeError` if a
 * number was expected and another one received, otherwise a `TypeError`.
 */
export function optionError(option: string, expected: string, received: unknown, why = ''): OptionError {
  const message = `Expected ${expected} for "${option}" but received ${describe(received)}${why && `, ${why}`}.`
  const outOfRange = typeof received === 'number' && /number|integer/.test(expected)
  const error = outOfRange ? new RangeError(message) : new TypeError(message)
  return Object.assign(markError(error), { code: 'ERR_OPTION', option } as const)
}

/** The same error in other words: where those of Python are known to programs. */
export function worded<E extends Error>(error: E, message: string): E {
  error.message = message
  return error
}

function describe(value: unknown): string {
  if (value === null) return 'null'
  if (typeof value === 'string')
    return `${JSON.stringify(value.length > 60 ? `${value.slice(0, 57)}...` : value)} (string)`
  if (typeof value === 'function') return `${value.name || 'anonymous'} (function)`
  if (Array.isArray(value)) return `an array of ${value.length}`
  if (typeof value === 'object') return `an object (${value.constructor?.name ?? 'Object'})`
  return `${String(value)} (${typeof value})`
}
