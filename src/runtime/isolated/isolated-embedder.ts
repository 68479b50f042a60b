import { AsyncResource } from 'node:async_hooks'
import { unlessAborted } from '../../core/async.ts'
import type { Embeddable } from '../../embedding/chunks.ts'
import type { EmbedHooks, TextVectors } from '../../embedding/embedding.ts'
import type { DocumentScores } from '../../embedding/ranking.ts'
import type { ModelLocation } from '../../models/locate.ts'
import type { ResolvedThreads } from '../../options/compute.ts'
import type {
  ResolvedEmbedderOptions,
  ResolvedEmbedOptions,
  ResolvedRankOptions,
} from '../../options/embed.ts'
import type { OpenEmbedder } from '../embedder.ts'
import type { ModelFacts } from '../model.ts'
import type { IsolatedEngine } from './engine.ts'
import type { EmbeddingWatch } from './process.ts'
import { Resident } from './resident.ts'
import type { HostCalls, WireVectors } from './wire.ts'

/** A call of `embed()` or `rank()`: whom to tell, and how many texts it has. */
type EmbeddingCall = {
  readonly watch: EmbeddingWatch
  readonly texts: number
  readonly signal: AbortSignal
}

/**
 * @internal An embedding model in the process of an isolated engine. After a crash the next call opens it
 * again in a new process.
 */
export class IsolatedEmbedder implements OpenEmbedder {
  readonly #resident: Resident<{ readonly facts: ModelFacts; readonly size: number }, ResolvedEmbedderOptions>

  private constructor(engine: IsolatedEngine, location: ModelLocation, options: ResolvedEmbedderOptions) {
    this.#resident = new Resident(engine, location, options, (host, id, request) =>
      host.openEmbedder(id, request),
    )
  }

  static async open(
    engine: IsolatedEngine,
    location: ModelLocation,
    options: ResolvedEmbedderOptions,
    signal: AbortSignal,
  ): Promise<IsolatedEmbedder> {
    const embedder = new IsolatedEmbedder(engine, location, options)
    await embedder.#resident.use(signal)
    return embedder
  }

  get facts(): ModelFacts {
    return this.#resident.last.told.facts
  }

  get size(): number {
    return this.#resident.last.told.size
  }

  async embed(
    texts: readonly Embeddable[],
    { prefix, dimensionality, longTextMode, atlas, onProgress }: ResolvedEmbedOptions,
    { signal, onTexts, isCancelled, first = 0 }: EmbedHooks,
  ): Promise<TextVectors> {
    const parts: WireVectors[] = []
    let thrown: { readonly error: unknown } | undefined
    // Runs in the async context of the call.
    const ask = AsyncResource.bind(async (batchTokens: readonly number[]) => {
      try {
        return Boolean(await isCancelled?.(batchTokens))
      } catch (error) {
        thrown = { error } // the error itself need not cross
        throw new Error('the function has failed')
      }
    })
    const request = {
      texts,
      first,
      options: { prefix, dimensionality, longTextMode, atlas },
      reportsProgress: onProgress !== undefined,
      asksFirst: isCancelled !== undefined,
    }
    try {
      const watch = { isCancelled: ask, onVectors: (vectors: WireVectors) => parts.push(vectors), onTexts }
      const call = { watch, texts: texts.length, signal }
      parts.push(await this.#ask('embedding', call, (host, id, one) => host.embed(id, one, request)))
      return joined(parts)
    } catch (error) {
      throw thrown ? thrown.error : error
    }
  }

  rank(
    query: string,
    documents: readonly string[],
    { longTextMode, onProgress }: ResolvedRankOptions,
    { signal, onTexts }: Pick<EmbedHooks, 'signal' | 'onTexts'>,
  ): Promise<DocumentScores> {
    const request = { query, documents, longTextMode, reportsProgress: onProgress !== undefined }
    const watch = { isCancelled: async () => true, onVectors: () => {}, onTexts }
    const call = { watch, texts: documents.length, signal }
    return this.#ask('ranking', call, (host, id, one) => host.rank(id, one, request))
  }

  /** Asks the engine's process for what `ask` names, and reports the texts that are done meanwhile. */
  async #ask<Answer>(
    what: string,
    { watch, texts, signal }: EmbeddingCall,
    ask: (host: HostCalls, id: number, call: number) => Promise<Answer>,
  ): Promise<Answer> {
    const { process, id } = await unlessAborted(this.#resident.use(), signal)
    const call = process.newId()
    let reported = 0
    const onTexts = (count: number) => {
      reported += count
      watch.onTexts(count)
    }
    const forget = process.watchEmbedding(call, { ...watch, onTexts })
    try {
      const answer = process.ask(what, (host) => ask(host, id, call))
      const given = await unlessAborted(answer, signal)
      if (reported < texts) onTexts(texts - reported) // the answer overtakes the last report
      return given
    } catch (error) {
      if (signal.aborted) process.say((host) => host.leaveEmbedding.asEvent(call))
      throw error
    } finally {
      forget()
    }
  }

  async countTokens(text: string): Promise<number> {
    const { process, id } = await this.#resident.use()
    return process.ask('tokenizing', (host) => host.countTextTokens(id, text))
  }

  setThreads(threads: ResolvedThreads): void {
    this.#resident.setThreads(threads)
  }

  close(): Promise<void> {
    return this.#resident.close()
  }
}

/** Each vector gets memory of its own: one that is kept must not keep the whole message. */
function joined(parts: readonly WireVectors[]): TextVectors {
  const vectors = parts.flatMap(({ numbers, tokens }) => {
    const size = numbers.length / tokens.length
    return tokens.map((_, i) => numbers.slice(i * size, (i + 1) * size))
  })
  return { vectors, tokens: parts.flatMap(({ tokens }) => tokens) }
}
