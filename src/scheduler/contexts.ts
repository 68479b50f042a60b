import { messageOf } from '../core/errors.ts'
import type { Logger } from '../core/logger.ts'
import type { NativeBinding, NativeContext, NativeModel } from '../native/contract.ts'
import type { CacheOptions } from '../options/compute.ts'
import { DEFAULTS } from '../options/defaults.ts'
import { Drafter } from './guess/drafter.ts'
import { MOST_GUESSED } from './guess/pace.ts'
import { SLICE } from './slices.ts'
import type { ThreadChoice } from './threads.ts'

type ContextShape = ThreadChoice & {
  /** Tokens of one conversation. */
  readonly contextSize: number
  readonly cache: CacheOptions
  /** The scale at which each of the model's adapters is added to its weights. */
  readonly adapterScales: readonly number[]
  /** Bytes of a context of so many sequences. */
  readonly memoryBytes: (sequences: number) => number
  /** The same tokens give the same logits, bit for bit, whatever was cached or requested before. */
  readonly deterministic: boolean
}

/** A smaller model with the same vocabulary, which guesses what the large one will draw. */
type DraftModel = Pick<ContextShape, 'cache' | 'memoryBytes'> & { readonly native: NativeModel }

export type SchedulerShape = ContextShape & {
  /** The most sequences that are evaluated side by side. */
  readonly parallel: number
  /** Slots made at the start; more are added when they are needed. */
  readonly reserved: number
  /** The most requests that may wait for a slot. */
  readonly maxQueue: number
  /** Bytes for the states of conversations that lost their slots. */
  readonly cacheMemory: number
  /** Bytes of the state of a conversation of so many tokens. */
  readonly stateBytes: (tokens: number) => number
  readonly draft?: DraftModel | undefined
  readonly logger: Logger
}

/** Makes a context of one model for a number of sequences. */
export type MakeContext = (sequences: number) => Promise<NativeContext>

const GREEDY = {
  temperature: 0,
  topK: 0,
  topP: 1,
  minP: 0,
  repeatPenalty: 1,
  repeatLastN: 0,
  presencePenalty: 0,
  frequencyPenalty: 0,
  biasedTokens: new Int32Array(),
  biases: new Float32Array(),
  seed: 0,
} as const

export function contextMaker(
  binding: NativeBinding,
  model: NativeModel,
  { contextSize, threads, batchThreads, cache, adapterScales, memoryBytes, deterministic }: ContextShape,
): MakeContext {
  const batchSize = Math.min(DEFAULTS.nBatch, contextSize)
  const microBatchSize = deterministic ? Math.min(SLICE, batchSize) : batchSize
  return (sequences) => {
    const least = Math.max(sequences, MOST_GUESSED + 1)
    return binding.Context.create(model, {
      contextSize,
      sequences,
      batchSize: Math.max(batchSize, least),
      microBatchSize: Math.max(microBatchSize, least),
      maxOutputs: least,
      threads,
      batchThreads,
      poll: 50,
      ...cache,
      adapterScales,
      memoryBytes: memoryBytes(sequences),
    })
  }
}

/**
 * Evaluates one token, so that all weights are mapped and the threads exist before the first prompt arrives.
 * A request that arrives earlier aborts it; the first step drops what it left in the cache.
 */
export async function warmUp(context: NativeContext, logger: Logger): Promise<void> {
  const started = performance.now()
  try {
    const entry = { sequence: 0, position: 0, tokens: Int32Array.of(0), outputs: [0] }
    const [result] = await context.eval([entry])
    if (result!.error) throw result!.error
    logger.debug(`warmed up in ${Math.round(performance.now() - started)} ms`)
  } catch (error) {
    logger.debug(`not warmed up: ${messageOf(error)}`)
  }
}

/** Makes the drafter that guesses for `model` with `draft`. */
export async function openDrafter(
  binding: NativeBinding,
  { native, cache, memoryBytes }: DraftModel,
  model: NativeModel,
  shape: ContextShape,
): Promise<Drafter> {
  const context = await contextMaker(binding, native, { ...shape, cache, memoryBytes, adapterScales: [] })(1)
  const { vocabSize } = native.info
  return new Drafter(context, new binding.Sampler(vocabSize, GREEDY), vocabSize, model.info.vocabSize)
}
