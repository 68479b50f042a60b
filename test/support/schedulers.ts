import { afterEach } from 'vitest'
import { contextMemory } from '../../src/loading/memory.ts'
import { readGguf } from '../../src/models/gguf/header.ts'
import type { NativeBinding, NativeModel } from '../../src/native/contract.ts'
import type { SchedulerShape } from '../../src/scheduler/contexts.ts'
import type { Request } from '../../src/scheduler/request.ts'
import { Scheduler } from '../../src/scheduler/scheduler.ts'
import { EMBEDDED } from './models.ts'
import { binding, GREEDY, SHAPE as SHAPE_OF_CONTEXT } from './native-models.ts'

/** What the engines of this test have logged. */
export const lines: string[] = []
const logger = { debug: (line: string) => void lines.push(line), info() {}, warn() {}, error() {} }
const CACHE = { flashAttention: 'auto', keyType: 'f16', valueType: 'f16' } as const
const SHAPE: SchedulerShape = {
  contextSize: 256,
  threads: 1,
  batchThreads: 1,
  cache: CACHE,
  adapterScales: [],
  ...contextMemory(await readGguf(EMBEDDED), 256, CACHE), // other models of tests are smaller
  yields: false,
  deterministic: false,
  parallel: 4,
  reserved: 1,
  maxQueue: Number.POSITIVE_INFINITY,
  cacheMemory: 2 ** 24,
  logger,
}

const engines: Scheduler[] = []
afterEach(async () => {
  lines.length = 0
  for (const engine of engines.splice(0)) await engine.close()
})

/** An engine that is closed behind the test. */
export async function open(
  native: NativeModel,
  shape: Partial<SchedulerShape> = {},
  by: NativeBinding = binding,
): Promise<Scheduler> {
  const engine = await Scheduler.open(by, native, { ...SHAPE, ...shape })
  engines.push(engine)
  return engine
}

export type Run = Pick<Request, 'cachedTokens' | 'proposed' | 'accepted'> & {
  readonly drawn: readonly number[]
}

type RunOptions = {
  signal?: AbortSignal
  onToken?: (token: number) => void
  looksUp?: boolean
  moved?: boolean
  conversation?: object
  batchSize?: number
}

/** Draws `count` tokens behind `prompt`, greedily. */
export async function run(
  engine: Scheduler,
  native: NativeModel,
  prompt: readonly number[],
  count: number,
  { signal, onToken, looksUp = false, moved = false, conversation, batchSize = 512 }: RunOptions = {},
): Promise<Run> {
  const sequence = engine.request({ looksUp, drafts: true })
  sequence.begin({ moved, conversation })
  const sampler = new binding.Sampler(native.info.vocabSize, GREEDY)
  const drawn: number[] = []
  try {
    let next = prompt
    while (drawn.length < count) {
      const answer = await sequence.next(next, { sampler, batchSize, most: count - drawn.length, signal })
      next = answer.tokens
      drawn.push(...next)
      for (const token of next) onToken?.(token)
    }
    const { cachedTokens, proposed, accepted } = sequence
    return { drawn, cachedTokens, proposed, accepted }
  } finally {
    sequence.release()
  }
}

/**
 * How far the drawn tokens are from the likeliest, in standard deviations of the logits, at most. Evaluated in other
 * steps, logits differ by rounding, here by a tenth of that; out of a wrong cache, by several of it.
 */
export async function farthest(
  native: NativeModel,
  prompt: readonly number[],
  drawn: readonly number[],
): Promise<number> {
  const context = await binding.Context.create(native, { ...CONTEXT, maxOutputs: drawn.length })
  const all = Int32Array.from([...prompt, ...drawn.slice(0, -1)])
  const outputs = drawn.map((_, i) => prompt.length - 1 + i)
  const [result] = await context.eval([{ sequence: 0, position: 0, tokens: all, outputs, logits: true }])
  await context.close()
  const distances = drawn.map((token, i) => {
    const logits = result?.logits?.[i] ?? new Float32Array()
    const mean = logits.reduce((sum, logit) => sum + logit, 0) / logits.length
    const deviation = Math.sqrt(logits.reduce((sum, logit) => sum + (logit - mean) ** 2, 0) / logits.length)
    return (Math.max(...logits) - (logits[token] ?? Number.NEGATIVE_INFINITY)) / deviation
  })
  return Math.max(...distances)
}

const CONTEXT = { ...SHAPE_OF_CONTEXT, contextSize: 256, microBatchSize: 256 }
/** For `farthest()`. */
export const ROUNDING = 0.3

/** Tokens that look like no others'. */
export const tokens = (seed: number, count: number) =>
  Array.from({ length: count }, (_, i) => 5 + ((seed * 7919 + i * 31) % 200))
