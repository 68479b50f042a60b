import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import type { TinyEncoder } from './tiny-encoders.ts'

/**
 * What the oracles made of texts: test/golden/embeddings, recorded by `node test/golden/embeddings/record.mjs`. Vectors have
 * the length 1 and are rounded to 1/32767, which changes no cosine by more than 1e-7.
 */

const folder = join(import.meta.dirname, '..', 'golden', 'embeddings')

/** The names by which GPT4All is asked for a tiny nomic-bert: it knows the first two. */
export const GPT4ALL_NAMES = [
  'nomic-embed-text-v1.5',
  'nomic-embed-text-v1',
  'tiny random nomic-bert',
] as const

export type Embedded = { readonly vector: Float32Array; readonly tokens: number }

export type Gpt4allText = Embedded & {
  readonly name: string
  readonly text: string
  /** In the mode `truncate`; where the text is one chunk, the same as `mean`. */
  readonly truncated: Embedded
}

/**
 * The texts that GPT4All 2.8.2 cuts into other tokens than the llama.cpp of this repository, by count or by vector: marks on
 * letters written apart, and scripts that write vowels so. A text ends for it at a zero byte.
 */
export const OTHER_TOKENS: ReadonlySet<string> = new Set([
  ...[
    'Arabic 2',
    'Hebrew 2',
    'Hindi 1',
    'Hindi 2',
    'Bengali 1',
    'Bengali 2',
    'Tamil 1',
    'Tamil 2',
    'Tibetan',
  ],
  ...['decomposed', 'many marks', 'mark alone', 'flags and keycaps', 'null'],
  ...['first sentences', 'second sentences', 'all sentences', 'all sentences backwards'],
  ...['much Arabic', 'much Hindi'],
])

/** A call of Embed4All.embed() with Python's names of options. */
export type Call = {
  readonly text: string | readonly string[] | null
  readonly prefix?: string
  readonly dimensionality?: number
  readonly long_text_mode?: string
  readonly atlas?: boolean
  /** What the cancel callback answered, where there was one. */
  readonly cancel?: boolean
}

export type Outcome = {
  readonly call: Call
  readonly vectors?: readonly Float32Array[]
  readonly tokens?: number
  readonly error?: { readonly type: string; readonly message: string }
  readonly warnings?: readonly string[]
  /** What the cancel callback was called with, each time. */
  readonly batches?: readonly { readonly sizes: readonly number[]; readonly backend: string }[]
}

export type Gpt4allMiniLm = {
  readonly context: number
  readonly maxChunk: number
  readonly sha256: string
  readonly texts: readonly Gpt4allText[]
  readonly calls: readonly Outcome[]
}

/** GPT4All 2.8.2 with all-MiniLM-L6-v2. */
export function gpt4allMiniLm(): Gpt4allMiniLm {
  const golden = gunzipped('gpt4all-minilm.json.gz') as Raw<Gpt4allMiniLm> & {
    texts: { name: string; text: string; vector: string; tokens: number; truncated?: RawEmbedded }[]
  }
  return {
    ...golden,
    texts: golden.texts.map(({ name, text, truncated, ...mean }) => ({
      name,
      text,
      ...embedded(mean),
      truncated: embedded(truncated ?? mean),
    })),
    calls: golden.calls.map(outcome),
  }
}

export type OriginalText = {
  readonly name: string
  /** [CLS] and [SEP] included, 512 at most */
  readonly ids: readonly number[]
  readonly vector: Float32Array
  /** With GPT4All's vector in the mode `truncate` */
  readonly cosine: number
  /** Whether GPT4All saw the same tokens. */
  readonly same: boolean
}

/** F16 and F32 differ by less, another token by more. */
const SAME = 0.9999

