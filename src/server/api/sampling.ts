import type { GenerateOptions } from '../../index.ts'
import type { ResolvedServerOptions } from '../options.ts'
import { isSampling, SAMPLING, type SamplingOption } from '../sampling.ts'
import type { SamplingRequest } from './schema.ts'

/** The options of one generation; `choice` is its index among those of the request. */
export function samplingOf(
  request: SamplingRequest,
  choice: number,
  maxTokens: number,
  { defaults, maxTokens: most, streamInterval, strict }: ResolvedServerOptions,
  vocabularySize = Number.POSITIVE_INFINITY,
): GenerateOptions {
  const { seed, stop, logit_bias: logitBias } = request
  const asked = (option: SamplingOption) => [option, request[SAMPLING[option]] ?? defaults[option]] as const
  return withoutUndefined({
    ...Object.fromEntries(Object.keys(SAMPLING).filter(isSampling).map(asked)),
    maxTokens: Math.min(maxTokens, most),
    streamInterval,
    logitBias: logitBias && !strict ? knownTokens(logitBias, vocabularySize) : (logitBias ?? undefined),
    seed: typeof seed === 'number' ? seedOf(seed, choice) : undefined,
    stop: stop ?? undefined,
  })
}

/** Clients have lists of tokens that were made for other models. */
function knownTokens(biases: Readonly<Record<string, number>>, size: number): Record<string, number> {
  return Object.fromEntries(Object.entries(biases).filter(([token]) => Number(token) < size))
}

/** Clients may send any integer, a generation takes 32 bits. Choices of one request differ. */
function seedOf(seed: number, choice: number): number {
  return Number(BigInt.asUintN(32, BigInt(seed) + BigInt(choice)))
}

function withoutUndefined<T extends object>(options: T): T {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T
}
