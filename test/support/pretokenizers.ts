import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { seeded } from './gguf-writer.ts'
import { EMBEDDED, VENDOR_MODELS } from './models.ts'

/** Every name that llama.cpp knows for a way to cut texts into words (`tokenizer.ggml.pre`). */
export function pretokenizers(): string[] {
  const source = readFileSync(join(VENDOR_MODELS, '..', 'src', 'llama-vocab.cpp'), 'utf8')
  return [...new Set(Array.from(source.matchAll(/tokenizer_pre == "([^"]+)"/g), ([, name]) => name!))].sort()
}

/** The embedded model, whose vocabulary cuts texts in another way. */
export function withPretokenizer(name: string): Buffer {
  const file = readFileSync(EMBEDDED)
  const pre = stringOf(file, 'tokenizer.ggml.pre')
  const title = stringOf(file, 'general.name')
  // The tensors stay where they are, counted in blocks of 32 bytes.
  const longer = name.length - (pre.end - pre.begin)
  const padded = title.text + ' '.repeat(((-longer % 32) + 32) % 32)
  const values = [
    { ...pre, text: name },
    { ...title, text: padded },
  ].sort((a, b) => a.begin - b.begin)
  const parts: Buffer[] = []
  let copied = 0
  for (const { begin, end, text } of values) {
    const length = Buffer.alloc(8)
    length.writeBigUInt64LE(BigInt(Buffer.byteLength(text)))
    parts.push(file.subarray(copied, begin - 8), length, Buffer.from(text))
    copied = end
  }
  return Buffer.concat([...parts, file.subarray(copied)])
}

function stringOf(file: Buffer, key: string) {
  const at = file.indexOf(key) + Buffer.byteLength(key) + 4 // behind the value's type
  const begin = at + 8
  const end = begin + Number(file.readBigUInt64LE(at))
  return { begin, end, text: file.toString('utf8', begin, end) }
}

/** What is said again and again in the long texts of an attack, one for each part of the patterns. */
export const RUNS = {
  letters: 'a',
  capitals: 'A',
  spaces: ' ',
  'line feeds': '\n',
  hyphens: '-',
  digits: '7',
  Han: '漢',
  accents: '\u0301',
  emoji: '😀',
  'spaces and line feeds': ' \n',
  contractions: "'ll",
  'words in several cases': 'aB',
} as const

export const run = (text: string, length: number) =>
  text.repeat(Math.ceil(length / text.length)).slice(0, length)

const WORDS = [
  ...Object.values(RUNS),
  ...[
    'The',
    ' the',
    "it's",
    'I',
    '½',
    '٣',
    'ǅ',
    'ʰ',
    '한',
    'ก',
    '/',
    '=',
    '\r\n',
    '\t',
    '　',
    '\u0085',
    '<',
    '1234567',
  ],
]

/** Texts of everything that the patterns tell apart, the same for the same seed. */
export function mixed(length: number, seed: number): string {
  const random = seeded(seed)
  const next = (below: number) => Math.floor(random() * below)
  let text = ''
  while (text.length < length) text += WORDS[next(WORDS.length)]!.repeat(1 + next(next(4) === 0 ? 20 : 3))
  return Buffer.from(text.slice(0, length)).toString()
}

const SHORT_TEXTS = [
  ...Object.values(RUNS).map((text) => run(text, 300)),
  ...Array.from({ length: 20 }, (_, seed) => mixed(300, seed)),
]

/** What test/golden/pretokenizers.json was recorded with. At a space in a word of `whitespace` llama.cpp aborts. */
export const shortTexts = (name: string) =>
  name === 'whitespace' ? SHORT_TEXTS.map((text) => text.replaceAll(' ', '')) : SHORT_TEXTS

export const digest = (ids: Iterable<number>) =>
  createHash('sha256').update(Array.from(ids).join(' ')).digest('hex').slice(0, 16)
