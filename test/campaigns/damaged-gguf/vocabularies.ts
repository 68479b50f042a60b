import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { array, value } from '../../../src/models/gguf/writer.ts'
import { type Mutation, ofParts, type Random } from './hostile.ts'
import { ARRAY, elementsOf, number32, number64, type Parts, refit, STRING, text } from './parts.ts'

const source = join(import.meta.dirname, '../../../vendor/llama.cpp/src/llama-vocab.cpp')
/** Every pre-tokenizer that llama.cpp knows by name. */
const PRE_TOKENIZERS = [
  ...new Set(
    Array.from(readFileSync(source, 'utf8').matchAll(/tokenizer_pre == "([^"]+)"/g), ([, name]) => name!),
  ),
]

/** Damage to vocabularies, and whole vocabularies of other kinds with damage of their own. */
export const VOCABULARIES: readonly Mutation[] = [
  function otherKind(source, random) {
    return ofParts(source, (parts) => {
      const kind = random.pick(Object.keys(KINDS))
      replaceVocabulary(parts, kind, random)
      return `vocabulary of the kind "${kind}"`
    })
  },
  function otherPreTokenizer(source, random) {
    return ofParts(source, (parts) => {
      const name = random.pick([...PRE_TOKENIZERS, 'whitespace', 'unknown'])
      replaceVocabulary(parts, random.pick(['gpt2', 'gpt2', 'llama', 'whitespace']), random)
      setKey(parts, 'tokenizer.ggml.pre', value('string', name))
      return `pre-tokenizer "${name}"`
    })
  },
  function damagedKind(source, random) {
    return ofParts(source, (parts) => {
      const kind = random.pick(Object.keys(KINDS))
      replaceVocabulary(parts, kind, random)
      return `vocabulary of the kind "${kind}", ${damageTokens(parts, random)}`
    })
  },
  function damagedTokens(source, random) {
    return ofParts(source, (parts) => damageTokens(parts, random))
  },
  function withoutSpecialTokens(source, random) {
    return ofParts(source, (parts) => {
      const names = ['bos', 'eos', 'unknown', 'padding', 'eot', 'seperator'].filter(
        () => random.below(2) === 0,
      )
      const gone = names.map((name) => `tokenizer.ggml.${name}_token_id`)
      parts.keys = parts.keys.filter(({ key }) => !gone.includes(key))
      for (const key of gone)
        if (random.below(3) === 0) setKey(parts, key, value('u32', random.pick([0, 1, 2 ** 31, 2 ** 32 - 1])))
      return `special tokens gone or moved: ${names.join(', ')}`
    })
  },
  function uniformTypes(source, random) {
    return ofParts(source, (parts) => {
      const type = random.pick([0, 1, 2, 3, 4, 5, 6])
      setKey(
        parts,
        'tokenizer.ggml.token_type',
        array(
          'i32',
          tokensOf(parts).map(() => type),
        ),
      )
      return `all tokens of type ${type}`
    })
  },
  function manyKeys(source, random) {
    return ofParts(source, (parts) => {
      const count = random.pick([1000, 16_000, 60_000])
      for (let i = 0; i < count; i++) parts.keys.push({ key: `more.key.${i}`, raw: value('u32', i) })
      return `${count} more keys`
    })
  },
  function manyTokens(source, random) {
    return ofParts(source, (parts) => {
      const type = random.pick([1, 3, 4])
      const count = random.pick([2000, 20_000, 60_000])
      const tokens = [...tokensOf(parts), ...Array.from({ length: count }, (_, i) => text(`<more|${i}>`))]
      for (const tensor of parts.tensors) {
        if (!/^(token_embd|output)\.weight$/.test(tensor.name) || tensor.shape.length !== 2) continue
        tensor.shape[1] = BigInt(tokens.length)
        refit(tensor)
      }
      setTokens(parts, tokens)
      setKey(
        parts,
        'tokenizer.ggml.token_type',
        array(
          'i32',
          tokens.map((_, i) => (i < 3 ? 3 : type)),
        ),
      )
      setKey(
        parts,
        'tokenizer.ggml.scores',
        array(
          'f32',
          tokens.map((_, i) => -i),
        ),
      )
      return `${count} more tokens of type ${type}`
    })
  },
]

const BYTES = Array.from({ length: 256 }, (_, byte) => byte)
const hex = (byte: number) => byte.toString(16).padStart(2, '0')

/** GPT-2's way to write a byte as a letter. */
const byteLevel = BYTES.map((byte) => {
  const isShown = (byte > 32 && byte < 127) || (byte > 160 && byte !== 173)
  return String.fromCodePoint(
    isShown
      ? byte
      : 256 +
          BYTES.filter(
            (other) => other < byte && !((other > 32 && other < 127) || (other > 160 && other !== 173)),
          ).length,
  )
})

