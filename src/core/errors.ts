/**
 * Every failure of this library is an exception with a class and a stable `code`; messages may change, codes
 * do not. Bad arguments are `TypeError` or `RangeError` with `code: 'ERR_OPTION'`, all others extend
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
  | 'ERR_TEMPLATE'
  | 'ERR_DECODE'
  | 'ERR_SESSION_FILE'
  | 'ERR_ENGINE_CRASHED'
  | 'ERR_BINDING'

const brand = Symbol.for('gpt4all-ts.error')

/** The class of every failure that is not a bad argument. */
export class GPT4AllError extends Error {
  /** What went wrong, for programs: stable across releases. */
  readonly code: Exclude<ErrorCode, 'ERR_OPTION'>

  constructor(code: Exclude<ErrorCode, 'ERR_OPTION'>, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = new.target.name
    this.code = code
    markError(this)
  }
}

/**
 * A model file that cannot be used. `code` says why: `ERR_MODEL_NOT_FOUND`, `ERR_MODEL_UNREADABLE` (no file but
 * a directory, a named pipe or a device; no permission; changed while it was opened), `ERR_NOT_GGUF`, `ERR_MODEL_DAMAGED` (truncated, inconsistent, with weights that
 * give no numbers, or the end of a child process that tried it), `ERR_MODEL_UNSUPPORTED`
 * (a kind of model this library does not run), `ERR_MODEL_LOAD` (llama.cpp refused it) or `ERR_MODEL_CONFIG` (the
 * `modelConfigFile` cannot be read, or is no catalog) or `ERR_CHECKSUM` (`verifyModel()` found another file).
 */
export class ModelError extends GPT4AllError {
  /** The file that was meant. */
  readonly path: string

  constructor(code: GPT4AllError['code'], message: string, path: string, options?: ErrorOptions) {
    super(code, message, options)
    this.path = path
  }
}

/** `ERR_CONTEXT_OVERFLOW`: the prompt does not fit in the context. Thrown before anything is evaluated. */
export class ContextOverflowError extends GPT4AllError {
  /** Tokens of the prompt; at least so many where its length alone tells that it cannot fit. */
  readonly promptTokens: number
  /** Tokens the context holds, prompt and answer together (`nCtx`). */
  readonly contextSize: number
  /** The most prompt tokens that are accepted: `contextSize - 4`, as in the Python package. */
  readonly maxPromptTokens: number

  constructor(promptTokens: number, contextSize: number, maxPromptTokens: number, isEstimated = false) {
    super(
      'ERR_CONTEXT_OVERFLOW',
      `The prompt has ${isEstimated ? 'at least ' : ''}${promptTokens} tokens; a context of ${contextSize} (nCtx) takes at most ${maxPromptTokens}. ` +
        'Shorten the prompt or open the model with a larger nCtx.',
    )
    this.promptTokens = promptTokens
    this.contextSize = contextSize
    this.maxPromptTokens = maxPromptTokens
  }
}

/** `ERR_CLOSED`: used after `close()`, or closed while the call was under way. */
export class ClosedError extends GPT4AllError {
  constructor(what: string, options?: ErrorOptions) {
    super('ERR_CLOSED', `${what} is closed.`, options)
  }
}

/** `ERR_QUEUE_FULL`: as many generations wait as `maxQueue` allows. */
export class QueueFullError extends GPT4AllError {
  /** How many may wait. */
  readonly maxQueue: number

  constructor(maxQueue: number) {
    super(
      'ERR_QUEUE_FULL',
      `All places are taken (parallel), and no more than ${maxQueue} may wait for one (maxQueue).`,
    )
    this.maxQueue = maxQueue
  }
}

/** `ERR_TEMPLATE`: a chat template that cannot be parsed, that raised while rendering, or that never ends. */
export class TemplateError extends GPT4AllError {
  /** Line of the template, from 1; `undefined` where it is not known. */
  readonly line: number | undefined

  constructor(message: string, options?: ErrorOptions & { readonly line?: number | undefined }) {
    super('ERR_TEMPLATE', message, options)
    this.line = options?.line
  }
}

/** `ERR_SESSION_FILE`: the file of a saved session cannot be read or written, is damaged, or is none. */
export class SessionFileError extends GPT4AllError {
  /** The file that was meant. */
  readonly path: string

  constructor(message: string, path: string, options?: ErrorOptions) {
    super('ERR_SESSION_FILE', message, options)
    this.path = path
  }
}

