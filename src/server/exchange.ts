import { randomUUID } from 'node:crypto'
import { setMaxListeners } from 'node:events'
import { anySignal, deferred } from '../core/async.ts'
import type { Generation, GenerationResult, Logger, Usage } from '../index.ts'
import { isParameter } from './api/schema.ts'
import type { Pieces } from './body/pieces.ts'
import type { ApiError, PromptParameter } from './errors.ts'
import type { Metrics } from './metrics.ts'

/** What the log says about a request besides the request itself. */
type Notes = {
  model?: string
  prompt?: unknown
  answers?: readonly string[]
  /** Of texts that were embedded or ranked. */
  promptTokens?: number
}

type Sinks = {
  readonly logger: Logger | undefined
  readonly logPrompts: boolean
  readonly metrics: Metrics
}

/** A request and all that is done for it, until the last byte of the answer is on its way. */
export class Exchange {
  readonly id: string
  /** Aborts when the client goes away, or the server gives up. */
  readonly signal: AbortSignal
  /** The request's body. */
  readonly pieces: Pieces
  readonly #giveUp = new AbortController()
  readonly #request: Request
  readonly #path: string
  readonly #sinks: Sinks
  readonly #startedAt = performance.now()
  readonly #notes: Notes = {}
  #results: readonly GenerationResult[] = []
  #prompts: readonly GenerationResult[] = []
  #generations: readonly Generation[] = []
  #choicesPerPrompt = 1
  readonly #atEnd: (() => void)[] = []
  #isStreaming = false
  #isOver = false
  #hasLeft = false
  readonly #ended = deferred()
  /** Resolves when the exchange is over. */
  readonly ended = this.#ended.promise

