/** Model options for how it computes: threads, flash attention, the KV cache, LoRA adapters. */
import { availableParallelism } from 'node:os'
import { optionError } from '../core/errors.ts'
import type { Logger } from '../core/logger.ts'
import type { KvType } from '../native/contract.ts'
import { checkObject, MAX_FLOAT } from './checks.ts'
import { DEFAULTS } from './defaults.ts'
import { define, integer, number, Option, path, type Resolved } from './define.ts'
import type { FilePath } from './path-text.ts'

/** A LoRA adapter: a GGUF file, and how strongly it is applied to the weights. */
export type LoraAdapter = {
  /**
   * Where the file is. With a slash it is a path; without one, a file in the default folder. If `modelPath`
   * is given, the file must lie within it. `~/` and `file:` URLs work, and `.gguf` may be left out.
   */
  readonly path: FilePath
  /**
   * How strongly it is applied: 0 is not at all, 1 is as trained. Any finite number works, negative ones
   * included.
   * @default 1
   */
  readonly scale?: number | undefined
}

export type ComputeOptions = {
  /**
   * Threads that compute, a positive integer, clamped to the number of cores; `setThreadCount()` changes it
   * later. The default is all usable cores. On Linux the library then uses fewer while other programs want
   * the cores; a number given here is kept. Source: `n_threads` in Python.
   * @default undefined
   */
  readonly nThreads?: number | undefined
  /**
   * Threads for steps of more than one token (prompts, answers computed side by side, guesses being
   * verified): a positive integer, clamped like `nThreads`. If either of the two is given, neither is lowered
   * for other programs. The default is the value of `nThreads`.
   * @default undefined
   */
  readonly nThreadsBatch?: number | undefined
  /**
   * Number format of the keys and values in the cache: one for both, or `{ k, v }`. `'q8_0'` takes about half
   * the memory of `'f16'` and `'q4_0'` about a quarter, at the price of slightly different texts. Quantized
   * formats hold blocks of 32 numbers, which the model's attention heads must be a multiple of; quantized
   * values need flash attention. With flash attention `'f32'` gives what `'f16'` gives, as llama.cpp rounds it.
   * @default 'f16'
   */
  readonly kvType?: KvType | { readonly k?: KvType | undefined; readonly v?: KvType | undefined } | undefined
  /**
   * Flash attention needs less memory and is usually faster. `'auto'` uses it where the device supports it.
   * @default 'auto'
   */
  readonly flashAttention?: boolean | 'auto' | undefined
  /**
   * LoRA adapters made for this model, applied to its weights while it computes.
   * @default undefined
   */
  readonly lora?: readonly LoraAdapter[] | undefined
}

export type ResolvedThreads = {
  readonly nThreads: number
  readonly nThreadsBatch: number
  /** A number was given: it is not changed for the sake of other programs. */
  readonly fixedThreads: boolean
}

export type ResolvedComputeOptions = ResolvedThreads & {
  readonly keyType: KvType
  readonly valueType: KvType
  readonly flashAttention: 'auto' | 'on' | 'off'
  readonly lora: readonly { readonly path: string; readonly scale: number }[]
}

/** Bytes of a block, and the numbers in it; source: ggml_type and its traits in ggml.c. */
export const KV_TYPES: Readonly<Record<KvType, { readonly bytes: number; readonly block: number }>> = {
  f16: { bytes: 2, block: 1 },
  bf16: { bytes: 2, block: 1 },
  f32: { bytes: 4, block: 1 },
  q8_0: { bytes: 34, block: 32 },
  q5_1: { bytes: 24, block: 32 },
  q5_0: { bytes: 22, block: 32 },
  q4_1: { bytes: 20, block: 32 },
  q4_0: { bytes: 18, block: 32 },
  iq4_nl: { bytes: 18, block: 32 },
}

/** Number formats of the cached keys and values. */
export type CacheTypes = { readonly keyType: KvType; readonly valueType: KvType }