/** `ERR_ENGINE_CRASHED`: the process of an isolated engine has ended by itself, or may not be started any more. */
export class EngineCrashedError extends GPT4AllError {
  /** The signal that ended it, e.g. `SIGABRT`, `SIGSEGV`, or `SIGKILL` of the kernel where memory ran out. */
  readonly signal: NodeJS.Signals | undefined
  /** Its exit code, where it was no signal. */
  readonly exitCode: number | undefined
  /** What it wrote last: the reason, mostly. */
  readonly lastLines: readonly string[]
  /** What it was doing. */
  readonly running: readonly string[]
  /** It has crashed more often than `maxRestarts` allows: no call starts it again before its `reset()`. */
  readonly isDown: boolean
  /** When the (last) crash was noticed. */
  readonly time: Date

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

/** `ERR_MEMORY`: weights or context do not fit into this machine's memory. */
export class OutOfMemoryError extends GPT4AllError {
  /** The largest `nCtx` that fits, 0 where none does; `undefined` where it is not known. */
  readonly largestNCtx: number | undefined

  constructor(message: string, options?: ErrorOptions & { readonly largestNCtx?: number }) {
    super('ERR_MEMORY', message, options)
    this.largestNCtx = options?.largestNCtx
  }
}

/** A device that was asked for and is not used, and why. */
export type DeviceFallback = { readonly device: string; readonly reason: string }

/** `ERR_DEVICE`: with `strictDevice`, none of the devices that were asked for can be used. */
export class DeviceError extends GPT4AllError {
  /** Each device that was asked for, and why it cannot be used. */
  readonly fallbacks: readonly DeviceFallback[]

  constructor(fallbacks: readonly DeviceFallback[], present: readonly string[], options?: ErrorOptions) {
    const reasons = fallbacks.map(({ device, reason }) => `"${device}" (${reason})`).join(', nor ')
    const others =
      present.length > 0 ? ` Devices of this machine that the addon knows: ${present.join(', ')}.` : ''
    const message = `Cannot compute on ${reasons || 'an empty list of devices'}.${others}`
    super('ERR_DEVICE', message, options)
    this.fallbacks = fallbacks
  }
}

/**
 * A download that failed. `code` says why: `ERR_DOWNLOAD` (the server cannot be reached, refuses, or sends something
 * else, or the folder cannot be written), `ERR_CHECKSUM` (what it sent is not the file that was meant) or `ERR_DISK_SPACE`.
 */
export class DownloadError extends GPT4AllError {
  /** Without user, password and query. */
  readonly url: string
  /** The HTTP status of the answer; `undefined` where there was none, or it was not the reason. */
  readonly status: number | undefined
  /** @internal Another attempt may succeed. */
  declare readonly retry: boolean
  /** @internal How long the server asks to wait before it. */
  declare readonly retryAfterMs: number | undefined

  constructor(
    message: string,
    options: ErrorOptions & {
      readonly url: string
      readonly retry: boolean
      readonly code?: 'ERR_DOWNLOAD' | 'ERR_CHECKSUM' | 'ERR_DISK_SPACE'
      readonly status?: number
      readonly retryAfterMs?: number | undefined
    },
  ) {
    super(options.code ?? 'ERR_DOWNLOAD', `${message}.`, options)
    this.url = options.url
    this.status = options.status
    // Not enumerable: they are of no use to whoever reads the printed error.
    Object.defineProperty(this, 'retry', { value: options.retry })
    Object.defineProperty(this, 'retryAfterMs', { value: options.retryAfterMs })
  }
}

/** A bad argument: a `TypeError` or `RangeError` whose code is `ERR_OPTION`. */
export type OptionError = (TypeError | RangeError) & { readonly code: 'ERR_OPTION'; readonly option: string }

/** True for every error this library throws on purpose, bad arguments included; works across realms. */
export function isGPT4AllError(error: unknown): error is GPT4AllError | OptionError {
  return typeof error === 'object' && error !== null && brand in error
}

/** @internal Makes `isGPT4AllError()` recognise `error`. */
export function markError<E extends Error>(error: E): E {
  return Object.defineProperty(error, brand, { value: true })
}

/**
 * The one way to refuse an argument: `Expected <what> for "<option>" but received <value> (<type>)`, and why not. A value of
 * the wrong type makes a `TypeError`, a number out of range a `RangeError`.
 */
export function optionError(option: string, expected: string, received: unknown, why = ''): OptionError {
  const message = `Expected ${expected} for "${option}" but received ${describe(received)}${why && `, ${why}`}.`
  const outOfRange = typeof received === 'number' && /number|integer/.test(expected)
  const error = outOfRange ? new RangeError(message) : new TypeError(message)
  return Object.assign(markError(error), { code: 'ERR_OPTION', option } as const)
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
