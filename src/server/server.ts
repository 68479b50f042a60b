import { setTimeout as sleep } from 'node:timers/promises'
import { Hono } from 'hono'
import { ClosedError, GPT4AllError, optionError } from '../index.ts'
import { chatCompletions } from './api/chat.ts'
import { completions } from './api/completions.ts'
import { embeddings } from './api/embeddings.ts'
import { rerank } from './api/rerank.ts'
import { Bodies } from './body/body.ts'
import { type Pieces, piecesOfIncoming, piecesOfRequest } from './body/pieces.ts'
import { type AnswerFunction, Listener } from './connections/listener.ts'
import { ApiError, clientLeft, toApiError } from './errors.ts'
import { Exchange } from './exchange.ts'
import { checkKey, checkSource, corsHeaders, isLoopback, preflight } from './guard.ts'
import { Metrics } from './metrics.ts'
import { ModelPool, type ServedModel } from './models/pool.ts'
import { type AnyModel, isModel } from './models/purpose.ts'
import { type ResolvedServerOptions, resolveServerOptions, type ServerOptions } from './options.ts'
import { pageResponse } from './page.ts'

/** Options of `server.listen(options)`. */
export type ListenOptions = {
  /**
   * Port, an integer from 0 to 65535; 0 takes a free one. The default is that of GPT4All's own server.
   * @default 4891
   */
  readonly port?: number | undefined
  /**
   * An address or a name of this machine.
   * @default '127.0.0.1'
   */
  readonly host?: string | undefined
}

type Env = { Bindings: { readonly exchange: Exchange } }

/**
 * Routes, and the method that each of them accepts; `HEAD` goes with `GET`. Only these are counted and get
 * 405.
 */
const METHODS: Readonly<Record<string, string>> = {
  '/': 'GET',
  '/health': 'GET',
  '/metrics': 'GET',
  '/v1/models': 'GET',
  '/v1/models/{id}': 'GET',
  '/v1/completions': 'POST',
  '/v1/chat/completions': 'POST',
  '/v1/embeddings': 'POST',
  '/v1/rerank': 'POST',
}
const OPEN_PATHS = ['/', '/health']
/** Other servers' names of `/v1/rerank`; `/v2` is Cohere's. */
const RANKING = /^(\/v2)?\/rerank(ing)?$/
const DEFAULT_PORT = 4891
/** Time for a last message to clients whose requests are aborted, ms. */
const GRACE_MS = 500

/**
 * A server of models with OpenAI's API. `listen()` runs it on its own, `fetch` makes it part of another
 * server.
 */
export class ModelServer {
  readonly #options: ResolvedServerOptions
  readonly #pool: ModelPool
  readonly #metrics: Metrics
  readonly #bodies: Bodies
  readonly #app = new Hono<Env>({ getPath: (request) => apiPath(pathOf(request)) })
  readonly #exchanges = new Set<Exchange>()
  #listener: Listener | undefined
  #closed: Promise<void> | undefined

