import { damaged } from './bytes.ts'
import type { StringVisitor } from './reader.ts'
import { type Model, number, text, unsupported } from './rules.ts'

const MAX_TOKENS = 2 ** 21
/** The longest real ones are runs of some 100 spaces or dashes; llama.cpp is busy for minutes with long ones. */
const MAX_TOKEN_BYTES = 16_384
const TOKENS = 'tokenizer.ggml.tokens'
const MERGES = 'tokenizer.ggml.merges'

/** Looks at vocabularies while they stream past, without keeping them. */
export class VocabularyScan {
  readonly #path: string

  constructor(path: string) {
    this.#path = path
  }

  visitorFor(key: string, count: number): StringVisitor | undefined {
    if (key === TOKENS) return this.#tokens(Math.min(count, MAX_TOKENS))
    if (key === MERGES) return this.#merge
    return undefined
  }

  /** Two equal tokens are asserted; llama.cpp ends a token at its first zero byte and renames empty ones. */
  #tokens(count: number): StringVisitor {
    const seen = new Fingerprints(count)
    return (index, bytes, start, end) => {
      if (end - start > MAX_TOKEN_BYTES)
        throw damaged(this.#path, `token ${index} of its vocabulary claims ${end - start} bytes`)
      if (index >= MAX_TOKENS || seen.add(bytes, start, end)) return
      const token = JSON.stringify(bytes.toString('utf8', start, end))
      throw damaged(this.#path, `token ${index} of its vocabulary (${token}) appears a second time`)
    }
  }

  readonly #merge: StringVisitor = (index, bytes, start, end) => {
    for (let at = start + 1; at < end; at++) if (bytes[at] === 0x20) return
    throw damaged(this.#path, `merge ${index} of its vocabulary is not a pair`)
  }
}

/**
 * A set of byte strings that keeps 64 bits of each, five times as fast as a Set of 256,000 strings. That two
 * different tokens of such a vocabulary share their 64 bits has a chance of one in 200 million.
 */
class Fingerprints {
  readonly #mask: number
  /** Open addressing; pairs of numbers, of which the second is never 0. */
  readonly #slots: Int32Array

  constructor(count: number) {
    const size = 2 ** Math.ceil(Math.log2(2 * count + 2))
    this.#mask = size - 1
    this.#slots = new Int32Array(2 * size)
  }

