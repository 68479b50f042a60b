import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { VENDOR_MODELS } from './models.ts'
import { TINY_MODELS } from './tiny-models.ts'

/** llama.cpp's collection of vocabularies without weights. */
export const vendoredVocabularies = () =>
  readdirSync(VENDOR_MODELS)
    .filter((name) => /^ggml-vocab-.*\.gguf$/.test(name))
    .map((name) => join(VENDOR_MODELS, name))

const WIDTH = 32

/** A model of random weights with the vocabulary of the GGUF file at `path`, and its texts of special tokens. */
export function modelWithVocabulary(path: string): { bytes: Buffer; special: string[] } {
  const keys = keysOf(readFileSync(path))
  const file = TINY_MODELS.llama()
  for (const key of [
    'model',
    'tokens',
    'scores',
    'token_type',
    'bos_token_id',
    'eos_token_id',
    'unknown_token_id',
  ])
    file.remove(`tokenizer.ggml.${key}`)
  for (const [key, bytes] of keys) if (key.startsWith('tokenizer.')) file.raw(key, bytes)
  const tokens = stringsOf(keys.get('tokenizer.ggml.tokens')!)
  const types = keys.get('tokenizer.ggml.token_type')
  const kindOf = (i: number) => types?.readInt32LE(16 + 4 * i) ?? 1
  file.removeTensor('token_embd.weight')
  file.tensor('token_embd.weight', [WIDTH, tokens.length], 'Q8_0')
  return {
    bytes: file.bytes(),
    special: tokens.filter((text, i) => text !== '' && [2, 3, 4].includes(kindOf(i))),
  }
}

const SIZES = [1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8]
const STRING = 8
const ARRAY = 9

/** The values of a GGUF header as they stand in the file, type number first. */
function keysOf(file: Buffer): Map<string, Buffer> {
  let at = 16
  const count = Number(file.readBigUInt64LE(at))
  at += 8
  const length = () => Number(file.readBigUInt64LE(at))
  const skip = (type: number): void => {
    if (type === STRING) at += 8 + length()
    else if (type === ARRAY) {
      const of = file.readUInt32LE(at)
      at += 4
      const items = length()
      at += 8
      for (let i = 0; i < items; i++) skip(of)
    } else at += SIZES[type]!
  }
  const keys = new Map<string, Buffer>()
  for (let i = 0; i < count; i++) {
    const key = file.toString('utf8', at + 8, at + 8 + length())
    at += 8 + length()
    const begin = at
    at += 4
    skip(file.readUInt32LE(begin))
    keys.set(key, file.subarray(begin, at))
  }
  return keys
}

function stringsOf(value: Buffer): string[] {
  const strings: string[] = []
  for (let at = 16; at < value.length; ) {
    const length = Number(value.readBigUInt64LE(at))
    strings.push(value.toString('utf8', at + 8, at + 8 + length))
    at += 8 + length
  }
  return strings
}