/** Options of a context's KV cache. */
export type CacheOptions = CacheTypes & { readonly flashAttention: 'auto' | 'on' | 'off' }

/** ggml's own limit (GGML_MAX_N_THREADS). */
const MAX_THREADS = 512

export const COMPUTE = define<ComputeOptions>()({
  nThreads: integer(1),
  nThreadsBatch: integer(1),
  kvType: new Option(kvTypes),
  flashAttention: new Option(readFlashAttention),
  lora: new Option(adapters),
})

/** @throws {RangeError} `ERR_OPTION` for quantized values without flash attention */
export function resolveComputeOptions(
  { kvType, flashAttention, lora, nThreads, nThreadsBatch }: Resolved<typeof COMPUTE>,
  logger: Logger,
): ResolvedComputeOptions {
  if (flashAttention === 'off' && KV_TYPES[kvType.valueType].block > 1)
    throw optionError('kvType', 'values of f16, bf16 or f32 without flashAttention', kvType.valueType)
  const one = clamped('nThreads', nThreads, logger)
  const more = clamped('nThreadsBatch', nThreadsBatch, logger)
  return {
    nThreads: one ?? usableCores(),
    nThreadsBatch: more ?? one ?? usableCores(),
    fixedThreads: one !== undefined || more !== undefined,
    ...kvType,
    flashAttention,
    lora,
  }
}

/**
 * The same count for every step; with `undefined` all cores, but fewer while other programs want them.
 * @throws {TypeError | RangeError} `ERR_OPTION` for anything but a positive integer
 */
export function resolveThreadCount(value: unknown, logger: Logger): ResolvedThreads {
  const count = clamped('count', integer(1).read('count', value), logger)
  const used = count ?? usableCores()
  return { nThreads: used, nThreadsBatch: used, fixedThreads: count !== undefined }
}

function clamped(name: string, wanted: number | undefined, logger: Logger): number | undefined {
  const cores = usableCores()
  if (wanted === undefined || wanted <= cores) return wanted
  logger.warn(`${name} ${wanted} is more than the ${cores} usable cores; using ${cores}`)
  return cores
}

function usableCores(): number {
  return Math.min(availableParallelism(), MAX_THREADS)
}

function kvTypes(name: string, value: unknown): { keyType: KvType; valueType: KvType } {
  const one = oneKvType.default(DEFAULTS.kvType)
  if (typeof value !== 'object' || value === null) {
    const both = one.read(name, value)
    return { keyType: both, valueType: both }
  }
  const { k, v } = define<{ k?: KvType; v?: KvType }>()({ k: one, v: one }).resolve(value, name)
  return { keyType: k, valueType: v }
}

const oneKvType = new Option((name, value): KvType | undefined => {
  if (value === undefined) return undefined
  if (typeof value === 'string' && Object.hasOwn(KV_TYPES, value)) return value as KvType
  throw optionError(name, `one of ${Object.keys(KV_TYPES).join(', ')}`, value)
})

function readFlashAttention(name: string, value: unknown): 'auto' | 'on' | 'off' {
  if (value === undefined) return DEFAULTS.flashAttention
  if (value === 'auto') return 'auto'
  if (typeof value === 'boolean') return value ? 'on' : 'off'
  throw optionError(name, "true, false or 'auto'", value)
}

const LORA_ADAPTER = define<LoraAdapter>()({
  path: new Option((name, value) => {
    if (value === undefined) throw optionError(name, 'a non-empty string', value)
    return path().read(name, value) as string
  }),
  scale: number(-MAX_FLOAT).default(1),
})

function adapters(name: string, value: unknown): ResolvedComputeOptions['lora'] {
  if (value === undefined) return []
  if (!Array.isArray(value)) throw optionError(name, 'an array of { path, scale }', value)
  return Array.from(value, (adapter, i) => {
    checkObject(`${name}[${i}]`, adapter)
    return LORA_ADAPTER.resolve(adapter, `${name}[${i}]`)
  })
}
