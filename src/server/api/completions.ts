import type { GenerationResult, GPT4All, TokenLogprob, TokenProbability } from '../../index.ts'
import { badParameter } from '../errors.ts'
import { type AnswerFormat, answer, finishReasonOf } from './answer.ts'
import { choicesOf } from './choices.ts'
import { askedOf, type RouteCall } from './route.ts'
import { samplingOf } from './sampling.ts'
import { type CompletionRequest, readCompletionRequest } from './schema.ts'

/** OpenAI's default. */
const DEFAULT_MAX_TOKENS = 16

/** `POST /v1/completions` */
export async function completions(call: RouteCall): Promise<Response> {
  const { exchange, pool, options } = call
  const asked = await askedOf(call, (body, unknown) =>
    readCompletionRequest(body, options.maxChoices, unknown),
  )
  if (asked.echo && typeof asked.logprobs === 'number')
    throw badParameter(
      'echo',
      '"echo" with "logprobs" is not supported by this server yet.',
      'unsupported_parameter',
    )
  const sent = promptsOf(asked.prompt)
  const each = asked.n ?? 1
  const count = choicesOf(each, sent.length, options.maxChoices)
  const { id, model, release } = await pool.use(asked.model || undefined, count, exchange.signal)
  exchange.uses(id, release)
  exchange.notePrompt(asked.prompt)
  const given = await Promise.all(sent.map((prompt) => prompt ?? startOf(model)))
  for (const prompt of given) checkTokens(prompt, model)
  const prompts = given.flatMap((prompt) => Array.from({ length: each }, () => prompt))
  const echoed = asked.echo ? await Promise.all(prompts.map((prompt) => textOf(model, prompt))) : []
  const maxTokens = asked.max_tokens ?? options.defaults.maxTokens ?? DEFAULT_MAX_TOKENS
  const generations = prompts.map((prompt, choice) =>
    model.generate(prompt, {
      ...samplingOf(asked, choice, maxTokens, options, model.config?.vocabularySize),
      ...(typeof asked.logprobs === 'number' && { logprobs: asked.logprobs }),
      signal: exchange.signal,
    }),
  )
  return answer(generations, formatOf(echoed), exchange, {
    model: id,
    streams: asked.stream ?? false,
    includesUsage: asked.stream_options?.include_usage ?? false,
    choicesPerPrompt: each,
    stallTimeout: options.stallTimeout,
    pingInterval: options.pingInterval,
  })
}

type Prompt = string | readonly number[]

/** `null` stands for the beginning of a text. */
function promptsOf(prompt: CompletionRequest['prompt']): readonly (Prompt | null)[] {
  if (prompt === null || typeof prompt === 'string') return [prompt]
  return prompt.length > 0 && prompt.every((one) => typeof one === 'number')
    ? [prompt as number[]]
    : (prompt as (string | number[])[])
}

/** What comes before any text: a model that has no start token needs something else. */
async function startOf(model: GPT4All): Promise<string> {
  return (await model.tokenize('', { addSpecial: true })).length > 0 ? '' : '\n'
}

function checkTokens(prompt: Prompt, model: GPT4All): void {
  if (typeof prompt === 'string') return
  const size = model.config?.vocabularySize ?? 0
  if (prompt.some((token) => token >= size))
    throw badParameter('prompt', `"prompt" has token ids outside this model's vocabulary of ${size} tokens.`)
}

async function textOf(model: GPT4All, prompt: Prompt): Promise<string> {
  return typeof prompt === 'string' ? prompt : model.detokenize(prompt)
}

/** `echoed` are the prompts that begin the texts; empty if they are not requested. */
function formatOf(echoed: readonly string[]): AnswerFormat {
  const writers = new Map<number, LegacyLogprobs>()
  const logprobsOf = (list: readonly TokenLogprob[] | undefined, index: number) => {
    const writer = writers.get(index) ?? new LegacyLogprobs()
    writers.set(index, writer)
    return list ? writer.write(list) : null
  }
  return {
    prefix: 'cmpl',
    whole: 'text_completion',
    chunk: 'text_completion',
    choice: (result: GenerationResult, index) => ({
      index,
      text: (echoed[index] ?? '') + result.text,
      logprobs: logprobsOf(result.logprobs, index),
      finish_reason: finishReasonOf(result),
    }),
    ...(echoed.length > 0 && {
      begin: (index: number) => ({ index, text: echoed[index]!, logprobs: null, finish_reason: null }),
    }),
    piece: ({ text, logprobs }, index) => ({
      index,
      text,
      logprobs: logprobsOf(logprobs, index),
      finish_reason: null,
    }),
    end: (result, index, rest) => ({
      index,
      text: '',
      logprobs: logprobsOf(rest, index),
      finish_reason: finishReasonOf(result),
    }),
  }
}

/** The format of OpenAI's older endpoint: one list per property, and where in the text each token begins. */
class LegacyLogprobs {
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true })
  #offset = 0

  write(list: readonly TokenLogprob[]): object {
    return {
      tokens: list.map(nameOf),
      token_logprobs: list.map(({ logprob }) => logprob),
      top_logprobs: list.map(({ top }) => Object.fromEntries(top.map((one) => [nameOf(one), one.logprob]))),
      text_offset: list.map((token) => this.#next(token)),
    }
  }

  #next({ bytes }: TokenLogprob): number {
    const offset = this.#offset
    this.#offset += this.#decoder.decode(Uint8Array.from(bytes), { stream: true }).length
    return offset
  }
}

/** Names tokens that are only part of a character by their bytes, as OpenAI does. */
function nameOf({ text, bytes }: TokenProbability): string {
  if (!text.includes('\ufffd')) return text
  return `bytes:${bytes.map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('')}`
}
