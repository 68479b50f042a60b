import { AsyncResource } from 'node:async_hooks'
import { abortOf } from '../../core/async.ts'
import type { EmbedHooks, TextVectors } from '../../embedding/embedding.ts'
import type { ModelLocation } from '../../models/locate.ts'
import type { ResolvedThreads } from '../../options/compute.ts'
import type { ResolvedEmbedderOptions, ResolvedEmbedOptions } from '../../options/embed.ts'
import type { OpenEmbedder } from '../embedder.ts'
import type { ModelFacts } from '../model.ts'
import type { IsolatedEngine } from './engine.ts'
import { Resident } from './resident.ts'
import type { WireVectors } from './wire.ts'

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
    texts: readonly string[],
    { prefix, dimensionality, longTextMode, atlas, onProgress }: ResolvedEmbedOptions,
    { signal, onTexts, isCancelled }: EmbedHooks,
  ): Promise<TextVectors> {
    const { process, id } = await Promise.race([this.#resident.use(), abortOf(signal)])
    const call = process.newId()
    const parts: WireVectors[] = []
    let reported = 0
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
    const forget = process.watchEmbedding(call, {
      isCancelled: ask,
      onVectors: (vectors) => parts.push(vectors),
      onTexts: (count) => {
        reported += count
        onTexts(count)
      },
    })
    const request = {
      texts,
      options: { prefix, dimensionality, longTextMode, atlas },
      reportsProgress: onProgress !== undefined,
      asksFirst: isCancelled !== undefined,
    }
    try {
      const answer = process.ask('embedding', (host) => host.embed(id, call, request))
      parts.push(await Promise.race([answer, abortOf(signal)]))
      if (reported < texts.length) onTexts(texts.length - reported) // the answer overtakes the last report
      return joined(parts)
    } catch (error) {
      if (signal.aborted) process.say((host) => host.leaveEmbedding.asEvent(call))
      throw thrown ? thrown.error : error
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
