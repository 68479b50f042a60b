import type { Embeddable } from '../embedding/chunks.ts'
import type { EmbedHooks, EmbedRequest, TextVectors } from '../embedding/embedding.ts'
import type { DocumentScores } from '../embedding/ranking.ts'
import type { ResolvedThreads } from '../options/compute.ts'
import type { ResolvedEmbedOptions, ResolvedRankOptions } from '../options/embed.ts'
import type { ModelFacts } from './model.ts'

/** @internal An open embedding model, which computes in this process or in an isolated engine. */
export interface OpenEmbedder {
  readonly facts: ModelFacts
  /** Numbers of a vector. */
  readonly size: number
  /** The vectors of `texts`, in their order. */
  embed(texts: readonly Embeddable[], options: ResolvedEmbedOptions, hooks: EmbedHooks): Promise<TextVectors>
  /** The same, while the calling thread waits; absent where another process computes. */
  embedNow?(texts: readonly string[], options: EmbedRequest): TextVectors
  /** The scores of `documents`, in their order, of a model that was opened to rank. */
  rank(
    query: string,
    documents: readonly string[],
    options: ResolvedRankOptions,
    hooks: Pick<EmbedHooks, 'signal' | 'onTexts'>,
  ): Promise<DocumentScores>
  /** Tokens of a text, without those that the model puts around it. */
  countTokens(text: string): Promise<number>
  /** Takes effect with the next batch. */
  setThreads(threads: ResolvedThreads): void
  /** Interrupts what is under way, waits for it, and frees everything. */
  close(): Promise<void>
}
