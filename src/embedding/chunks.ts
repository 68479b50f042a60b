import { optionError, worded } from '../core/errors.ts'
import type { NativeModel } from '../native/contract.ts'
import { checkTokens } from '../native/tokenizer.ts'
import { FAILED } from './known-models.ts'
import { type Spelled, tokensOf } from './spelling.ts'

/** Tokens that a chunk repeats of the one before it. Source: GPT4All. */
const OVERLAP = 8
/** What is embedded in place of a text without tokens: "nomic empty", hashed. Source: GPT4All. */
const EMPTY_PLACEHOLDER = '24df574ea1c998de59d5be15e769658e'
/** The most tokens of a text that Nomic Atlas takes. */
const ATLAS_TOKENS = 8192

export type LongTextMode = 'mean' | 'truncate' | 'error'

/** How texts are cut. */
export type Cut = {
  readonly prefix: string
  readonly longTextMode: LongTextMode
  readonly atlas: boolean
}

type Specials = { readonly before: Int32Array; readonly after: Int32Array }

/** What comes before and after the tokens of every chunk, and how many of a text's tokens fit between. */
type Frame = Specials & { readonly room: number }

/** A text, or the ids of its tokens. */
export type Embeddable = string | Int32Array

/** The chunks of a text, each framed and ready to be computed, and the tokens of the text in all of them. */
export type TextChunks = { readonly chunks: readonly Int32Array[]; readonly tokens: number }

/** Cuts texts into chunks that the model takes at once. */
export class Chunker {
  readonly #model: NativeModel
  readonly #longest: number
  readonly #warn: (line: string) => void
  #specials: Specials | undefined

  /** `longest` is the most tokens of a chunk. */
  constructor(model: NativeModel, longest: number, warn: (line: string) => void) {
    this.#model = model
    this.#longest = longest
    this.#warn = warn
  }

  /** @throws {RangeError} `ERR_OPTION` where the prefix leaves no room for a text */
  *frame(prefix: string): Spelled<Frame> {
    const { before, after } = yield* this.#specialsOnce()
    const spelled = prefix === '' ? new Int32Array() : yield* tokensOf(`${prefix}:`)
    const all = joined(before, spelled)
    const room = this.#longest - all.length - after.length
    if (room > OVERLAP) return { before: all, after, room }
    throw worded(
      optionError('prefix', 'a shorter text', prefix),
      `${FAILED}: max chunk length of ${room} is smaller than overlap of ${OVERLAP} tokens`,
    )
  }

  /**
   * @throws {RangeError} `ERR_OPTION` for a text that is too long, where that is not allowed, and for ids that are not in
   * the vocabulary
   */
  *cut(text: Embeddable, index: number, frame: Frame, cut: Cut): Spelled<TextChunks> {
    let tokens =
      typeof text === 'string' ? yield* tokensOf(spaced(text, cut.prefix !== '')) : yield* this.#bare(text)
    if (cut.atlas && tokens.length > ATLAS_TOKENS) {
      if (cut.longTextMode === 'mean') throw tooLong(index, tokens.length, ATLAS_TOKENS)
      tokens = tokens.subarray(0, ATLAS_TOKENS)
    }
    if (tokens.length === 0) {
      if (!cut.atlas || text !== '') this.#warn(`the text at index ${index} has no tokens`)
      tokens = yield* tokensOf(spaced(EMPTY_PLACEHOLDER, cut.prefix !== ''))
    }
    const { before, after, room } = frame
    if (cut.longTextMode === 'error' && tokens.length > room) throw tooLong(index, tokens.length, room)
    const chunks: Int32Array[] = []
    let count = 0
    for (let from = 0; from < tokens.length; from += room) {
      if (from > 0) from -= OVERLAP
      const part = tokens.subarray(from, from + room)
      chunks.push(joined(before, part, after))
      count += part.length
      if (cut.longTextMode === 'truncate') break
    }
    return { chunks, tokens: count }
  }

  // Other tokenizers have put the tokens around it already, which come once.
  *#bare(ids: Int32Array): Spelled<Int32Array> {
    checkTokens('text', ids, this.#model.info)
    const { before, after } = yield* this.#specialsOnce()
    const begins = before.every((token, i) => ids[i] === token)
    const from = begins ? before.length : 0
    const rest = ids.length - from - after.length
    const ends = rest >= 0 && after.every((token, i) => ids[from + rest + i] === token)
    return ids.slice(from, ends ? from + rest : ids.length)
  }

  *#specialsOnce(): Spelled<Specials> {
    this.#specials ??= yield* specialsOf()
    return this.#specials
  }
}

// GPT4All puts a space before each text. WordPiece drops it; other vocabularies would read another word, so
// there only a text that follows a prefix gets one.
function spaced(text: string, follows: boolean): string {
  return follows && text !== '' && !text.startsWith(' ') ? ` ${text}` : text
}

/** The tokens that the vocabulary puts around a text: they are seen from one. */
export function* specialsOf(): Spelled<Specials> {
  const sample = 'a'
  const bare = yield* tokensOf(sample)
  const framed = yield* tokensOf(sample, true)
  const at = framed.findIndex((_, i) => bare.every((token, j) => framed[i + j] === token))
  return { before: framed.slice(0, at), after: framed.slice(at + bare.length) }
}

function tooLong(index: number, tokens: number, most: number): Error {
  return worded(
    optionError('text', 'a number of tokens within the limit', tokens),
    `${FAILED}: length of text at index ${index} is ${tokens} tokens which exceeds limit of ${most}`,
  )
}

export function joined(...parts: readonly Int32Array[]): Int32Array {
  const all = new Int32Array(parts.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}
