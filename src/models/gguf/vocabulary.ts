import { loadBinding } from '../../native/binding.ts'
import type { NativeScanResult } from '../../native/contract.ts'
import { damaged, MAX_STRING_BYTES } from './bytes.ts'
import { type Model, number, text, unsupported } from './model.ts'
import type { StringScan } from './reader.ts'

const MAX_TOKENS = 2 ** 21
/** The longest real tokens are runs of some 100 spaces or dashes; llama.cpp spends minutes on long ones. */
const MAX_TOKEN_BYTES = 16_384
const TOKENS = 'tokenizer.ggml.tokens'
const MERGES = 'tokenizer.ggml.merges'

/**
 * Scans the strings of `key` as they stream past, without keeping them, for what makes llama.cpp abort: two
 * equal tokens, and a merge that is not a pair. Native, because JavaScript that is not compiled yet takes
 * longer.
 */
export function vocabularyScan(path: string, key: string, count: number): StringScan | undefined {
  if (key !== MERGES && key !== TOKENS) return undefined
  if (key === TOKENS && count > MAX_TOKENS) throw damaged(path, `its vocabulary has ${count} tokens`)
  const { StringScan: Scan } = loadBinding()
  const native =
    key === TOKENS ? new Scan('distinct', count, MAX_TOKEN_BYTES) : new Scan('pairs', count, MAX_STRING_BYTES)
  return (window) => {
    const scanned = native.scan(window)
    if (scanned.problem) throw damaged(path, describe(scanned, window))
    return scanned
  }
}

function describe({ index, bytes, problem }: NativeScanResult, window: Buffer): string {
  if (problem === 'single') return `merge ${index} of its vocabulary is not a pair`
  const length = Number(window.readBigUInt64LE(bytes))
  if (problem === 'long') return `token ${index} of its vocabulary claims ${length} bytes`
  const token = JSON.stringify(window.toString('utf8', bytes + 8, bytes + 8 + length))
  return `token ${index} of its vocabulary (${token}) appears a second time`
}

type TokenizerKind = {
  /** Ids that llama.cpp assumes if the file names none. */
  readonly bos?: number
  readonly eos?: number
  readonly sep?: number
  /** Whether it adds BOS in front (EOS at the end) if the file does not say. */
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
/** Types of unknown, control and user-defined tokens: the user's text is searched for each of them. */
const [FIRST_SPECIAL_TYPE, LAST_SPECIAL_TYPE] = [2, 4]
const MAX_SPECIAL_TOKENS = 2 ** 18

/** The number of tokens. */
export function tokenCountOf({ path, metadata }: Pick<Model, 'path' | 'metadata'>): number {
  const tokens = metadata.get(TOKENS)
  if (tokens?.type !== 'array' || tokens.of !== 'string')
    throw damaged(path, `"${TOKENS}" is missing or holds no strings`)
  // Too many were already refused while they were read.
  if (tokens.count < 1) throw damaged(path, `its vocabulary has ${tokens.count} tokens`)
  return tokens.count
}

/** Checks what the file says about its tokens. */
export function checkVocabulary(model: Model): void {
  const { path, metadata } = model
  const name = text(path, metadata, 'tokenizer.ggml.model')
  if (name === undefined) throw damaged(path, 'it has no vocabulary ("tokenizer.ggml.model" is missing)')
  if (name === 'none' || name === 'no_vocab')
    throw unsupported(path, 'has no vocabulary, so it can neither read nor write text')
  const kind = TOKENIZERS.get(name)
  if (kind === undefined) throw unsupported(path, `has a tokenizer of the unknown kind "${name}"`)
  const tokenCount = tokenCountOf(model)
  const merges = metadata.get(MERGES)
  if (merges !== undefined && (merges.type !== 'array' || merges.of !== 'string'))
    throw damaged(path, `"${MERGES}" holds no strings`)
  checkPerToken(model, 'tokenizer.ggml.scores', ['f32', 'i32'], tokenCount, (score) => !Number.isNaN(score))
  let special = 0
  // llama.cpp aborts on a byte token in a WordPiece vocabulary.
  const lastType = name === 'bert' ? TOKEN_TYPE_BYTE - 1 : TOKEN_TYPE_BYTE
  checkPerToken(model, 'tokenizer.ggml.token_type', ['i32', 'u32'], tokenCount, (type) => {
    if (type >= FIRST_SPECIAL_TYPE && type <= LAST_SPECIAL_TYPE) special++
    return type >= 0 && type <= lastType
  })
  if (special > MAX_SPECIAL_TOKENS)
    throw unsupported(path, `has ${special} control tokens and such, more than ${MAX_SPECIAL_TOKENS}`)
  checkSpecialTokens(model, kind, tokenCount)
  checkCharsMap(model)
  text(path, metadata, 'tokenizer.chat_template')
  text(path, metadata, 'tokenizer.ggml.pre')
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

/** llama.cpp asserts that tokens to be added exist. Others out of range are ignored, as llama.cpp does. */
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

/** llama.cpp reads the replacement texts at its end up to a zero byte. */
function checkCharsMap({ path, metadata }: Model): void {
  const key = 'tokenizer.ggml.precompiled_charsmap'
  const entry = metadata.get(key)
  if (entry === undefined) return
  const bytes = entry.type === 'array' ? entry.values : undefined
  if (!(bytes instanceof Uint8Array || bytes instanceof Int8Array) || bytes.at(-1) !== 0)
    throw damaged(path, `"${key}" is not a character map`)
}
