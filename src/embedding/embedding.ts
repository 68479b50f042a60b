import { setImmediate as nextTurn } from 'node:timers/promises'
import { unlessAborted } from '../core/async.ts'
import { CancellationError } from '../core/errors.ts'
import type { ResolvedEmbedOptions } from '../options/embed.ts'
import type { Batches, BatchLimits } from './batches.ts'
import type { Chunker, Embeddable, TextChunks } from './chunks.ts'
import { dimensionalityFor, knownModel, prefixFor } from './known-models.ts'
import { meanOf } from './vectors.ts'

/** What the texts of a call become, in their order. */
export type TextVectors = { readonly vectors: readonly Float32Array[]; readonly tokens: readonly number[] }

/** What a call is told while it runs. */
export type EmbedHooks = {
  readonly signal: AbortSignal
  /** How many texts came before these in one stream; left out = none. Messages count with them. */
  readonly first?: number
  /** So many more texts are done. */
  readonly onTexts: (texts: number) => void
  /** Asked before anything is computed, with the tokens of each batch to come; `true` cancels the call. */
  readonly isCancelled: ((batchTokens: readonly number[]) => boolean | Promise<boolean>) | undefined
}

/** Tokens that are prepared in one turn of the event loop. */
const TURN_TOKENS = 2048

/** What a loaded model makes embeddings with. */
export type EmbeddingParts = {
  /** `general.name` of the file. */
  readonly name: string
  /** Numbers of a vector. */
  readonly size: number
  readonly chunker: Chunker
  readonly batches: Batches
  readonly limits: BatchLimits
}

/** The vectors of `texts`; equal texts are computed once. */
export async function embedTexts(
  { name, size, chunker, batches, limits }: EmbeddingParts,
  texts: readonly Embeddable[],
  { prefix: given, dimensionality: wanted, longTextMode, atlas }: ResolvedEmbedOptions,
  { signal, onTexts, isCancelled, first = 0 }: EmbedHooks,
): Promise<TextVectors> {
  signal.throwIfAborted()
  const finish = {
    dimensionality: dimensionalityFor(name, size, wanted),
    normalizesLayer: knownModel(name)?.dimensionalities !== undefined,
  }
  const prefix = prefixFor(name, given)
  const cut = { prefix, longTextMode, atlas }
  const places = placesOf(texts)
  const vectors = new Array<Float32Array>(texts.length)
  const tokens = new Array<number>(texts.length)
  const caller = {}
  const failing = new AbortController()
  const either = AbortSignal.any([signal, failing.signal])

  const compute = async (at: readonly number[], { chunks, tokens: count }: TextChunks) => {
    const vector = meanOf(await Promise.all(chunks.map((chunk) => batches.compute(caller, chunk))), finish)
    at.forEach((index, i) => {
      vectors[index] = i === 0 ? vector : vector.slice()
      tokens[index] = count
    })
    onTexts(at.length)
  }
  const work = async () => {
    const frame = await chunker.frame(prefix, either)
    const prepare = ([text, at]: [Embeddable, number[]]) =>
      chunker.cut(text, first + at[0]!, frame, cut, either)
    const computing: Promise<void>[] = []
    const begin = (at: number[], chunks: TextChunks) => {
      const begun = compute(at, chunks)
      begun.catch((error) => failing.abort(error))
      computing.push(begun)
    }
    if (isCancelled) {
      const prepared: [number[], TextChunks][] = []
      let unyielded = 0
      for (const place of places) {
        const chunks = await prepare(place)
        prepared.push([place[1], chunks])
        unyielded += chunks.tokens
        if (unyielded < TURN_TOKENS) continue
        unyielded = 0
        await nextTurn()
        either.throwIfAborted()
      }
      if (
        await isCancelled(
          batchTokens(
            prepared.flatMap(([, { chunks }]) => chunks),
            limits,
          ),
        )
      )
        throw new CancellationError()
      for (const [at, chunks] of prepared) begin(at, chunks)
    } else {
      for (const place of places) {
        either.throwIfAborted()
        begin(place[1], await prepare(place))
        await batches.room(caller)
      }
    }
    await Promise.all(computing)
  }
  const working = work()
  try {
    await unlessAborted(working, either)
    return { vectors, tokens }
  } catch (error) {
    batches.leave(caller, error)
    working.catch(() => {})
    throw error
  }
}

/** Where each text stands. */
function placesOf(texts: readonly Embeddable[]): Map<Embeddable, number[]> {
  const places = new Map<Embeddable, number[]>()
  texts.forEach((text, index) => {
    const known = places.get(text)
    if (known) known.push(index)
    else places.set(text, [index])
  })
  return places
}

/** The tokens of each batch, where one call is computed alone. */
function batchTokens(chunks: readonly Int32Array[], limits: BatchLimits): number[] {
  const batches: number[] = []
  let texts = 0
  for (const { length } of chunks) {
    const last = batches.length - 1
    if (last >= 0 && texts < limits.texts && batches[last]! + length <= limits.tokens) {
      batches[last]! += length
      texts++
    } else {
      batches.push(length)
      texts = 1
    }
  }
  return batches
}