/** sentence-transformers with the original weights in F32; the texts are those of {@link gpt4allMiniLm}, in its order. */
export function sentenceTransformersMiniLm(): readonly OriginalText[] {
  const golden = gunzipped('sentence-transformers-minilm.json.gz') as {
    texts: { name: string; ids: number[]; vector: string }[]
  }
  const theirs = gpt4allMiniLm().texts.map(({ truncated }) => truncated)
  return golden.texts.map(({ name, ids, ...text }, i) => {
    const vector = unpacked(text.vector)
    const alike = cosine(vector, theirs[i]!.vector)
    return { name, ids, vector, cosine: alike, same: ids.length - 2 === theirs[i]!.tokens && alike >= SAME }
  })
}

export type Gpt4allTiny = {
  readonly name: (typeof GPT4ALL_NAMES)[number]
  readonly context: number
  readonly calls: readonly Outcome[]
}

/** GPT4All 2.8.2 with tiny models; `tinyEncoder('nomic-bert', name)` is the file. */
export function gpt4allTiny(): readonly Gpt4allTiny[] {
  const golden = plain('gpt4all-tiny.json') as { models: Raw<Gpt4allTiny>[] }
  return golden.models.map((model) => ({ ...model, calls: model.calls.map(outcome) }))
}

export type LlamaEmbedding = {
  readonly model: TinyEncoder
  readonly pooling: 'mean' | 'cls' | 'last' | 'rank'
  readonly texts: readonly string[]
  /**
   * Of each text, what it is on CPUs with AVX2 and on those with AVX-512. Of length 1, or a ranker's raw numbers, one for
   * each label.
   */
  readonly vectors: readonly (readonly Float32Array[])[]
}

/** What stands between query and document in a ranker's texts. */
export const PAIR = '\t'

/** llama.cpp's own llama-embedding with the tiny encoders. */
export function llamaEmbeddings(): readonly LlamaEmbedding[] {
  const golden = plain('llama-embedding.json') as {
    models: (Omit<LlamaEmbedding, 'vectors'> & { vectors: Record<'avx2' | 'avx512', number[][]> })[]
  }
  return golden.models.map(({ vectors: { avx2, avx512 }, ...model }) => ({
    ...model,
    vectors: avx2.map((vector, i) => [Float32Array.from(vector), Float32Array.from(avx512[i]!)]),
  }))
}

/** The largest difference of numbers to the nearest of some vectors. */
export function distance(from: ArrayLike<number>, vectors: readonly Float32Array[]): number {
  const toOne = (vector: Float32Array) =>
    Math.max(...Array.from(vector, (number, i) => Math.abs(number - from[i]!)))
  return Math.min(...vectors.map(toOne))
}

/** Of two vectors of any length. */
export function cosine(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let [dot, squaresOfA, squaresOfB] = [0, 0, 0]
  for (let i = 0; i < a.length; i++) {
    dot += a[i]! * b[i]!
    squaresOfA += a[i]! ** 2
    squaresOfB += b[i]! ** 2
  }
  return dot / Math.sqrt(squaresOfA * squaresOfB)
}

type RawEmbedded = { vector: string; tokens: number }
type RawOutcome = Omit<Outcome, 'vectors'> & { vectors?: string[] }
type RawCalls = { calls: RawOutcome[] }
type Raw<Golden> = Omit<Golden, 'texts' | 'calls'> & RawCalls

const SCALE = 32767

function unpacked(vector: string): Float32Array {
  const bytes = Buffer.from(vector, 'base64')
  return Float32Array.from({ length: bytes.length / 2 }, (_, i) => bytes.readInt16LE(2 * i) / SCALE)
}

const embedded = ({ vector, tokens }: RawEmbedded): Embedded => ({ vector: unpacked(vector), tokens })

const outcome = ({ vectors, ...rest }: RawOutcome): Outcome => ({
  ...rest,
  ...(vectors && { vectors: vectors.map(unpacked) }),
})

const plain = (name: string): unknown => JSON.parse(readFileSync(join(folder, name), 'utf8'))

const gunzipped = (name: string): unknown =>
  JSON.parse(gunzipSync(readFileSync(join(folder, name))).toString())
