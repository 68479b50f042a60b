import {
  CancellationError,
  ClosedError,
  ContextOverflowError,
  DeviceError,
  DownloadError,
  EngineCrashedError,
  GPT4AllError,
  isGPT4AllError,
  ModelError,
  markError,
  OutOfMemoryError,
  QueueFullError,
  SessionFileError,
  TemplateError,
} from '../../core/errors.ts'

/** An error as it crosses between processes, with its class and data. */
export type WireError = {
  readonly className: string
  readonly isOurs: boolean
  readonly message: string
  readonly stack: string | undefined
  /** Its own enumerable properties, as far as they are data. */
  readonly data: Readonly<Record<string, unknown>>
  readonly cause: WireError | undefined
}

const CLASSES: Readonly<Record<string, { readonly prototype: Error }>> = {
  CancellationError,
  ClosedError,
  ContextOverflowError,
  DeviceError,
  DownloadError,
  EngineCrashedError,
  GPT4AllError,
  ModelError,
  OutOfMemoryError,
  QueueFullError,
  SessionFileError,
  TemplateError,
  TypeError,
  RangeError,
}

/** The most causes that cross; a chain of them may be a ring. */
const MOST_CAUSES = 5
/** The deepest data that crosses. */
const MOST_LEVELS = 5

export function errorToWire(error: unknown, causes = MOST_CAUSES): WireError {
  if (typeof error !== 'object' || error === null || !('message' in error)) {
    return {
      className: 'Error',
      isOurs: false,
      message: String(error),
      stack: undefined,
      data: {},
      cause: undefined,
    }
  }
  const { message, stack, cause } = error as Error
  return {
    className: error.constructor?.name ?? 'Error',
    isOurs: isGPT4AllError(error),
    message: String(message),
    stack,
    data: Object.fromEntries(Object.entries(error).filter(([, value]) => isData(value, MOST_LEVELS))),
    cause: cause === undefined || causes === 0 ? undefined : errorToWire(cause, causes - 1),
  }
}

export function errorFromWire({ className, isOurs, message, stack, data, cause }: WireError): Error {
  const options = cause ? { cause: errorFromWire(cause) } : {}
  const error = new Error(message, options)
  if (stack !== undefined) Object.defineProperty(error, 'stack', { value: stack, writable: true })
  const known = Object.hasOwn(CLASSES, className) ? CLASSES[className] : undefined
  if (known) Object.setPrototypeOf(error, known.prototype)
  Object.assign(error, data)
  return isOurs ? markError(error) : error
}

function isData(value: unknown, levels: number): boolean {
  if (levels === 0) return false
  if (value === null || ['string', 'number', 'boolean', 'undefined'].includes(typeof value)) return true
  if (Array.isArray(value)) return value.every((one) => isData(one, levels - 1))
  return (
    typeof value === 'object' &&
    Object.getPrototypeOf(value) === Object.prototype &&
    Object.values(value).every((one) => isData(one, levels - 1))
  )
}
