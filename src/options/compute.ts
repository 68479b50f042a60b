/** Options of a model on how it computes: threads, flash attention, the KV cache, LoRA adapters. */
import { availableParallelism } from 'node:os'
import { optionError } from '../core/errors.ts'
import type { Logger } from '../core/logger.ts'
import type { KvType } from '../native/contract.ts'
import { checkKnown, checkObject, integer, MAX_FLOAT, number, string } from './checks.ts'

/** A LoRA adapter: a GGUF file, and how much of it is added to the weights. */
export type LoraAdapter = {
  /**
   * As the path of a model: with a slash a path of its own; without, a file in the default folder; always within
   * `modelPath` where that is given. `~/` and `file:` URLs work, and `.gguf` may be left out.
   */
  readonly path: string
  /** How much of it: 0 is none, 1 as it was trained; more, and less than 0, are possible. @default 1 */
  readonly scale?: number | undefined
}

export type ComputeOptions = {
  /**
   * Threads that compute, an integer, 1 or more; more than the machine's cores are clamped. `setThreadCount()` changes
   * them later.
   * @default all usable cores, and on Linux fewer while other programs want them. Source: `n_threads` in Python
   */
  readonly nThreads?: number | undefined
  /**
   * Threads for steps of more than one token: prompts, answers that are computed side by side, guesses that are
   * verified. An integer, 1 or more, clamped as `nThreads`. When one of the two is given, neither is lowered for other
   * programs. @default as many as `nThreads`
   */
  readonly nThreadsBatch?: number | undefined
  /**
   * What keys and values of past tokens are kept as, both, or `{ k, v }` each: `'q8_0'` takes about half of the memory of
   * `'f16'`, `'q4_0'` a quarter, with texts that differ a little. Blocks of 32 numbers must fit into the model's attention heads,
   * and quantized values need flash attention.
   * @default 'f16'
   */
  readonly kvType?: KvType | { readonly k?: KvType | undefined; readonly v?: KvType | undefined } | undefined
  /**
   * Flash attention: less memory, mostly faster. `'auto'` uses it where the device can.
   * @default 'auto'
   */
  readonly flashAttention?: boolean | 'auto' | undefined
  /** LoRA adapters of this very model, which are added to its weights while it computes. @default none */
  readonly lora?: readonly LoraAdapter[] | undefined
}

export type ResolvedThreads = {
  readonly nThreads: number
  readonly nThreadsBatch: number
  /** A number was asked for: it is not changed for the sake of other programs. */
  readonly fixedThreads: boolean
}

export type ResolvedComputeOptions = ResolvedThreads & {
  readonly keyType: KvType
  readonly valueType: KvType
  readonly flashAttention: 'auto' | 'on' | 'off'
  readonly lora: readonly { readonly path: string; readonly scale: number }[]
}

export const COMPUTE_OPTIONS: Readonly<Record<keyof ComputeOptions, true>> = {
  nThreads: true,
  nThreadsBatch: true,
  kvType: true,
  flashAttention: true,
  lora: true,
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

/** ggml's own limit (GGML_MAX_N_THREADS). */
const MAX_THREADS = 512

export function resolveComputeOptions(options: ComputeOptions, logger: Logger): ResolvedComputeOptions {
  const { keyType, valueType } = kvTypes(options.kvType)
  const flashAttention = resolveFlashAttention(options.flashAttention)
  if (flashAttention === 'off' && KV_TYPES[valueType].block > 1)
    throw optionError('kvType', 'values of f16, bf16 or f32 without flashAttention', valueType)
  return {
    ...resolveThreads(options, logger),
    keyType,
    valueType,
    flashAttention,
    lora: adapters(options.lora),
  }
}

function resolveThreads({ nThreads, nThreadsBatch }: ComputeOptions, logger: Logger): ResolvedThreads {
  const one = threadCount('nThreads', nThreads, logger)
  const more = threadCount('nThreadsBatch', nThreadsBatch, logger)
  const fixedThreads = one !== undefined || more !== undefined
  return { nThreads: one ?? usableCores(), nThreadsBatch: more ?? one ?? usableCores(), fixedThreads }
}

/**
 * The same count for every step, or with `undefined` all cores and fewer while other programs want them.
 * @throws {TypeError | RangeError} `ERR_OPTION` for what is no positive integer
 */
export function resolveThreadCount(value: unknown, logger: Logger): ResolvedThreads {
  const count = threadCount('count', value, logger)
  const used = count ?? usableCores()
  return { nThreads: used, nThreadsBatch: used, fixedThreads: count !== undefined }
}

function threadCount(name: string, value: unknown, logger: Logger): number | undefined {
  const wanted = integer(name, value, 1)
  const cores = usableCores()
  if (wanted === undefined || wanted <= cores) return wanted
  logger.warn(`${name} ${wanted} is more than the ${cores} usable cores; using ${cores}`)
  return cores
}

function usableCores(): number {
  return Math.min(availableParallelism(), MAX_THREADS)
}

function kvTypes(value: unknown): { keyType: KvType; valueType: KvType } {
  if (typeof value !== 'object' || value === null) {
    const both = kvType('kvType', value)
    return { keyType: both, valueType: both }
  }
  checkObject('kvType', value)
  checkKnown(value, { k: true, v: true })
  const { k, v } = value as { k?: unknown; v?: unknown }
  return { keyType: kvType('kvType.k', k), valueType: kvType('kvType.v', v) }
}

function kvType(name: string, value: unknown): KvType {
  if (value === undefined) return 'f16'
  if (typeof value === 'string' && Object.hasOwn(KV_TYPES, value)) return value as KvType
  throw optionError(name, `one of ${Object.keys(KV_TYPES).join(', ')}`, value)
}

function resolveFlashAttention(value: unknown): 'auto' | 'on' | 'off' {
  if (value === undefined || value === 'auto') return 'auto'
  if (typeof value === 'boolean') return value ? 'on' : 'off'
  throw optionError('flashAttention', "true, false or 'auto'", value)
}

function adapters(value: unknown): ResolvedComputeOptions['lora'] {
  if (value === undefined) return []
  if (!Array.isArray(value)) throw optionError('lora', 'an array of { path, scale }', value)
  return Array.from(value, (adapter: unknown, i) => {
    const name = `lora[${i}]`
    checkObject(name, adapter)
    checkKnown(adapter as object, { path: true, scale: true })
    const { path, scale } = adapter as { path?: unknown; scale?: unknown }
    const given = string(`${name}.path`, path)
    if (given === undefined) throw optionError(`${name}.path`, 'a non-empty string', path)
    return { path: given, scale: number(`${name}.scale`, scale, -MAX_FLOAT, MAX_FLOAT) ?? 1 }
  })
}
