import type { GenerateOptions } from '../../index.ts'
import type { ResolvedServerOptions } from '../options.ts'
import type { SamplingRequest } from './schema.ts'

/** The options of one generation; of several for one request, `choice` counts them. */
export function samplingOf(
  request: SamplingRequest,
  choice: number,
  maxTokens: number,
  { defaults, maxTokens: most, streamInterval }: ResolvedServerOptions,
): GenerateOptions {
  const { seed, stop } = request
  return withoutUndefined({
    maxTokens: Math.min(maxTokens, most),
    streamInterval,
    temp: request.temperature ?? defaults.temp,
    topK: request.top_k ?? defaults.topK,
    topP: request.top_p ?? defaults.topP,
    minP: request.min_p ?? defaults.minP,
    repeatPenalty: request.repeat_penalty ?? defaults.repeatPenalty,
    repeatLastN: request.repeat_last_n ?? defaults.repeatLastN,
    presencePenalty: request.presence_penalty ?? defaults.presencePenalty,
    frequencyPenalty: request.frequency_penalty ?? defaults.frequencyPenalty,
    logitBias: request.logit_bias ?? undefined,
    seed: typeof seed === 'number' ? seedOf(seed, choice) : undefined,
    stop: stop ?? undefined,
  })
}

/** Clients may send any integer; a generation takes 32 bits. Choices of one request differ. */
function seedOf(seed: number, choice: number): number {
  return Number(BigInt.asUintN(32, BigInt(seed) + BigInt(choice)))
}

function withoutUndefined<T extends object>(options: T): T {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T
}
