import { GPT4All, type ModelOptions } from '../../src/index.ts'
import { createServer, type ModelServer, type ServerOptions } from '../../src/server/index.ts'
import { EMBEDDED } from './models.ts'

/** What the server logs of a request. */
export type LogLine = {
  readonly id: string
  readonly method: string
  readonly path: string
  readonly status: number
  readonly model?: string
  readonly prompt?: unknown
  readonly answers?: readonly string[]
  readonly completionTokens?: number
  readonly error?: string
  readonly advice?: string
}

export type Running = {
  readonly url: string
  readonly server: ModelServer
  readonly model: GPT4All
  readonly lines: readonly LogLine[]
  get(path: string, headers?: Record<string, string>): Promise<Response>
  /** Posts JSON; a string is sent as it is. */
  post(path: string, body: unknown, init?: RequestInit): Promise<Response>
  /** Resolves when a line of which `isMeant` is true is in the log. */
  logged(isMeant: (line: LogLine) => boolean): Promise<LogLine>
  close(): Promise<void>
}

/** A server on a free port of this machine with the embedded model. */
export async function serve(options: ServerOptions = {}, modelOptions: ModelOptions = {}): Promise<Running> {
  const model = await GPT4All.load(EMBEDDED, { nThreads: 1, ...modelOptions })
  const lines: LogLine[] = []
  let tell = () => {}
  const info = (line: string) => {
    if (line.startsWith('{')) lines.push(JSON.parse(line) as LogLine)
    tell()
  }
  const logger = { debug() {}, info, warn() {}, error: info }
  const server = createServer({ tiny: model }, { logger, ...options })
  const { url } = await server.listen({ port: 0 })
  return {
    url,
    server,
    model,
    lines,
    get: (path, headers = {}) => fetch(url + path, { headers }),
    post: (path, body, init = {}) =>
      fetch(url + path, {
        method: 'POST',
        body: typeof body === 'string' ? body : JSON.stringify(body),
        ...init,
        headers: { 'content-type': 'application/json', ...init.headers },
      }),
    async logged(isMeant) {
      for (;;) {
        const line = lines.find(isMeant)
        if (line) return line
        await new Promise<void>((resolve) => {
          tell = resolve
        })
      }
    },
    async close() {
      await server.close()
      await model.close()
    },
  }
}

const opened: Running[] = []

/** As `serve()`, until `closeAll()`. */
export async function open(...options: Parameters<typeof serve>): Promise<Running> {
  const one = await serve(...options)
  opened.push(one)
  return one
}

/** For `afterEach()`. */
export async function closeAll(): Promise<void> {
  for (const one of opened.splice(0)) await one.close()
}

// biome-ignore lint/suspicious/noExplicitAny: what a server sends is looked into, not typed
export type Json = any

export async function json(response: Response | Promise<Response>): Promise<Json> {
  return (await response).json()
}

/** The JSON objects of a stream, and whether it came to its end. */
export function eventsOf(text: string): { readonly events: Json[]; readonly isDone: boolean } {
  const data = text
    .split('\n\n')
    .filter((block) => block.startsWith('data: '))
    .map((block) => block.slice('data: '.length))
  return {
    events: data.filter((one) => one !== '[DONE]').map((one) => JSON.parse(one)),
    isDone: data.at(-1) === '[DONE]',
  }
}
