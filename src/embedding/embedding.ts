import { setImmediate as nextTurn } from 'node:timers/promises'
import { CancellationError } from '../core/errors.ts'
import type { ResolvedEmbedOptions } from '../options/embed.ts'
import type { Batches, BatchLimits } from './batches.ts'
import { asCaller } from './caller.ts'
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
  await asCaller(batches, signal, async ({ caller, signal, failWith }) => {
    const frame = await chunker.frame(prefix, signal)
    const prepare = ([text, at]: Place) => chunker.cut(text, first + at[0]!, frame, cut, signal)
    const compute = async ([, at]: Place, { chunks, tokens: count }: TextChunks) => {
      const computed = await Promise.all(chunks.map((chunk) => batches.compute(caller, chunk)))
      const vector = meanOf(computed, finish)
      at.forEach((index, i) => {
        vectors[index] = i === 0 ? vector : vector.slice()
        tokens[index] = count
      })
      onTexts(at.length)
    }
    const computing: Promise<void>[] = []
    const begin = (place: Place, chunks: TextChunks) => {
      const begun = compute(place, chunks)
      failWith(begun)
      computing.push(begun)
    }
    if (isCancelled) {
      const prepared = await prepareAll(places, prepare, signal)
      const chunks = prepared.flatMap(([, { chunks }]) => chunks)
      if (await isCancelled(batchTokens(chunks, limits))) throw new CancellationError()
      for (const [place, chunks] of prepared) begin(place, chunks)
    } else {
      for (const place of places) {
        signal.throwIfAborted()
        begin(place, await prepare(place))
        await batches.room(caller)
      }
    }
    await Promise.all(computing)
  })
  return { vectors, tokens }
}

/** A text, and where it stands. */
type Place = readonly [text: Embeddable, at: readonly number[]]

/** The chunks of all texts, without holding the event loop up. */
async function prepareAll(
  places: Iterable<Place>,
  prepare: (place: Place) => Promise<TextChunks>,
  signal: AbortSignal,
): Promise<[Place, TextChunks][]> {
  const prepared: [Place, TextChunks][] = []
  let inTurn = 0
  for (const place of places) {
    const chunks = await prepare(place)
    prepared.push([place, chunks])
    inTurn += chunks.tokens
    if (inTurn < TURN_TOKENS) continue
    inTurn = 0
    await nextTurn()
    signal.throwIfAborted()
  }
  return prepared
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
