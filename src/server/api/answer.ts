import { randomUUID } from 'node:crypto'
import type { FinishReason, Generation, GenerationResult, Part } from '../../index.ts'
import { toApiError } from '../errors.ts'
import type { Exchange } from '../exchange.ts'
import { event, merged, streamed } from './stream.ts'

/** How an endpoint writes its answer: each function makes one entry of `choices`. */
export type AnswerFormat = {
  /** Prefix of the answer's id. */
  readonly prefix: string
  /** The field `object` of a whole answer, and of a chunk of a streamed one. */
  readonly whole: string
  readonly chunk: string
  readonly choice: (result: GenerationResult, index: number) => object
  /** The first chunk of a choice, where there is one before its text. */
  readonly begin?: (index: number) => object
  readonly piece: (part: Part, index: number) => object
  /** The last chunk of a choice; `rest` are the log probabilities of tokens that came with no piece. */
  readonly end: (result: GenerationResult, index: number, rest: Part['logprobs']) => object
}

type AnswerOptions = {
  readonly model: string
  readonly streams: boolean
  /** Whether a last chunk reports the usage. */
  readonly includesUsage: boolean
  /** Choices are ordered by prompt; each prompt counts once. */
  readonly choicesPerPrompt: number
  readonly stallTimeout: number
  readonly pingInterval: number
}

/** Answers with one choice for each of `generations`, whole or streamed. */
export async function answer(
  generations: readonly Generation[],
  format: AnswerFormat,
  exchange: Exchange,
  options: AnswerOptions,
): Promise<Response> {
  const { model, streams, includesUsage, choicesPerPrompt } = options
  exchange.generates(generations, choicesPerPrompt)
  const id = `${format.prefix}-${randomUUID().replaceAll('-', '')}`
  const head = { id, object: format.whole, created: Math.floor(Date.now() / 1000), model }
  if (streams) {
    const chunkHead = { ...head, object: format.chunk, ...(includesUsage && { usage: null }) }
    const events = eventsOf(generations, format, exchange, chunkHead, options)
    exchange.streams()
    return streamed(events, options, (reason) => exchange.leave(reason))
  }
  const results = await Promise.all(generations.map(({ result }) => result)).catch((error) => {
    exchange.abort(error) // the others are no longer needed
    throw error
  })
  exchange.noteResults(results)
  const choices = results.map(format.choice)
  return Response.json({ ...head, choices, ...totals(results, choicesPerPrompt) })
}

async function* eventsOf(
  generations: readonly Generation[],
  format: AnswerFormat,
  exchange: Exchange,
  head: object,
  { includesUsage, choicesPerPrompt }: AnswerOptions,
): AsyncGenerator<string, void, void> {
  const chunk = (choice: object) => event({ ...head, choices: [choice] })
  const begun = new Set<number>()
  const reported = generations.map(() => 0)
  let hasBegun = false
  try {
    const parts = merged(generations.map((generation) => generation.parts()))
    for await (const { index, value } of parts) {
      if (format.begin && !begun.has(index)) yield chunk(format.begin(index))
      begun.add(index)
      hasBegun = true
      if (value) {
        reported[index]! += value.logprobs?.length ?? 0
        yield chunk(format.piece(value, index))
      } else {
        const result = await generations[index]!.result
        const rest = result.logprobs?.slice(reported[index])
        yield chunk(format.end(result, index, rest?.length ? rest : undefined))
      }
    }
    const results = await Promise.all(generations.map(({ result }) => result))
    exchange.noteResults(results)
    if (includesUsage) yield event({ ...head, choices: [], ...totals(results, choicesPerPrompt) })
    yield event('[DONE]')
    exchange.end(200)
  } catch (error) {
    const failure = toApiError(error, exchange.promptParameter)
    exchange.abort(failure)
    exchange.end(failure.status, failure)
    if (!hasBegun) throw failure // headers may not be sent yet
    yield event(failure.body)
  } finally {
    // `return()` was called because the client went away.
    exchange.end(200)
  }
}

/** Usage with OpenAI's names, timings with those of llama.cpp's server, and of the first choice only. */
function totals(results: readonly GenerationResult[], choicesPerPrompt: number): object {
  const sum = (list: readonly GenerationResult[], of: (result: GenerationResult) => number) =>
    list.reduce((total, result) => total + of(result), 0)
  const prompts = results.filter((_, i) => i % choicesPerPrompt === 0)
  const promptTokens = sum(prompts, ({ usage }) => usage.promptTokens)
  const completionTokens = sum(results, ({ usage }) => usage.completionTokens)
  const { timings } = results[0]!
  return {
    usage: {
      prompt_tokens: promptTokens,
      completion_tokens: completionTokens,
      total_tokens: promptTokens + completionTokens,
      prompt_tokens_details: { cached_tokens: sum(prompts, ({ usage }) => usage.cachedTokens) },
    },
    timings: {
      queue_ms: timings.queueMs,
      prompt_ms: timings.promptMs,
      prompt_per_second: timings.promptTokensPerSecond,
      predicted_ms: timings.completionMs,
      predicted_per_second: timings.tokensPerSecond,
    },
  }
}

export function finishReasonOf({ finishReason }: { readonly finishReason: FinishReason }): 'stop' | 'length' {
  return finishReason === 'length' ? 'length' : 'stop'
}
