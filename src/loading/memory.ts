import { freemem, totalmem } from 'node:os'
import { OutOfMemoryError } from '../core/errors.ts'
import type { Logger } from '../core/logger.ts'
import { gibibytes } from '../core/sizes.ts'
import type { GgufHeader } from '../models/gguf/header.ts'
import { metaNumber } from '../models/gguf/model.ts'
import type { CacheOptions } from '../options/compute.ts'
import { MAX_CONTEXT } from '../options/model.ts'
import { memoryShape } from './memory-shape.ts'

/** How much memory a model takes, in bytes. */
export type MemoryPlan = {
  /** The weights, which are mapped from the file. */
  readonly weights: number
  /** Keys and values of `nCtx` tokens, and the state of recurrent layers; 0 for encoders. */
  readonly kvCache: number
  /** Buffers of a step; an estimate. */
  readonly compute: number
  /** The sum of the three. */
  readonly total: number
  /** Memory of this machine, or of the control group that this process is confined to. */
  readonly available: number
  /** How much of it no program uses at the moment. The page cache counts as unused, except on macOS. */
  readonly free: number
  /** Whether `total` is at most `available`. */
  readonly fits: boolean
  /** The largest `nCtx` that fits, a multiple of 256 up to 2^24; 0 if none does. */
  readonly largestNCtx: number
  /** Context size in tokens that the model was trained with; `undefined` if its header does not say. */
  readonly trainedContextSize: number | undefined
}

type Memory = { readonly available: number; readonly free: number }

/** The most tokens computed at once. */
const MICRO_BATCH = 512
/** llama.cpp rounds the cells of a sequence up to a multiple of this. */
const CELLS = 256

export function machineMemory(): Memory {
  const limit = process.constrainedMemory?.() ?? 0
  const available = limit > 0 ? Math.min(limit, totalmem()) : totalmem()
  return { available, free: Math.min(freemem(), available) }
}

/**
 * `part` is the share of the layers to plan for, 0 to 1, where a GPU has the others; `sequences` run side by
 * side, each of `nCtx` tokens; without `cache`, keys and values are f16, with flash attention. `embeds` is for models
 * whose vectors are wanted, not their texts.
 */
export function planMemory(
  header: GgufHeader,
  wantedNCtx: number,
  {
    memory = machineMemory(),
    part = 1,
    sequences = 1,
    cache,
    embeds = false,
  }: {
    memory?: Memory
    part?: number
    sequences?: number
    cache?: CacheOptions | undefined
    embeds?: boolean
  } = {},
): MemoryPlan {
  const shape = memoryShape(header, cache)
  const { isEncoder, floatsPerToken, masks, attentionHeads } = shape
  const trainedContextSize = metaNumber(header, 'context_length')
  // Texts that are embedded are cut to what the model was trained with, and each piece is computed at once.
  const isWhole = isEncoder || embeds
  const longest = isWhole ? (trainedContextSize ?? MAX_CONTEXT) : MAX_CONTEXT
  const nCtx = Math.min(wantedNCtx, longest)
  const bytesPerToken = sequences * part * shape.bytesPerToken
  const stateBytes = sequences * part * shape.stateBytes
  const weights = part * header.tensorBytes
  // A decoder's buffers have room for the logits of each token, which nobody asks for.
  const perToken = 4 * (floatsPerToken + (isWhole && !isEncoder ? header.tokenCount : 0))
  const steady = (tokens: number) => 8 * header.tokenCount + perToken * tokens
  // Without a cache masks are made in f32, and flash attention takes a copy in f16.
  const bytesOfMask = isEncoder ? 6 : 2
  const perPair = cache?.flashAttention === 'off' ? 4 * (masks + attentionHeads) : bytesOfMask * masks

  const microBatch = isWhole ? nCtx : Math.min(MICRO_BATCH, nCtx)
  const cells = Math.ceil(nCtx / CELLS) * CELLS
  const kvCache = bytesPerToken * cells + stateBytes
  const compute = steady(microBatch) + perPair * microBatch * cells
  const total = weights + kvCache + compute

  const room = memory.available - weights - stateBytes - steady(isWhole ? 0 : MICRO_BATCH)
  const perCell = bytesPerToken + (isWhole ? perToken : perPair * MICRO_BATCH)
  const most = Math.floor(solved(isWhole ? perPair : 0, perCell, room) / CELLS) * CELLS
  return {
    weights,
    kvCache,
    compute,
    total,
    ...memory,
    fits: total <= memory.available,
    largestNCtx: room > 0 ? Math.min(Math.ceil(longest / CELLS) * CELLS, most) : 0,
    trainedContextSize,
  }
}

