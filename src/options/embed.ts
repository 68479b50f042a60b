import { optionError, worded } from '../core/errors.ts'
import type { Pooling } from '../native/contract.ts'
import { INT32_MAX } from './checks.ts'
import { boolean, callable, define, integer, Option, oneOf, type Resolved, signal } from './define.ts'
import { MODEL, type ModelOptions, type ResolvedModelOptions, resolveModelOptions } from './model.ts'

/** Options of models that generate text, which embedding has no use for. */
const OF_TEXT = [
  'parallel',
  'maxQueue',
  'cacheMemory',
  'draftModel',
  'deterministic',
  'modelConfigFile',
  'nThreadsBatch',
  'kvType',
] as const

type OfText = (typeof OF_TEXT)[number]

/**
 * Options of `new Embed4All(name, options)` and `Embed4All.load(name, options)`.
 * @interface
 */
export type EmbedderOptions = Omit<ModelOptions, OfText> & {
  /**
   * How the vectors of a text's tokens become one: their mean, the first one (`'cls'`) or the last one. The
   * default is what the file says. With it, models that generate text make embeddings too.
   * @default undefined
   */
  readonly pooling?: Exclude<Pooling, 'rank' | 'none'> | undefined
}

const isOfText = (name: string): boolean => (OF_TEXT as readonly string[]).includes(name)

const EMBEDDER = define<EmbedderOptions>()(
  {
    ...(Object.fromEntries(Object.entries(MODEL.table).filter(([name]) => !isOfText(name))) as Omit<
      typeof MODEL.table,
      OfText
    >),
    pooling: oneOf('mean', 'cls', 'last'),
  },
  Object.fromEntries(OF_TEXT.map((name) => [name, 'It is an option of GPT4All: it has no use here.'])),
)

/** @internal */
export type ResolvedEmbedderOptions = ResolvedModelOptions & {
  readonly pooling: EmbedderOptions['pooling'] | 'rank'
}

export function resolveEmbedderOptions(options?: EmbedderOptions): ResolvedEmbedderOptions {
  const { pooling } = EMBEDDER.resolve(options)
  const { pooling: _, ...model } = options ?? {}
  return { ...resolveModelOptions(model), pooling }
}

/** How far `embed()`, `embedAll()` or `rank()` has come. */
export type EmbedProgress = {
  /** Texts, or documents, that are done. */
  readonly texts: number
  /** All texts; `undefined` while more may come. */
  readonly total: number | undefined
}

/** Options of `embedder.embed(text, options)`. */
export type EmbedOptions = {
  /**
   * What the texts are for, in the words that the model was trained with, such as `'search_query'`; it is put
   * before each text, followed by a colon. `''` is none. The default is the prefix for documents of the models
   * that the library knows by name; others need one to be given. Source: `prefix` in Python.
   * @default undefined
   */
  readonly prefix?: string | undefined
  /**
   * How many numbers a vector has, an integer from 1 to the model's own number: only models trained for it,
   * such as nomic-embed-text-v1.5, give fewer. Source: `dimensionality` in Python.
   * @default undefined
   */
  readonly dimensionality?: number | undefined
  /**
   * What to do with a text that is longer than the model takes at once: embed it in pieces and return the
   * `'mean'` of their vectors, `'truncate'` it, or reject with an `'error'`. Source: `long_text_mode` in Python.
   * @default 'mean'
   */
  readonly longTextMode?: 'mean' | 'truncate' | 'error' | undefined
  /**
   * Treat texts as Nomic Atlas does: of one with more than 8,192 tokens use the first 8,192 (`'truncate'`) or
   * reject (`'mean'`). Source: `atlas` in Python.
   * @default false
   */
  readonly atlas?: boolean | undefined
  /**
   * Called once, before anything is computed, with the number of tokens of each batch to come and the backend:
   * if it returns `true`, the call rejects with `CancellationError`. Source: `cancel_cb` in Python.
   * @default undefined
   */
  readonly cancelCallback?:
    | ((batchTokens: readonly number[], backend: string) => boolean | Promise<boolean>)
    | undefined
  /**
   * Called as texts are done, at most ten times a second.
   * @default undefined
   */
  readonly onProgress?: ((progress: EmbedProgress) => void) | undefined
  /**
   * Aborts the call, which then rejects with `signal.reason`.
   * @default undefined
   */
  readonly signal?: AbortSignal | undefined
}

