import { type ContextOverflowError, type EngineCrashedError, isGPT4AllError } from '../index.ts'
import { SAMPLING } from './sampling.ts'

type ErrorType =
  | 'invalid_request_error'
  | 'authentication_error'
  | 'permission_error'
  | 'not_found_error'
  | 'rate_limit_error'
  | 'server_error'

type Details = {
  readonly type?: ErrorType
  /** For programs, e.g. `model_not_found`: OpenAI's code where there is one. */
  readonly code: string
  /** For the log, not for the client: what the operator can do about it. Quotes nothing of the request. */
  readonly advice?: string
  /** The parameter of the request that is to blame. */
  readonly param?: string | null
  readonly headers?: Readonly<Record<string, string>>
  readonly cause?: unknown
}

const TYPES: Readonly<Record<number, ErrorType>> = {
  401: 'authentication_error',
  403: 'permission_error',
  404: 'not_found_error',
  429: 'rate_limit_error',
}

/** Longest message, because messages may quote the request. */
const MOST_SAID = 600

/** What a client receives when its request fails, in the format of OpenAI's API. */
export class ApiError extends Error {
  readonly status: number
  readonly type: ErrorType
  readonly code: string
  readonly advice: string | undefined
  readonly param: string | null
  readonly headers: Readonly<Record<string, string>>

  constructor(status: number, message: string, details: Details) {
    super(message.length > MOST_SAID ? `${message.slice(0, MOST_SAID)} ...` : message, {
      cause: details.cause,
    })
    this.status = status
    this.type = details.type ?? TYPES[status] ?? (status >= 500 ? 'server_error' : 'invalid_request_error')
    this.code = details.code
    this.advice = details.advice
    this.param = details.param ?? null
    this.headers = details.headers ?? {}
  }

  get body(): { readonly error: Readonly<Record<string, string | null>> } {
    const { message, type, param, code } = this
    return { error: { message, type, param, code } }
  }

  toResponse(): Response {
    return Response.json(this.body, { status: this.status, headers: this.headers })
  }
}

/** A request that names a parameter wrongly. */
export function badParameter(param: string, message: string, code = 'invalid_value'): ApiError {
  return new ApiError(400, message, { param, code })
}

/** A request for which there is no room now. */
export function tooMany(
  message: string,
  retryAfterSeconds: number,
  { code = 'queue_full', ...more }: Partial<Pick<Details, 'code' | 'advice' | 'cause'>> = {},
): ApiError {
  const headers = { 'retry-after': String(retryAfterSeconds) }
  return new ApiError(429, message, { code, headers, ...more })
}

/** The engine may start again after `seconds`; `Infinity` if that is unknown. */
export function engineDown(seconds: number, cause?: unknown): ApiError {
  const message =
    "The model's process has crashed too often and will not be restarted for now. The server's log has details."
  const headers: Record<string, string> =
    seconds === Number.POSITIVE_INFINITY ? {} : { 'retry-after': String(Math.ceil(seconds)) }
  return new ApiError(503, message, { code: 'engine_down', headers, cause })
}

/** The library's options that go by another name in requests. */
const PARAMETERS: Readonly<Record<string, string>> = {
  ...SAMPLING,
  logitBias: 'logit_bias',
  text: 'input',
  dimensionality: 'dimensions',
  topN: 'top_n',
}

/** The parameter of a request that brings what the model is to read. */
export type PromptParameter = 'messages' | 'prompt' | 'input' | 'documents'

/** For a client that has aborted its request: the code that sent it may still look at an answer. */
export function clientLeft(cause: unknown): ApiError {
  return new ApiError(499, 'The request was aborted.', { code: 'request_aborted', cause })
}

/**
 * The error as the client sees it, without internals of the server. `prompt` is the parameter that brought
 * the prompt.
 */
export function toApiError(error: unknown, prompt: PromptParameter = 'messages'): ApiError {
  if (error instanceof ApiError) return error
  if (!isGPT4AllError(error))
    return new ApiError(500, 'The server failed to answer this request. Its log has details.', {
      code: 'internal_error',
      cause: error,
    })
  const { message, code } = error
  const cause = error
  switch (error.code) {
    case 'ERR_OPTION': {
      const { option } = error as { readonly option: string }
      const parameter = PARAMETERS[option] ?? option
      return badParameter(parameter, message.replaceAll(`"${option}"`, `"${parameter}"`))
    }
    case 'ERR_CONTEXT_OVERFLOW': {
      const { promptTokens, contextSize, maxPromptTokens, isEstimated } = error as ContextOverflowError
      const count = `${isEstimated ? 'at least ' : ''}${promptTokens} tokens`
      return new ApiError(
        400,
        `The prompt has ${count}; a context of ${contextSize} takes at most ${maxPromptTokens}. Shorten the prompt.`,
        {
          code: 'context_length_exceeded',
          param: prompt,
          advice: 'open the model with a larger nCtx',
          cause,
        },
      )
    }
    case 'ERR_TEMPLATE':
      return new ApiError(400, `The model's chat template rejects these messages: ${message}`, {
        code: 'invalid_prompt',
        param: 'messages',
        cause,
      })
    case 'ERR_QUEUE_FULL':
      return tooMany('Too many requests are waiting for this model. Try again later.', 1, {
        advice: 'open the model with a larger parallel or maxQueue',
        cause,
      })
    case 'ERR_CLOSED':
      return new ApiError(503, 'The model was closed.', { code: 'model_closed', cause })
    case 'ERR_ENGINE_CRASHED':
      if ((error as EngineCrashedError).isDown) return engineDown(Number.POSITIVE_INFINITY, cause)
      return new ApiError(
        503,
        "The model's process has crashed. Try again: the next request restarts it. The server's log has details.",
        {
          code: 'engine_crashed',
          cause,
        },
      )
    case 'ERR_NOT_GGUF':
    case 'ERR_MODEL_DAMAGED':
    case 'ERR_MODEL_UNREADABLE':
    case 'ERR_MODEL_UNSUPPORTED':
      return new ApiError(
        500,
        `The file of this model cannot be used (${code}). The server's log has details.`,
        {
          code: 'model_unusable',
          param: 'model',
          cause,
        },
      )
    case 'ERR_MEMORY':
      return new ApiError(503, 'There is not enough memory for this model at the moment.', { code, cause })
    default:
      return new ApiError(500, `The model failed (${code}). The server's log has details.`, { code, cause })
  }
}
