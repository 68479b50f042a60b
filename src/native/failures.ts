import {
  ClosedError,
  GPT4AllError,
  ModelError,
  messageOf,
  OutOfMemoryError,
  TemplateError,
} from '../core/errors.ts'
import type { NativeErrorCode } from './contract.ts'

/** For models that compute values that are not numbers. */
export const HOW_TO_CHECK =
  'Its file may be damaged: GPT4All.verifyModel() compares its checksum with what it should be. If it differs, download the file again.'

/** The code of an error from the addon, `undefined` for any other value. */
export function nativeCode(error: unknown): NativeErrorCode | undefined {
  return isError(error) ? (error as { code?: NativeErrorCode }).code : undefined
}

// No instanceof: errors of the addon belong to Node's own realm, this module perhaps to that of a test
// runner.
function isError(error: unknown): error is Error {
  return typeof error === 'object' && error !== null && 'message' in error
}

/** The public error for one from the addon; `what` is the object that it concerns, e.g. `The model`. */
export function translateFailure(error: unknown, what: string): unknown {
  if (error instanceof GPT4AllError || !isError(error)) return error
  const options = { cause: error }
  switch (nativeCode(error)) {
    case 'ERR_CLOSED':
      return new ClosedError('The model', options) // whatever failed because of that
    case 'ERR_MEMORY':
      return new OutOfMemoryError(`${what} needs more memory than there is: ${error.message}`, options)
    case 'ERR_TEMPLATE':
      return new TemplateError(`The chat template fails: ${error.message}`, {
        ...options,
        line: lineOf(error.message),
      })
    case 'ERR_ABORTED':
      return new GPT4AllError('ERR_ABORTED', `${what} was interrupted.`, options)
    case 'ERR_LOAD':
      return new GPT4AllError('ERR_MODEL_LOAD', `${what} cannot be made: ${error.message}`, options)
    case 'ERR_LOGITS':
      return new GPT4AllError('ERR_DECODE', `${what} failed: ${error.message}. ${HOW_TO_CHECK}`, options)
    case 'ERR_DECODE':
    case 'ERR_CROWDED':
    case 'ERR_CONTEXT_FULL':
    case 'ERR_CANNOT_ROLL_BACK':
    case 'ERR_STATE':
      return new GPT4AllError('ERR_DECODE', `${what} failed: ${error.message}`, options)
    default:
      return error
  }
}

/** The addon writes `line 3, column 5: ...`. */
function lineOf(message: string): number | undefined {
  const line = /^line (\d+), column \d+: /.exec(message)?.[1]
  return line === undefined ? undefined : Number(line)
}

/** The public error for a file that llama.cpp refused to load. */
export function translateLoadFailure(error: unknown, path: string): unknown {
  if (nativeCode(error) !== 'ERR_LOAD') return translateFailure(error, `The model ${path}`)
  const reason = messageOf(error)
  const options = { cause: error }
  const architecture = /unknown model architecture: '([^']*)'/.exec(reason)?.[1]
  if (architecture !== undefined) {
    const message = `${path} has the architecture "${architecture}", which this version of llama.cpp does not know.`
    return new ModelError('ERR_MODEL_UNSUPPORTED', message, path, options)
  }
  return new ModelError('ERR_MODEL_LOAD', `llama.cpp could not load ${path}: ${reason}`, path, options)
}