/** The first tokens of each kind of vocabulary; the rest are made up. */
const KINDS: Readonly<Record<string, readonly string[]>> = {
  llama: ['<unk>', '<s>', '</s>', ...BYTES.map((byte) => `<0x${hex(byte).toUpperCase()}>`)],
  gpt2: [...byteLevel, 'th', 'the', '<|endoftext|>'],
  hybriddna: [...byteLevel, '<dna>', '</dna>', '<oov>', 'AAAAAA', 'ACGTAC'],
  whitespace: [...byteLevel, 'Hello', 'world'],
  gemma4: [
    '<pad>',
    '<eos>',
    '<bos>',
    ...BYTES.map((byte) => `<0x${hex(byte).toUpperCase()}>`),
    'a',
    'b',
    '▁',
  ],
  t5: ['<pad>', '</s>', '<unk>', '▁', 'a', 'b', 'c'],
  bert: ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', '▁a', 'b', '▁hello'],
  rwkv: ['<s>', ...BYTES.map((byte) => `b'\\x${hex(byte)}'`)],
  plamo2: ['<unk>', '<s>', '</s>', ...BYTES.map((byte) => `<0x${hex(byte).toUpperCase()}>`), 'a', 'b'],
}

/** In place of the file's own, with as many tokens. */
function replaceVocabulary(parts: Parts, kind: string, random: Random): void {
  const count = tokensOf(parts).length
  const tokens = Array.from(
    { length: count },
    (_, i) => KINDS[kind]![i] ?? `${random.pick(['', '▁', '<'])}more${i}`,
  )
  parts.keys = parts.keys.filter(({ key }) => !key.startsWith('tokenizer.'))
  setKey(parts, 'tokenizer.ggml.model', value('string', kind))
  setTokens(parts, tokens.map(text))
  const isByte = (token: string) => /^<0x..>$/.test(token)
  setKey(
    parts,
    'tokenizer.ggml.token_type',
    array(
      'i32',
      tokens.map((token) => (isByte(token) ? 6 : 1)),
    ),
  )
  setKey(
    parts,
    'tokenizer.ggml.scores',
    array(
      'f32',
      tokens.map((_, i) => -i),
    ),
  )
  if (['gpt2', 'hybriddna', 'whitespace', 'gemma4'].includes(kind))
    setKey(parts, 'tokenizer.ggml.merges', array('string', ['t h', 'th e']))
  if (kind === 'gpt2') setKey(parts, 'tokenizer.ggml.pre', value('string', 'gpt-2'))
  for (const name of ['bos', 'eos', 'unknown', 'seperator'])
    if (random.below(4) > 0) setKey(parts, `tokenizer.ggml.${name}_token_id`, value('u32', random.below(3)))
}

/** Changes single tokens: a byte that is none, one twice, an empty one, one that begins many. */
function damageTokens(parts: Parts, random: Random): string {
  const tokens = tokensOf(parts)
  const at = random.below(Math.min(tokens.length, 300))
  const count = random.pick([1, 1, 4, 100])
  const texts = [
    '',
    ' ',
    '  ',
    '\n',
    'x',
    'b"',
    "b'\\x'",
    "b''",
    '\\',
    'zz',
    '\ud83d',
    '<0x',
    '▁▁',
    '\u0000',
    'é'.repeat(300),
  ]
  const put = random.pick(texts)
  for (let i = at; i < Math.min(at + count, tokens.length); i++)
    tokens[i] = text(i === at ? put : `${put}${i}`)
  setTokens(parts, tokens)
  return `tokens ${at} to ${at + count - 1} set to ${JSON.stringify(put.slice(0, 20))}`
}

function tokensOf({ keys }: Parts): Buffer[] {
  const raw = keys.find(({ key }) => key === 'tokenizer.ggml.tokens')?.raw
  return raw?.readUInt32LE() === ARRAY && raw.readUInt32LE(4) === STRING ? elementsOf(raw) : []
}

function setTokens(parts: Parts, tokens: readonly Buffer[]): void {
  const head = [number32(ARRAY), number32(STRING), number64(BigInt(tokens.length))]
  setKey(parts, 'tokenizer.ggml.tokens', Buffer.concat([...head, ...tokens]))
}

function setKey(parts: Parts, key: string, raw: Buffer): void {
  const entry = parts.keys.find((candidate) => candidate.key === key)
  if (entry) entry.raw = raw
  else parts.keys.push({ key, raw })
}