  constructor(request: Request, pieces: Pieces, path: string, sinks: Sinks) {
    const given = request.headers.get('x-request-id') ?? ''
    this.id = /^[\w.:-]{1,100}$/.test(given) ? given : `req_${randomUUID().replaceAll('-', '')}`
    this.pieces = pieces
    this.#request = request
    this.#path = path
    this.#sinks = sinks
    this.signal = anySignal(request.signal, this.#giveUp.signal)
    setMaxListeners(0, this.signal)
  }

  /** The parameter of the request that brings the prompt. */
  get promptParameter(): PromptParameter {
    if (this.#path === '/v1/embeddings') return 'input'
    if (this.#path === '/v1/rerank') return 'documents'
    return this.#path === '/v1/completions' ? 'prompt' : 'messages'
  }

  /** Aborts its work. */
  abort(reason: unknown): void {
    this.#giveUp.abort(reason)
  }

  /** Notes that the client has left, and aborts. */
  leave(reason: unknown): void {
    this.#hasLeft = true
    this.abort(reason)
  }

  /** `release` is called when the exchange is over. */
  uses(model: string, release: () => void): void {
    this.#notes.model = model
    this.onEnd(release)
  }

  /** `act` is called when the exchange is over, or at once if it already is. */
  onEnd(act: () => void): void {
    if (this.#isOver) act()
    else this.#atEnd.push(act)
  }

  /** Writes a line about fields of the request that have no effect. */
  noteWithoutEffect(fields: readonly string[]): void {
    const { logger, logPrompts } = this.#sinks
    if (fields.length === 0 || !logger) return
    // A name may be any text of the client's.
    const named = fields.filter((field) => logPrompts || /^[\w.[\]-]{1,64}$/.test(field))
    const line = { time: new Date().toISOString(), id: this.id, path: this.#path, withoutEffect: named }
    logger.debug(JSON.stringify(line))
  }

  notePrompt(prompt: unknown): void {
    if (this.#sinks.logPrompts) this.#notes.prompt = prompt
  }

  noteResults(results: readonly GenerationResult[]): void {
    this.#results = results
    this.#prompts = results.filter((_, i) => i % this.#choicesPerPrompt === 0)
    if (this.#sinks.logPrompts) this.#notes.answers = results.map(({ text }) => text)
    this.#sinks.metrics.generated(this.#notes.model ?? '', results, this.#prompts)
  }

  /** Notes the tokens of texts that were embedded or ranked. */
  noteRead(promptTokens: number): void {
    this.#notes.promptTokens = promptTokens
    this.#sinks.metrics.read(this.#notes.model ?? '', promptTokens)
  }

  /** Notes what it generates: choices are ordered by prompt, and each prompt counts once. */
  generates(generations: readonly Generation[], choicesPerPrompt: number): void {
    this.#generations = generations
    this.#choicesPerPrompt = choicesPerPrompt
  }

  /** Counts the tokens of generations that were given up. */
  #noteGivenUp(): object {
    const made = this.#generations.map(({ partial }) => partial.usage)
    const prompts = made.filter((_, i) => i % this.#choicesPerPrompt === 0)
    const evaluated = prompts.filter(({ completionTokens }) => completionTokens > 0)
    this.#sinks.metrics.count(this.#notes.model ?? '', made, evaluated)
    return tokensOf(made, evaluated)
  }

  /** A message may quote the request, so that of a client's error is logged only with `logPrompts`. */
  #errorFields({ message, code, param, status, advice }: ApiError): object {
    const isOwn = status >= 500 || this.#sinks.logPrompts
    const [name = ''] = (param ?? '').split(/[.[]/)
    return {
      error: isOwn ? message : code,
      ...(advice !== undefined && { advice }),
      ...(param !== null && (isOwn || isParameter(name)) && { param: isOwn ? param : name }),
    }
  }

  /** Notes that the answer continues after its headers; the code that streams it calls `end()`. */
  streams(): void {
    this.#isStreaming = true
  }

  /** Ends the exchange, unless the answer is streamed. */
  answered(status: number, error?: ApiError): void {
    if (!this.#isStreaming) this.end(status, error)
  }

  /** Ends the exchange: counts it and writes its line. Idempotent. */
  end(status: number, error?: ApiError): void {
    if (this.#isOver) return
    this.#isOver = true
    for (const act of this.#atEnd) act()
    const { method } = this.#request
    const seconds = (performance.now() - this.#startedAt) / 1000
    // The client has left before the answer.
    const shown = this.#hasLeft || this.#request.signal.aborted ? 499 : status
    this.#sinks.metrics.answered(this.#path, shown, seconds)
    const { logger } = this.#sinks
    const line = JSON.stringify({
      time: new Date().toISOString(),
      id: this.id,
      method,
      path: this.#path,
      status: shown,
      ms: Math.round(seconds * 1000),
      ...this.#notes,
      ...(this.#results.length > 0 ? totals(this.#results, this.#prompts) : this.#noteGivenUp()),
      ...(error && shown !== 499 && this.#errorFields(error)),
      ...(shown >= 500 && error?.cause instanceof Error && { cause: error.cause.stack }),
    })
    this.#ended.resolve()
    if (shown < 500) logger?.info(line)
    else logger?.error(line)
  }
}

function totals(results: readonly GenerationResult[], prompts: readonly GenerationResult[]): object {
  const usages = (list: readonly GenerationResult[]) => list.map(({ usage }) => usage)
  return {
    ...tokensOf(usages(results), usages(prompts)),
    queueMs: Math.round(Math.max(...results.map(({ timings }) => timings.queueMs))),
    finishReasons: results.map(({ finishReason }) => finishReason),
  }
}

function tokensOf(made: readonly Usage[], prompts: readonly Usage[]): object {
  if (made.length === 0) return {}
  const sum = (list: readonly Usage[], name: keyof Usage) =>
    list.reduce((total, usage) => total + usage[name], 0)
  return {
    promptTokens: sum(prompts, 'promptTokens'),
    cachedTokens: sum(prompts, 'cachedTokens'),
    completionTokens: sum(made, 'completionTokens'),
  }
}
