import { totalmem } from 'node:os'
import { OutOfMemoryError } from '../errors.ts'
import type { GgufHeader } from './gguf/header.ts'

/** Bytes the machine, or the cgroup this process is confined to, has in all. */
function availableBytes(): number {
  const limit = process.constrainedMemory?.() ?? 0
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem()
}

/** A number of the metadata. A model may give one for each layer: then their mean tells the same sum. */
function metaNumber({ architecture, metadata }: GgufHeader, key: string): number | undefined {
  const entry = metadata.get(`${architecture}.${key}`)
  if (entry === undefined) return undefined
  if (entry.type !== 'array') return Number(entry.value)
  const values = Array.from(entry.values ?? [], Number)
  return values.length > 0 ? values.reduce((sum, value) => sum + value, 0) / values.length : undefined
}

/** Bytes of 16-bit keys and values per token of context. 0 where the header does not tell (recurrent models). */
function kvBytesPerToken(header: GgufHeader): number {
  const number = (key: string) => metaNumber(header, key)
  const layers = number('block_count') ?? 0
  const heads = number('attention.head_count') ?? 0
  const kvHeads = number('attention.head_count_kv') ?? heads
  if (heads === 0) return 0
  const headSize = (number('embedding_length') ?? 0) / heads
  const key = number('attention.key_length') ?? headSize
  const value = number('attention.value_length') ?? headSize
  return 2 * layers * kvHeads * (key + value)
}

/** What a model takes, in bytes. Of a machine without a GPU; what a GPU takes it takes from its own memory. */
export type MemoryPlan = {
  /** Of the tensors, which are mapped from the file. */
  readonly weights: number
  /** Keys and values of `nCtx` tokens; 0 for recurrent models, whose state is small. */
  readonly kvCache: number
  /** What a step computes in, an estimate. */
  readonly compute: number
  readonly total: number
  /** What this machine has, or the control group that this process is confined to. */
  readonly available: number
  readonly fits: boolean
  /** The largest `nCtx`, a multiple of 256, that fits; 0 where none does, `Infinity` where it does not matter. */
  readonly largestNCtx: number
}

/** Tokens computed at once. */
const MICRO_BATCH = 512
/** Floats per token and unit of width that a graph needs at most, by trying. */
const COMPUTE_FLOATS = 16

export function planMemory(header: GgufHeader, nCtx: number): MemoryPlan {
  const available = availableBytes()
  const perToken = kvBytesPerToken(header)
  const weights = header.tensorBytes
  const kvCache = perToken * nCtx
  const width = metaNumber(header, 'embedding_length') ?? 0
  const compute = 4 * (2 * header.tokenCount + COMPUTE_FLOATS * width * Math.min(MICRO_BATCH, nCtx))
  const total = weights + kvCache + compute
  const room = available - weights - compute
  const most = perToken > 0 ? Math.floor(room / perToken / 256) * 256 : Number.POSITIVE_INFINITY
  const largestNCtx = room > 0 ? Math.max(0, most) : 0
  return { weights, kvCache, compute, total, available, fits: total <= available, largestNCtx }
}

/**
 * Refuses a model whose weights and KV cache cannot fit. Linux promises memory it does not have and kills the
 * process that uses it, so this must be known before.
 * @throws {OutOfMemoryError} `ERR_MEMORY`, with the largest `nCtx` that would fit
 */
export function checkMemory(header: GgufHeader, nCtx: number): void {
  const { total, available, fits, largestNCtx } = planMemory(header, nCtx)
  if (fits) return
  const advice =
    largestNCtx >= 256
      ? `The largest nCtx that fits is ${largestNCtx}.`
      : 'Choose a smaller model or a smaller quantization of it.'
  throw new OutOfMemoryError(
    `${header.path} with nCtx ${nCtx} needs ${gibibytes(total)}, this machine has ${gibibytes(available)}. ${advice}`,
  )
}

function gibibytes(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(1)} GiB`
}
