import { Embed4All } from '../index.ts'
import type { EmbeddingOptions, EmbeddingResult, ModelConfig } from './common/types.ts'
import { warn } from './common/warn.ts'
import type { LLModel } from './llmodel.ts'

/** A model that turns texts into vectors. */
export class EmbeddingModel {
  llm: LLModel
  config: ModelConfig
  /** Fewer numbers than these carry too little. */
  MIN_DIMENSIONALITY?: number = Embed4All.MIN_DIMENSIONALITY

  constructor(llm: LLModel, config: ModelConfig) {
    this.llm = llm
    this.config = config
  }

  /** The vector of a text, or those of several; the calling thread waits. `dimensionality` -1 means all numbers. */
  embed(
    text: string,
    prefix?: string,
    dimensionality?: number,
    doMean?: boolean,
    atlas?: boolean,
  ): EmbeddingResult<Float32Array>
  embed(
    texts: string[],
    prefix?: string,
    dimensionality?: number,
    doMean?: boolean,
    atlas?: boolean,
  ): EmbeddingResult<Float32Array[]>
  embed(
    text: string | string[],
    ...options: [prefix?: string, dimensionality?: number, doMean?: boolean, atlas?: boolean]
  ): EmbeddingResult<Float32Array | Float32Array[]> {
    return this.llm.embed(text as string, ...options)
  }

  /** Frees the model. A second call does nothing. */
  dispose(): void {
    this.llm.dispose()
  }
}

/**
 * The vector of a text, or those of several, when the function returns: the event loop stands still meanwhile. The result
 * can be awaited all the same.
 *
 * @throws {Error} for a bad option, for no texts, and for a model that makes no embeddings
 */
export function createEmbedding(
  model: EmbeddingModel,
  text: string,
  options?: EmbeddingOptions,
): EmbeddingResult<Float32Array>
export function createEmbedding(
  model: EmbeddingModel,
  text: string[],
  options?: EmbeddingOptions,
): EmbeddingResult<Float32Array[]>
export function createEmbedding(
  model: EmbeddingModel,
  text: string | string[],
  options: EmbeddingOptions = {},
): EmbeddingResult<Float32Array | Float32Array[]> {
  const { prefix, dimensionality, longTextMode = 'mean', atlas = false } = options ?? {}
  if (dimensionality !== undefined && !(Number.isInteger(dimensionality) && dimensionality > 0))
    throw new Error(`Dimensionality must be undefined or a positive integer, got ${dimensionality}`)
  const { MIN_DIMENSIONALITY: least = Embed4All.MIN_DIMENSIONALITY } = model
  if (dimensionality !== undefined && dimensionality < least)
    warn(
      `Dimensionality ${dimensionality} is less than the suggested minimum of ${least}. Performance may be degraded.`,
    )
  if (longTextMode !== 'mean' && longTextMode !== 'truncate')
    throw new Error(`Long text mode must be one of 'mean' or 'truncate', got ${longTextMode}`)
  const result = model.embed(text as string, prefix, dimensionality ?? -1, longTextMode === 'mean', atlas)
  return awaitable(result)
}

/** The same object, which can be awaited or asked for `then()`; printing it does not show that. */
function awaitable<T extends object>(value: T): T {
  const settled = { ...value }
  return Object.defineProperty(value, 'then', {
    value: (...handlers: Parameters<Promise<T>['then']>) => Promise.resolve(settled).then(...handlers),
    enumerable: false,
  })
}