  /** False where `bytes[start, end)`, up to its first zero byte, was there already; the empty string never is. */
  add(bytes: Uint8Array, start: number, end: number): boolean {
    let high = 0x811c9dc5 | 0 // FNV-1a, and a second hash that shares nothing with it
    let low = 0
    let at = start
    for (; at < end; at++) {
      const byte = bytes[at]!
      if (byte === 0) break
      high = Math.imul(high ^ byte, 0x01000193)
      low = Math.imul((low << 5) ^ (low >>> 27) ^ byte, 0x9e3779b1)
    }
    if (at === start) return true
    low |= 1
    const slots = this.#slots
    for (let slot = (high ^ low) & this.#mask; ; slot = (slot + 1) & this.#mask) {
      const first = slots[2 * slot]
      const second = slots[2 * slot + 1]
      if (first === high && second === low) return false
      if (second !== 0) continue
      slots[2 * slot] = high
      slots[2 * slot + 1] = low
      return true
    }
  }
}

type TokenizerKind = {
  /** Ids that llama.cpp assumes where the file names none. */
  readonly bos?: number
  readonly eos?: number
  readonly sep?: number
  /** Whether it puts BOS in front (EOS behind) where the file does not say. */
  readonly addsBos: boolean
  readonly addsEos?: true
  readonly addsSep?: true
}

/** Source: llama_vocab::impl::load. */
const TOKENIZERS: ReadonlyMap<string, TokenizerKind> = new Map<string, TokenizerKind>([
  ['llama', { bos: 1, eos: 2, addsBos: true }],
  ['bert', { bos: 101, sep: 102, addsBos: true, addsSep: true }],
  ['gpt2', { bos: 11, eos: 11, addsBos: true }], // depends on the pre-tokenizer
  ['hybriddna', { bos: 11, eos: 11, addsBos: true }],
  ['whitespace', { bos: 11, eos: 11, addsBos: true }],
  ['gemma4', { addsBos: true }],
  ['t5', { eos: 1, addsBos: false, addsEos: true }],
  ['rwkv', { addsBos: false }],
  ['plamo2', { bos: 1, eos: 2, addsBos: false }],
])

const TOKEN_TYPE_BYTE = 6

/**
 * Checks what the file says about its tokens.
 * @returns how many there are
 */
export function checkVocabulary(model: Model): number {
  const { path, metadata } = model
  const name = text(path, metadata, 'tokenizer.ggml.model')
  if (name === undefined) throw damaged(path, 'it has no vocabulary ("tokenizer.ggml.model" is missing)')
  if (name === 'none' || name === 'no_vocab')
    throw unsupported(path, 'has no vocabulary, so it can neither read nor write text')
  const kind = TOKENIZERS.get(name)
  if (kind === undefined) throw unsupported(path, `has a tokenizer of the unknown kind "${name}"`)
  const tokens = metadata.get(TOKENS)
  if (tokens?.type !== 'array' || tokens.of !== 'string')
    throw damaged(path, `"${TOKENS}" is missing or holds no strings`)
  if (tokens.count < 1 || tokens.count > MAX_TOKENS)
    throw damaged(path, `its vocabulary has ${tokens.count} tokens`)
  const merges = metadata.get(MERGES)
  if (merges !== undefined && (merges.type !== 'array' || merges.of !== 'string'))
    throw damaged(path, `"${MERGES}" holds no strings`)
  checkPerToken(model, 'tokenizer.ggml.scores', ['f32', 'i32'], tokens.count, (score) => !Number.isNaN(score))
  checkPerToken(model, 'tokenizer.ggml.token_type', ['i32', 'u32'], tokens.count, (type) =>
    // In a WordPiece vocabulary a byte token is an abort.
    name === 'bert' ? type >= 0 && type < TOKEN_TYPE_BYTE : type >= 0 && type <= TOKEN_TYPE_BYTE,
  )
  checkSpecialTokens(model, kind, tokens.count)
  checkCharsMap(model)
  text(path, metadata, 'tokenizer.chat_template')
  text(path, metadata, 'tokenizer.ggml.pre')
  return tokens.count
}

function checkPerToken(
  { path, metadata }: Model,
  key: string,
  types: readonly string[],
  tokenCount: number,
  valid: (value: number) => boolean,
): void {
  const entry = metadata.get(key)
  if (entry === undefined) return
  if (entry.type !== 'array' || !types.includes(entry.of))
    throw damaged(path, `"${key}" is not an array of numbers`)
  if (entry.count !== tokenCount)
    throw damaged(path, `"${key}" has ${entry.count} elements for ${tokenCount} tokens`)
  const values = entry.values as Float32Array | Int32Array | undefined
  const wrong = values?.findIndex((value) => !valid(value)) ?? -1
  if (wrong >= 0) throw damaged(path, `"${key}" says ${values![wrong]} of token ${wrong}`)
}

/** A token that is to be added but does not exist is asserted. Others out of range are ignored, as llama.cpp does. */
function checkSpecialTokens(model: Model, kind: TokenizerKind, tokenCount: number): void {
  const { path, metadata } = model
  for (const [what, fallback, byDefault, idKey] of [
    ['bos', kind.bos, kind.addsBos, 'bos_token_id'],
    ['eos', kind.eos, kind.addsEos === true, 'eos_token_id'],
    ['sep', kind.sep, kind.addsSep === true, 'seperator_token_id'], // the format's own spelling
  ] as const) {
    const flag = metadata.get(`tokenizer.ggml.add_${what}_token`)
    if (flag !== undefined && flag.type !== 'bool')
      throw damaged(path, `"tokenizer.ggml.add_${what}_token" is not true or false`)
    const key = `tokenizer.ggml.${idKey}`
    const id = number(model, key)
    const exists = (token: number | undefined) => token !== undefined && token >= 0 && token < tokenCount
    if ((flag?.value ?? byDefault) && !exists(id) && !exists(fallback))
      throw damaged(path, `"${key}" is ${id ?? 'missing'}, but the vocabulary has ${tokenCount} tokens`)
  }
}

/** Replacement texts at its end are read up to a zero byte. */
function checkCharsMap({ path, metadata }: Model): void {
  const key = 'tokenizer.ggml.precompiled_charsmap'
  const entry = metadata.get(key)
  if (entry === undefined) return
  const bytes = entry.type === 'array' ? entry.values : undefined
  if (!(bytes instanceof Uint8Array || bytes instanceof Int8Array) || bytes.at(-1) !== 0)
    throw damaged(path, `"${key}" is not a character map`)
}
