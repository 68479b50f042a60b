import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { GenerationResult, Usage } from '../index.ts'
import type { ModelPool } from './models/pool.ts'

const SECONDS = [0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120]

/** What `/metrics` reports, in the format of Prometheus. */
export class Metrics {
  readonly #registry = new Registry()
  readonly #requests = new Counter({
    name: 'gpt4all_requests_total',
    help: 'Answered requests, by path and HTTP status; 499: the client disconnected.',
    labelNames: ['path', 'status'],
    registers: [this.#registry],
  })
  readonly #duration = new Histogram({
    name: 'gpt4all_request_duration_seconds',
    help: 'Time from a request to the last byte of its answer.',
    labelNames: ['path'],
    buckets: SECONDS,
    registers: [this.#registry],
  })
  readonly #firstToken = new Histogram({
    name: 'gpt4all_time_to_first_token_seconds',
    help: 'Time from the start of a generation to its first token, including the wait in the queue.',
    labelNames: ['model'],
    buckets: SECONDS,
    registers: [this.#registry],
  })
  readonly #tokens = {
    prompt: this.#counter('gpt4all_prompt_tokens_total', 'Prompt tokens.'),
    cached: this.#counter('gpt4all_cached_tokens_total', 'Prompt tokens that were found in the cache.'),
    completion: this.#counter('gpt4all_completion_tokens_total', 'Generated tokens.'),
  }

  constructor(pool: ModelPool) {
    const gauge = (name: string, help: string, collect: (gauge: Gauge<'model'>) => void) =>
      new Gauge({
        name,
        help,
        labelNames: ['model'] as const,
        registers: [this.#registry],
        collect() {
          this.reset()
          collect(this)
        },
      })
    gauge('gpt4all_generations_running', 'Generations that are running.', (gauge) => {
      for (const { id, running } of pool.activities()) gauge.set({ model: id }, running)
    })
    gauge('gpt4all_generations_queued', 'Generations that are waiting in the queue.', (gauge) => {
      for (const { id, queued } of pool.activities()) gauge.set({ model: id }, queued)
    })
    new Counter({
      name: 'gpt4all_engine_restarts_total',
      help: 'Restarts of isolated engines after crashes.',
      labelNames: ['model'] as const,
      registers: [this.#registry],
      collect() {
        this.reset()
        for (const { id, restarts } of pool.restarts()) this.inc({ model: id }, restarts)
      },
    })
    gauge(
      'gpt4all_engine_down',
      '1 for each model whose isolated engine has crashed too often to be restarted.',
      (gauge) => {
        for (const id of pool.down) gauge.set({ model: id }, 1)
      },
    )
    gauge('gpt4all_model_loaded', '1 for each model whose weights are in memory.', (gauge) => {
      for (const id of pool.loaded) gauge.set({ model: id }, 1)
    })
  }

  answered(path: string, status: number, seconds: number): void {
    this.#requests.inc({ path, status: String(status) })
    this.#duration.observe({ path }, seconds)
  }

  /** `prompts` has one of the `results` per prompt, because the choices for a prompt share it. */
  generated(model: string, results: readonly GenerationResult[], prompts: readonly GenerationResult[]): void {
    const usages = (list: readonly GenerationResult[]) => list.map(({ usage }) => usage)
    this.count(model, usages(results), usages(prompts))
    for (const { timings } of results) this.#firstToken.observe({ model }, timings.promptMs / 1000)
  }

  /** Includes what was generated in vain: the client went away, or another choice failed. */
  count(model: string, made: readonly Usage[], prompts: readonly Usage[]): void {
    for (const { promptTokens, cachedTokens } of prompts) {
      this.#tokens.prompt.inc({ model }, promptTokens)
      this.#tokens.cached.inc({ model }, cachedTokens)
    }
    for (const { completionTokens } of made) this.#tokens.completion.inc({ model }, completionTokens)
  }

  read(model: string, promptTokens: number): void {
    this.#tokens.prompt.inc({ model }, promptTokens)
  }

  async toResponse(): Promise<Response> {
    const text = await this.#registry.metrics()
    return new Response(text, { headers: { 'content-type': this.#registry.contentType } })
  }

  #counter(name: string, help: string): Counter<'model'> {
    return new Counter({ name, help, labelNames: ['model'] as const, registers: [this.#registry] })
  }
}