  /** @internal Made by `createServer()`. */
  constructor(models: ReadonlyMap<string, AnyModel>, options: ServerOptions | undefined) {
    this.#options = resolveServerOptions(options)
    if (models.size === 0 && this.#options.modelPath === undefined)
      throw optionError('models', 'a model, or a folder of models (option modelPath)', undefined)
    this.#pool = new ModelPool(models, this.#options)
    this.#metrics = new Metrics(this.#pool)
    this.#bodies = new Bodies(this.#options)
    this.#route()
  }

  /** Answers one request, for example from Hono's `mount()` or a route handler of Next.js. */
  readonly fetch = (request: Request): Promise<Response> => this.#exchange(request, piecesOfRequest(request))

  async #exchange(request: Request, pieces: Pieces): Promise<Response> {
    if (!isRequest(request)) throw optionError('request', 'a Request', request)
    const pathname = apiPath(pathOf(request))
    const { logger, logPrompts } = this.#options
    const exchange = new Exchange(request, pieces, routeOf(pathname) ?? 'other', {
      logger,
      logPrompts,
      metrics: this.#metrics,
    })
    this.#exchanges.add(exchange)
    void exchange.ended.then(() => this.#exchanges.delete(exchange))
    const response = await this.#answer(request, pathname, exchange)
    const headers = { 'x-request-id': exchange.id, ...corsHeaders(request, this.#options) }
    for (const [name, value] of Object.entries(headers)) response.headers.set(name, value)
    return response
  }

  /**
   * Starts listening, and resolves with the URL and port. A `host` other than this machine itself needs an
   * `apiKey`, or `allowAnyone`.
   *
   * @throws `TypeError` with `ERR_OPTION` for such a host without either
   * @throws {@link GPT4AllError} `ERR_BUSY` if it listens already, `ERR_CLOSED` after `close()`
   */
  async listen(options: ListenOptions = {}): Promise<{ readonly url: string; readonly port: number }> {
    checkObject(options)
    const { port = DEFAULT_PORT, host = '127.0.0.1' } = options
    const { apiKeys, allowAnyone, bodyTimeout } = this.#options
    if (!isLoopback(host) && apiKeys.length === 0 && !allowAnyone)
      throw optionError(
        'host',
        'an address of this machine only, unless "apiKey" or "allowAnyone" is set,',
        host,
      )
    if (!Number.isInteger(port) || port < 0 || port > 65535)
      throw optionError('port', 'an integer from 0 to 65535', port)
    if (this.#closed) throw new ClosedError('The server')
    if (this.#listener) throw new GPT4AllError('ERR_BUSY', 'The server is already listening.')
    const answer: AnswerFunction = (request, incoming) => this.#exchange(request, piecesOfIncoming(incoming))
    const listener = new Listener(answer, { port, host, bodyTimeout })
    this.#listener = listener
    return listener.address().catch((error) => {
      this.#listener = undefined // the port may be free the next time
      throw error
    })
  }

  /**
   * Stops accepting requests, lets those in progress finish for at most `timeout` milliseconds (30,000, or
   * `Infinity`), then aborts them, and unloads the models it has loaded. Idempotent.
   */
  close(options: { readonly timeout?: number } = {}): Promise<void> {
    checkObject(options)
    const { timeout = 30_000 } = options
    const isTime = timeout === Number.POSITIVE_INFINITY || (timeout >= 0 && timeout < 2 ** 31)
    if (!isTime)
      throw optionError('timeout', 'a number of milliseconds from 0 to 2147483647, or Infinity,', timeout)
    this.#closed ??= this.#close(timeout)
    return this.#closed
  }

  /** Calls `close()`; makes `await using` work. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(timeout: number): Promise<void> {
    const stopped = await this.#listener?.stop()
    const ended = Promise.all([...this.#exchanges].map((exchange) => exchange.ended))
    await before(ended, timeout)
    const reason = new ApiError(503, 'The server is shutting down.', { code: 'shutting_down' })
    for (const exchange of this.#exchanges) exchange.abort(reason)
    await before(ended, GRACE_MS)
    // A client that has not read its last message by now, or never ended its request, is not waited for.
    for (const exchange of this.#exchanges) exchange.end(reason.status, reason)
    await this.#pool.close()
    await stopped?.finish()
  }

  async #answer(request: Request, pathname: string, exchange: Exchange): Promise<Response> {
    try {
      if (this.#closed) throw new ApiError(503, 'The server is shutting down.', { code: 'shutting_down' })
      if (pathname === '') throw new ApiError(400, 'The request URL is invalid.', { code: 'invalid_url' })
      checkSource(request, this.#options)
      if (request.method === 'OPTIONS') {
        exchange.answered(204)
        return preflight(request, this.#options)
      }
      if (!OPEN_PATHS.includes(pathname)) checkKey(request, this.#options)
      const response = await this.#app.fetch(request, { exchange })
      exchange.answered(response.status)
      return new Response(response.body, response)
    } catch (error) {
      const failure = request.signal?.aborted
        ? clientLeft(error)
        : toApiError(error, exchange.promptParameter)
      exchange.answered(failure.status, failure)
      return failure.toResponse()
    }
  }

  #route(): void {
    const app = this.#app
    const options = this.#options
    const pool = this.#pool
    app.onError((error) => {
      throw error
    })
    app.notFound(({ req }) => {
      const route = options.page || req.path !== '/' ? routeOf(req.path) : undefined
      const method = route && METHODS[route]
      if (method)
        throw new ApiError(405, `${route} does not support ${req.method}. Use ${method}.`, {
          code: 'method_not_supported',
          headers: { allow: method === 'GET' ? 'GET, HEAD' : method },
        })
      throw new ApiError(404, `The URL ${req.path.slice(0, 200)} does not exist.`, { code: 'unknown_url' })
    })
    // Open to all, so it gives no names where a key is needed to see them.
    const named = (names: Record<string, readonly string[]>) => (options.apiKeys.length > 0 ? {} : names)
    app.get('/health', (c) => {
      const { loaded, down } = pool
      if (down.length === 0) return c.json({ status: 'ok', ...named({ loaded }) })
      const isAnyUp = loaded.some((id) => !down.includes(id))
      return isAnyUp
        ? c.json({ status: 'degraded', ...named({ loaded, down }) })
        : c.json({ status: 'engine_down', ...named({ loaded, down }) }, 503)
    })
    app.get('/metrics', () => this.#metrics.toResponse())
    app.get('/v1/models', async (c) => c.json({ object: 'list', data: (await pool.list()).map(modelObject) }))
    app.get('/v1/models/:id', async (c) => {
      const id = c.req.param('id')
      const all = await pool.list()
      const model = all.find((one) => one.id === id) ?? all.find((one) => `${one.id}.gguf` === id)
      if (!model)
        throw new ApiError(404, `There is no model "${id.slice(0, 200)}".`, {
          code: 'model_not_found',
          param: 'model',
        })
      return c.json(modelObject(model))
    })
    const answers = {
      '/v1/chat/completions': chatCompletions,
      '/v1/completions': completions,
      '/v1/embeddings': embeddings,
      '/v1/rerank': rerank,
    }
    for (const [path, answer] of Object.entries(answers))
      app.post(path, (c) =>
        answer({ request: c.req.raw, exchange: c.env.exchange, pool, bodies: this.#bodies, options }),
      )
    if (options.page) app.get('/', () => pageResponse())
  }
}

/**
 * Creates a server with OpenAI's API for one model, several by the names that requests use, or those of a
 * folder (`modelPath`). The caller closes the models that it passes.
 *
 * @example
 * ```ts
 * const server = createServer(model)
 * const { url } = await server.listen({ port: 4891 })
 * await server.close()
 * ```
 */
export function createServer(
  models?: AnyModel | Readonly<Record<string, AnyModel>>,
  options?: ServerOptions,
): ModelServer {
  return new ModelServer(byName(models), options)
}

function byName(models: AnyModel | Readonly<Record<string, AnyModel>> = {}): ReadonlyMap<string, AnyModel> {
  if (isModel(models)) return new Map([[models.name, models]])
  const entries = Object.entries(Object(models) as Record<string, unknown>)
  if (typeof models !== 'object' || !entries.every(([, model]) => isModel(model)))
    throw optionError('models', 'a GPT4All, Embed4All or Reranker, or an object of them by name', models)
  return new Map(entries as [string, AnyModel][])
}

function checkObject(options: unknown): void {
  if (typeof options !== 'object' || options === null) throw optionError('options', 'an object', options)
}

/** Frameworks have `Request` classes of their own. */
function isRequest(request: unknown): request is Request {
  const { url, method, headers } = (request ?? {}) as Partial<Request>
  return typeof url === 'string' && typeof method === 'string' && typeof headers?.get === 'function'
}

/**
 * The path as it is listed here: clients leave out `/v1` or say it twice, and double or append slashes; some
 * know ranking by another name. Unchanged where that makes no path of this server.
 */
function apiPath(pathname: string): string {
  if (pathname === '') return ''
  const names = pathname.split('/').filter((name) => name !== '')
  while (names[0] === 'v1') names.shift()
  const joined = `/${names.join('/')}`
  const bare = RANKING.test(joined) ? '/rerank' : joined
  return [`/v1${bare}`, bare].find((path) => routeOf(path) !== undefined) ?? pathname
}

/** The route of a path, if there is one. */
function routeOf(pathname: string): string | undefined {
  const route = /^\/v1\/models\/[^/]+$/.test(pathname) ? '/v1/models/{id}' : pathname
  return Object.hasOwn(METHODS, route) ? route : undefined
}

/** `''` if the URL is invalid: its host comes from a header. */
function pathOf({ url }: Request): string {
  try {
    return new URL(url).pathname
  } catch {
    return ''
  }
}

/** Resolves with `promise`, or after `ms`. */
async function before(promise: Promise<unknown>, ms: number): Promise<void> {
  const timer = new AbortController()
  const time = ms === Number.POSITIVE_INFINITY ? promise : sleep(ms, undefined, { signal: timer.signal })
  await Promise.race([promise, time.catch(() => {})])
  timer.abort()
}

function modelObject({ id, created, purpose, contextSize }: ServedModel): object {
  const about = { purpose: purpose ?? null, context_length: contextSize ?? null }
  return { id, object: 'model', created, owned_by: 'gpt4all-ts', ...about }
}
