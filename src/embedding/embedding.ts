import { setImmediate as nextTurn } from 'node:timers/promises'
import { CancellationError } from '../core/errors.ts'
import type { NativeModel } from '../native/contract.ts'
import type { ResolvedEmbedOptions } from '../options/embed.ts'
import type { Batches, BatchLimits } from './batches.ts'
import { asCaller } from './caller.ts'
import type { Chunker, Cut, Embeddable, TextChunks } from './chunks.ts'
import { dimensionalityFor, knownModel, prefixFor } from './known-models.ts'
import { spelled, spelledNow } from './spelling.ts'
import { type Finish, meanOf } from './vectors.ts'

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

/** How the texts of a call are embedded. */
export type EmbedRequest = Pick<ResolvedEmbedOptions, 'prefix' | 'dimensionality' | 'longTextMode' | 'atlas'>

/** Tokens that are prepared in one turn of the event loop. */
const TURN_TOKENS = 2048

/** What a loaded model makes embeddings with. */
export type EmbeddingParts = {
  readonly model: NativeModel
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
  parts: EmbeddingParts,
  texts: readonly Embeddable[],
  options: EmbedRequest,
  { signal, onTexts, isCancelled, first = 0 }: EmbedHooks,
): Promise<TextVectors> {
  signal.throwIfAborted()
  const { model, chunker, batches, limits } = parts
  const { finish, cut } = plan(parts, options)
  const places = placesOf(texts)
  const made = room(texts)
  await asCaller(batches, signal, async ({ caller, signal, failWith }) => {
    const frame = await spelled(model, chunker.frame(cut.prefix), signal)
    const prepare = ([text, at]: Place) =>
      spelled(model, chunker.cut(text, first + at[0]!, frame, cut), signal)
    const compute = async ([, at]: Place, { chunks, tokens: count }: TextChunks) => {
      const computed = await Promise.all(chunks.map((chunk) => batches.compute(caller, chunk)))
      put(made, at, meanOf(computed, finish), count)
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
  return made
}

/** The same, while the calling thread waits: nothing can be aborted or reported meanwhile. */
export function embedTextsNow(
  parts: EmbeddingParts,
  texts: readonly string[],
  options: EmbedRequest,
): TextVectors {
  const { model, chunker, batches } = parts
  const { finish, cut } = plan(parts, options)
  const frame = spelledNow(model, chunker.frame(cut.prefix))
  const prepared = Array.from(placesOf(texts), ([text, at]) => ({
    at,
    ...spelledNow(model, chunker.cut(text, at[0]!, frame, cut)),
  }))
  const computed = batches.computeNow(prepared.flatMap(({ chunks }) => chunks))
  const made = room(texts)
  let from = 0
  for (const { at, chunks, tokens } of prepared) {
    put(made, at, meanOf(computed.slice(from, from + chunks.length), finish), tokens)
    from += chunks.length
  }
  return made
}

/** What the options of a call mean for this model. */
function plan(
  { name, size }: EmbeddingParts,
  { prefix, dimensionality, longTextMode, atlas }: EmbedRequest,
): { readonly finish: Finish; readonly cut: Cut } {
  const finish = {
    dimensionality: dimensionalityFor(name, size, dimensionality),
    normalizesLayer: knownModel(name)?.dimensionalities !== undefined,
  }
  return { finish, cut: { prefix: prefixFor(name, prefix), longTextMode, atlas } }
}

/** Vectors and token counts that are being put in their places. */
type Filling = { readonly vectors: Float32Array[]; readonly tokens: number[] }

function room({ length }: readonly Embeddable[]): Filling {
  return { vectors: new Array(length), tokens: new Array(length) }
}

/** Puts a vector where its text stands, with memory of its own each time. */
function put({ vectors, tokens }: Filling, at: readonly number[], vector: Float32Array, count: number): void {
  at.forEach((index, i) => {
    vectors[index] = i === 0 ? vector : vector.slice()
    tokens[index] = count
  })
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