/** The number that `square` times its square and `linear` times itself make `sum`; `Infinity` if none does. */
function solved(square: number, linear: number, sum: number): number {
  if (square === 0) return sum / linear
  return (Math.sqrt(linear ** 2 + 4 * square * sum) - linear) / (2 * square)
}

/**
 * Refuses a model that can never fit. Linux promises memory it does not have and kills the process that uses
 * it, so this must be checked first. A model that fits only once other programs free memory is worth a
 * warning; weights that are already loaded for another model (`weightsLoaded`) need no more of it.
 * @throws {OutOfMemoryError} `ERR_MEMORY`, with the largest `nCtx` that would fit
 */
export function checkMemory(
  path: string,
  nCtx: number,
  plan: MemoryPlan,
  logger: Logger,
  { weightsLoaded = false, sequences = 1 }: { weightsLoaded?: boolean; sequences?: number } = {},
): void {
  const { weights, total, available, free, fits, largestNCtx } = plan
  const beside = sequences > 1 ? ` and parallel ${sequences}` : ''
  const need = `${path} with nCtx ${nCtx}${beside} needs ${gibibytes(total)}`
  if (!fits) {
    const advice =
      largestNCtx >= CELLS
        ? `The largest nCtx that fits is ${largestNCtx}${sequences > 1 ? ', or a smaller parallel' : ''}.`
        : 'Choose a smaller model or a smaller quantization of it.'
    throw new OutOfMemoryError(`${need}; this machine has ${gibibytes(available)}. ${advice}`, {
      largestNCtx,
    })
  }
  // macOS counts memory as used as soon as it caches a file: every model would cause a warning there.
  const missing = weightsLoaded ? total - weights : total
  if (missing > free && process.platform !== 'darwin')
    logger.warn(`${need}, and ${gibibytes(free)} are free: other programs may have to free memory`)
}

/**
 * Far more than a saved state of one sequence: four times its part of the cache, an estimate, plus 256 MiB.
 */
export function mostStateBytes(
  header: GgufHeader,
  options: CacheOptions & { readonly nCtx: number },
): number {
  return 4 * planMemory(header, options.nCtx, { cache: options }).kvCache + 2 ** 28
}

/** How much memory the contexts of a model take, and the states that are saved of their sequences. */
export type ContextMemory = {
  /** Bytes of a context of so many sequences: of its cache and the buffers of its steps. */
  readonly memoryBytes: (sequences: number) => number
  /**
   * Bytes of the saved state of a sequence of so many tokens. What llama.cpp notes in it about each token and
   * layer, some bytes each, is not counted.
   */
  readonly stateBytes: (tokens: number) => number
}

/** Of contexts with `nCtx` tokens for each sequence, which generate or else embed texts. */
export function contextMemory(
  header: GgufHeader,
  nCtx: number,
  cache: CacheOptions,
  embeds = false,
): ContextMemory {
  const { bytesPerToken, stateBytes } = memoryShape(header, cache)
  return {
    memoryBytes(sequences) {
      const { kvCache, compute } = planMemory(header, nCtx, { sequences, cache, embeds })
      return kvCache + compute
    },
    stateBytes: (tokens) => bytesPerToken * tokens + stateBytes,
  }
}

/** The most sequences that get memory without being asked for. */
const MOST_UNASKED = 8

/** How many sequences of `nCtx` tokens fit side by side into half of the free memory. */
export function sideBySide(
  header: GgufHeader,
  nCtx: number,
  cache: CacheOptions,
  memory = machineMemory(),
): number {
  const one = planMemory(header, nCtx, { memory, cache })
  const more = Math.floor((memory.free / 2 - one.total) / one.kvCache)
  return Math.max(1, Math.min(MOST_UNASKED, 1 + (Number.isFinite(more) ? more : MOST_UNASKED)))
}
