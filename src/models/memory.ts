import { totalmem } from 'node:os'
import { OutOfMemoryError } from '../errors.ts'
import type { GgufHeader } from './gguf.ts'

/** Bytes the machine, or the cgroup this process is confined to, has in all. */
function availableBytes(): number {
  const limit = process.constrainedMemory?.() ?? 0
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem()
}

/** Bytes of 16-bit keys and values per token of context. 0 where the header does not tell (recurrent models). */
function kvBytesPerToken({ architecture, metadata }: GgufHeader): number {
  // A model may give a number for each layer: then their mean tells the same sum.
  const number = (key: string) => {
    const entry = metadata.get(`${architecture}.${key}`)
    if (entry === undefined) return undefined
    if (entry.type !== 'array') return Number(entry.value)
    const values = Array.from(entry.values ?? [], Number)
    return values.length > 0 ? values.reduce((sum, value) => sum + value, 0) / values.length : undefined
  }
  const layers = number('block_count') ?? 0
  const heads = number('attention.head_count') ?? 0
  const kvHeads = number('attention.head_count_kv') ?? heads
  if (heads === 0) return 0
  const headSize = (number('embedding_length') ?? 0) / heads
  const key = number('attention.key_length') ?? headSize
  const value = number('attention.value_length') ?? headSize
  return 2 * layers * kvHeads * (key + value)
}

/**
 * Refuses a model whose weights and KV cache cannot fit. Linux promises memory it does not have and kills the
 * process that uses it, so this must be known before.
 * @throws {OutOfMemoryError} `ERR_MEMORY`, with the largest `nCtx` that would fit
 */
export function checkMemory(header: GgufHeader, nCtx: number): void {
  const available = availableBytes()
  const perToken = kvBytesPerToken(header)
  const needed = header.tensorBytes + perToken * nCtx
  if (needed <= available) return
  const largest = perToken > 0 ? Math.floor((available - header.tensorBytes) / perToken / 256) * 256 : 0
  const advice =
    largest >= 256
      ? `The largest nCtx that fits is ${largest}.`
      : 'Choose a smaller model or a smaller quantization of it.'
  throw new OutOfMemoryError(
    `${header.path} with nCtx ${nCtx} needs ${gibibytes(needed)}, this machine has ${gibibytes(available)}. ${advice}`,
  )
}

function gibibytes(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(1)} GiB`
}