/** Fewer numbers than these carry too little. Source: Embed4All in Python. */
export const MIN_DIMENSIONALITY = 64

const EMBED = define<EmbedOptions>()(
  {
    prefix: new Option((name, value) => {
      if (value === undefined || typeof value === 'string') return value
      throw optionError(name, 'a string', value)
    }),
    dimensionality: new Option((name, value) => {
      if (value === undefined) return undefined
      if (Number.isInteger(value) && (value as number) > 0 && (value as number) <= INT32_MAX)
        return value as number
      throw worded(
        optionError(name, 'a positive integer', value),
        `Dimensionality must be undefined or a positive integer, got ${String(value)}`,
      )
    }),
    longTextMode: new Option((name, value): 'mean' | 'truncate' | 'error' => {
      if (value === undefined) return 'mean'
      if (value === 'mean' || value === 'truncate' || value === 'error') return value
      throw worded(
        optionError(name, "'mean', 'truncate' or 'error'", value),
        `Long text mode must be one of 'mean', 'truncate' or 'error', got '${String(value)}'`,
      )
    }),
    atlas: boolean().default(false),
    cancelCallback: callable<NonNullable<EmbedOptions['cancelCallback']>>(),
    onProgress: callable<NonNullable<EmbedOptions['onProgress']>>(),
    signal: signal(),
  },
  {
    dimensions: 'It is called "dimensionality" here.',
    longTexts: 'It is called "longTextMode" here.',
  },
)

/** @internal */
export type ResolvedEmbedOptions = Resolved<typeof EMBED>

export const resolveEmbedOptions = (options?: EmbedOptions): ResolvedEmbedOptions => EMBED.resolve(options)

/**
 * Options of `embedder.embedSync(text, options)`: those of `embed()` that need no event loop.
 * @interface
 */
export type EmbedSyncOptions = Omit<EmbedOptions, 'cancelCallback' | 'onProgress' | 'signal'>

const NEEDS_LOOP = 'The event loop stands still during embedSync(): it is an option of embed().'

const { prefix, dimensionality, longTextMode, atlas } = EMBED.table
const EMBED_SYNC = define<EmbedSyncOptions>()(
  { prefix, dimensionality, longTextMode, atlas },
  { cancelCallback: NEEDS_LOOP, onProgress: NEEDS_LOOP, signal: NEEDS_LOOP },
)

export const resolveEmbedSyncOptions = (options?: EmbedSyncOptions): Resolved<typeof EMBED_SYNC> =>
  EMBED_SYNC.resolve(options)

/**
 * Options of `new Reranker(name, options)` and `Reranker.load(name, options)`.
 * @interface
 */
export type RerankerOptions = Omit<EmbedderOptions, 'pooling'>

export function resolveRerankerOptions(options?: RerankerOptions): ResolvedEmbedderOptions {
  if (options && Object.hasOwn(options, 'pooling'))
    throw worded(
      optionError('pooling', 'no such option', (options as EmbedderOptions).pooling),
      'Unknown option "pooling". It is an option of Embed4All.',
    )
  return { ...resolveEmbedderOptions(options), pooling: 'rank' }
}

/** Options of `reranker.rank(query, documents, options)`. */
export type RankOptions = {
  /**
   * Return only so many documents, those with the highest scores: an integer from 1.
   * @default undefined
   */
  readonly topN?: number | undefined
  /**
   * What to do with a document that does not fit into the model beside the query: use its beginning
   * (`'truncate'`) or reject with an `'error'`.
   * @default 'truncate'
   */
  readonly longTextMode?: 'truncate' | 'error' | undefined
  /**
   * Called as documents are done, at most ten times a second.
   * @default undefined
   */
  readonly onProgress?: ((progress: EmbedProgress) => void) | undefined
  /**
   * Aborts the call, which then rejects with `signal.reason`.
   * @default undefined
   */
  readonly signal?: AbortSignal | undefined
}

const RANK = define<RankOptions>()({
  topN: integer(1),
  longTextMode: oneOf('truncate', 'error').default('truncate' as const),
  onProgress: callable<NonNullable<RankOptions['onProgress']>>(),
  signal: signal(),
})

/** @internal */
export type ResolvedRankOptions = Resolved<typeof RANK>

export const resolveRankOptions = (options?: RankOptions): ResolvedRankOptions => RANK.resolve(options)
