import { type DeviceFallback, messageOf } from '../core/errors.ts'
import { isSilent, LOG_LEVELS, type Logger, loggerOf } from '../core/logger.ts'
import { type AnotherContext, Batches, type BatchLimits } from '../embedding/batches.ts'
import { Chunker, type Embeddable } from '../embedding/chunks.ts'
import {
  type EmbeddingParts,
  type EmbedHooks,
  type EmbedRequest,
  embedTexts,
  embedTextsNow,
  type TextVectors,
} from '../embedding/embedding.ts'
import { PairPrompts } from '../embedding/pairs.ts'
import { type DocumentScores, type RankingParts, scoreDocuments } from '../embedding/ranking.ts'
import { contextMemory } from '../loading/memory.ts'
import { contextSizeFor, type Purpose, type Weights } from '../loading/open.ts'
import type { RpcServersInUse } from '../loading/rpc-handshake.ts'
import { describeKind } from '../models/gguf/kind.ts'
import type { ModelLocation } from '../models/locate.ts'
import { loadBinding } from '../native/binding.ts'
import type { NativeBinding, NativeEmbedder } from '../native/contract.ts'
import { translateFailure } from '../native/failures.ts'
import { encode } from '../native/tokenizer.ts'
import type { ResolvedThreads } from '../options/compute.ts'
import type { ResolvedEmbedderOptions, ResolvedEmbedOptions, ResolvedRankOptions } from '../options/embed.ts'
import { ThreadSetter } from '../scheduler/threads.ts'
import type { OpenEmbedder } from './embedder.ts'
import { factsOf } from './facts.ts'
import type { ModelFacts } from './model.ts'
import { openFile } from './open-local.ts'
import { threadChoice } from './start-scheduler.ts'

/** Tokens of a batch of short texts (docs/decisions.md). */
const BATCH_TOKENS = 128
/** llama.cpp's own limit (LLAMA_MAX_SEQ). */
const MOST_TEXTS = 256

/** What llama.cpp warns of in vocabularies without a token that ends a text: embedding needs none. */
const NO_END_TOKEN = /special_eos_id is not in special_eog_ids|default special token .* out of vocab range/

function withoutEndTokens(logger: Logger): Logger {
  if (isSilent(logger, 'warn')) return logger
  return loggerOf(
    LOG_LEVELS.filter((level) => !isSilent(logger, level)),
    (level, line) => logger[level === 'warn' && NO_END_TOKEN.test(line) ? 'debug' : level](line),
  )
}

/** Chunks of more tokens are computed in the first context alone, so that the others take little memory. */
const LANE_TOKENS = 512

type Started = {
  readonly embedder: NativeEmbedder
  readonly longest: number
  readonly another: AnotherContext | undefined
}

type Parts = Started & { readonly weights: Weights; readonly fallbacks: readonly DeviceFallback[] }

/** @internal Opens the embedding model at `location` in this process. */
export async function openLocalEmbedder(
  location: ModelLocation,
  given: ResolvedEmbedderOptions,
  signal: AbortSignal,
): Promise<LocalEmbedder> {
  const options = { ...given, logger: withoutEndTokens(given.logger) }
  const binding = loadBinding()
  const { pooling } = options
  const purpose: Purpose = { embeds: true, pooling }
  const { opened, servers } = await openFile(
    binding,
    purpose,
    location,
    options,
    signal,
    (request, opening) => opening((weights) => start(binding, weights, { ...request, pooling })),
  )
  return new LocalEmbedder(opened, options, servers)
}

async function start(
  binding: NativeBinding,
  { native, header, gpus, opens, purpose, discard }: Weights,
  options: ResolvedEmbedderOptions,
): Promise<Started> {
  const { nThreads, flashAttention, keyType, valueType, lora, pooling = 'file', logger } = options
  const create = (batchSize: number, threads: number) =>
    binding.Embedder.create(native, {
      batchSize,
      sequences: Math.min(MOST_TEXTS, batchSize),
      threads,
      batchThreads: threads,
      poll: 50,
      flashAttention,
      keyType,
      valueType,
      adapterScales: lora.map(({ scale }) => scale),
      memoryBytes: contextMemory(header, batchSize, options, true).memoryBytes(1),
      pooling,
    })
  const batchSize = contextSizeFor(purpose, header, options)
  const laneSize = Math.min(LANE_TOKENS, batchSize)
  const open = () =>
    create(laneSize, 1).catch((error) => {
      logger.debug(`no further context for embeddings: ${messageOf(error)}`)
      return undefined
    })
  try {
    const [embedder] = await Promise.all([create(batchSize, nThreads), opens])
    const longest = Math.min(batchSize, embedder.info.longest)
    // A decoder's contexts hold logits of all tokens; GPUs compute one batch at a time.
    const isSmall = gpus.length === 0 && describeKind(header).kind === 'encoder'
    return {
      embedder,
      longest,
      another: isSmall ? { longest: Math.min(laneSize, longest), open } : undefined,
    }
  } catch (error) {
    discard(error)
    throw translateFailure(error, 'A context for the model')
  }
}

/** @internal An embedding model whose weights are loaded in this process. */
export class LocalEmbedder implements OpenEmbedder {
  readonly facts: ModelFacts
  readonly size: number
  readonly #weights: Weights
  readonly #threads: ThreadSetter
  readonly #parts: EmbeddingParts
  readonly #ranking: RankingParts
  readonly #servers: RpcServersInUse

  constructor(
    { weights, fallbacks, embedder, longest, another }: Parts,
    options: ResolvedEmbedderOptions,
    servers: RpcServersInUse,
  ) {
    this.facts = factsOf({ weights, fallbacks })
    this.size = embedder.info.vectorSize
    this.#weights = weights
    const { logger } = options
    this.#threads = new ThreadSetter(threadChoice(weights.native, options), logger)
    this.#servers = servers
    const limits: BatchLimits = { tokens: Math.min(BATCH_TOKENS, longest), texts: MOST_TEXTS }
    this.#parts = {
      model: weights.native,
      name: this.facts.config.name,
      size: this.size,
      chunker: new Chunker(weights.native, longest, (line) => logger.warn(line)),
      batches: new Batches(embedder, this.#threads, limits, another),
      limits,
    }
    this.#ranking = {
      prompts: new PairPrompts(weights.native, longest),
      batches: this.#parts.batches,
    }
  }

  embed(
    texts: readonly Embeddable[],
    options: ResolvedEmbedOptions,
    hooks: EmbedHooks,
  ): Promise<TextVectors> {
    return embedTexts(this.#parts, texts, options, hooks)
  }

  embedNow(texts: readonly string[], options: EmbedRequest): TextVectors {
    return embedTextsNow(this.#parts, texts, options)
  }

  rank(
    query: string,
    documents: readonly string[],
    options: ResolvedRankOptions,
    hooks: Pick<EmbedHooks, 'signal' | 'onTexts'>,
  ): Promise<DocumentScores> {
    return scoreDocuments(this.#ranking, query, documents, options, hooks)
  }

  async countTokens(text: string): Promise<number> {
    return (await encode(this.#weights.native, text, false, false)).length
  }

  setThreads(threads: ResolvedThreads): void {
    this.#threads.choose(threadChoice(this.#weights.native, { ...threads, deterministic: false }))
  }

  async close(): Promise<void> {
    await this.#parts.batches.close()
    this.#weights.native.close()
    this.#servers.release()
  }
}
