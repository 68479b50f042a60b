import { setImmediate as nextTurn } from 'node:timers/promises'
import type { EmbedHooks, TextVectors } from '../../../embedding/embedding.ts'
import type { DocumentScores } from '../../../embedding/ranking.ts'
import type { OpenEmbedder } from '../../embedder.ts'
import type { EmbedRequest, RankRequest, WireVectors } from '../wire.ts'

/** Numbers that cross in one message, 1 MiB: reading more at once would hold up the program's event loop. */
const MESSAGE_NUMBERS = 2 ** 18

/** The engine's end of a call of `embed()` or `rank()`. */
export class HostEmbedding {
  readonly #leaving = new AbortController()
  readonly #schedule: () => void
  #texts = 0

  /** `schedule` is called when there is something to `take()`. */
  constructor(schedule: () => void) {
    this.#schedule = schedule
  }

  /** Resolves with the last of the vectors; `send` is given those before them. */
  async run(
    embedder: OpenEmbedder,
    { texts, first, options, reportsProgress }: EmbedRequest,
    isCancelled: EmbedHooks['isCancelled'],
    send: (vectors: WireVectors) => void,
  ): Promise<WireVectors> {
    const { signal } = this.#leaving
    const resolved = { ...options, cancelCallback: undefined, onProgress: undefined, signal: undefined }
    const onTexts = this.#onTexts(reportsProgress)
    const result = await embedder.embed(texts, resolved, { signal, first, onTexts, isCancelled })
    let [part, ...rest] = partsOf(result)
    for (const next of rest) {
      send(part!)
      part = next
      await nextTurn() // each in a message of its own
      signal.throwIfAborted()
    }
    return part!
  }

  rank(
    embedder: OpenEmbedder,
    { query, documents, longTextMode, reportsProgress }: RankRequest,
  ): Promise<DocumentScores> {
    const options = { topN: undefined, longTextMode, onProgress: undefined, signal: undefined }
    const hooks = { signal: this.#leaving.signal, onTexts: this.#onTexts(reportsProgress) }
    return embedder.rank(query, documents, options, hooks)
  }

  leave(): void {
    this.#leaving.abort(new Error('left'))
  }

  #onTexts(reportsProgress: boolean): (count: number) => void {
    return (count) => {
      if (!reportsProgress) return
      this.#texts += count
      this.#schedule()
    }
  }

  /** How many texts were done since the last call. */
  take(): number {
    const texts = this.#texts
    this.#texts = 0
    return texts
  }
}

function partsOf({ vectors, tokens }: TextVectors): WireVectors[] {
  const size = vectors[0]?.length ?? 0
  const most = Math.max(1, Math.floor(MESSAGE_NUMBERS / Math.max(1, size)))
  const parts: WireVectors[] = []
  for (let from = 0; from < Math.max(1, vectors.length); from += most) {
    const some = vectors.slice(from, from + most)
    const numbers = new Float32Array(some.length * size)
    for (const [i, vector] of some.entries()) numbers.set(vector, i * size)
    parts.push({ numbers, tokens: tokens.slice(from, from + most) })
  }
  return parts
}
