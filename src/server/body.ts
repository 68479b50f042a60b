import { ApiError } from './errors.ts'

const bad = (status: number, message: string) => new ApiError(status, message)

/** The JSON object that a request brings, read up to `maxBytes`. */
export async function readJson(request: Request, maxBytes: number): Promise<Record<string, unknown>> {
  checkEncoding(request)
  const bytes = await readBytes(request, maxBytes)
  const text = decode(bytes)
  if (text.trim() === '') throw bad(400, 'The request has no body; it must be a JSON object.')
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw bad(400, `The body is not JSON: ${(error as Error).message.slice(0, 200)}.`)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw bad(400, 'The body must be a JSON object.')
  return value as Record<string, unknown>
}

function checkEncoding(request: Request): void {
  const encoding = request.headers.get('content-encoding') ?? 'identity'
  if (encoding !== 'identity') throw bad(415, `The body must not be encoded ("${encoding}").`)
  const type = request.headers.get('content-type') ?? ''
  const charset = /charset="?([^\s;"]+)/i.exec(type)?.[1] ?? 'utf-8'
  if (!/^utf-?8$/i.test(charset)) throw bad(415, `The body must be UTF-8, not "${charset}".`)
  if (/^multipart\//i.test(type)) throw bad(415, 'The body must be JSON (application/json).')
}

async function readBytes(request: Request, maxBytes: number): Promise<Buffer> {
  const tooLarge = () => bad(413, `The body has more than ${maxBytes} bytes (option maxBodyBytes).`)
  if (Number(request.headers.get('content-length')) > maxBytes) throw tooLarge()
  const chunks: Uint8Array[] = []
  let size = 0
  try {
    for await (const chunk of request.body ?? []) {
      size += chunk.length
      if (size > maxBytes) throw tooLarge()
      chunks.push(chunk)
    }
  } catch (error) {
    if (error instanceof ApiError) throw error
    throw new ApiError(400, 'The body ended before it was complete.', { cause: error })
  }
  return Buffer.concat(chunks)
}

function decode(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw bad(400, 'The body is not UTF-8.')
  }
}
