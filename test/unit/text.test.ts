import { describe, expect, test } from 'vitest'
import { toText } from '../../src/generation/stages/text.ts'
import { seeded } from '../support/gguf-writer.ts'

/** `tokens` are the pieces of `bytes`. */
async function run(tokens: readonly Uint8Array[]): Promise<string[]> {
  function* events() {
    for (const token of tokens.keys()) yield { type: 'token', token, logprob: undefined } as const
    yield { type: 'end', finishReason: 'stop', stopSequence: undefined } as const
  }
  const texts: string[] = []
  for (const event of [...events()].flatMap(toText((id) => tokens[id]!))) {
    if (event.type === 'end') continue
    expect(event).toMatchObject({ token: texts.length, bytes: tokens[texts.length]!.length })
    texts.push(event.text)
  }
  return texts
}

const bytes = (text: string) => new TextEncoder().encode(text)
const oneByOne = (text: string) => Array.from(bytes(text), (byte) => Uint8Array.of(byte))

const CORPUS = [
  'plain',
  'naïve Größe',
  'нещо на Български',
  '我想在apple工作1314151天～',
  '日本語テキスト、한국어',
  'กำลังพิมพ์',
  '😀😁🤖👍🏽👩‍👩‍👧‍👦🇩🇪🏴‍☠️',
  '𐍈𝔘𠜎',
  '\u{10FFFF}\u{FFFD}\u0000\u007f\u0080\u07ff\u0800\uffff\u{10000}',
  '\uFEFFa\uFEFFb',
]

describe('toText()', () => {
  test.each(CORPUS)('returns each character whole with its last byte: %j', async (text) => {
    const texts = await run(oneByOne(text))
    expect(texts.filter((piece) => piece !== '')).toEqual([...text])
  })

  test('returns every code point that arrives byte by byte', async () => {
    let all = ''
    for (let point = 0; point <= 0x10ffff; point += point < 0x3000 ? 1 : 61) {
      if (point < 0xd800 || point > 0xdfff) all += String.fromCodePoint(point)
    }
    expect((await run(oneByOne(all))).join('')).toBe(all)
  })

  test('returns the same text however the bytes are cut into tokens', async () => {
    const random = seeded(11)
    const whole = bytes(CORPUS.join(' '))
    for (let round = 0; round < 200; round++) {
      const tokens: Uint8Array[] = []
      for (let at = 0; at < whole.length; ) {
        const length = Math.floor(random() * 7)
        tokens.push(whole.subarray(at, at + length))
        at += length
      }
      expect((await run(tokens)).join('')).toBe(CORPUS.join(' '))
    }
  })

  test('keeps a byte order mark, at the start too', async () => {
    expect((await run([bytes('\uFEFF'), bytes('a')])).join('')).toBe('\uFEFFa')
  })

  test('drops an incomplete character at the end', async () => {
    for (const text of ['é', '日', '😀']) {
      const all = oneByOne(`a${text}`)
      for (let cut = 2; cut < all.length; cut++) expect((await run(all.slice(0, cut))).join('')).toBe('a')
    }
  })

  test('replaces invalid UTF-8 by replacement characters, and continues after it', async () => {
    const invalid = [[0xff], [0xc0, 0xaf], [0xed, 0xa0, 0x80], [0xf8], [0x80], [0xe6]]
    for (const broken of invalid) {
      const text = (await run([Uint8Array.from(broken), bytes('ok')])).join('')
      expect(text).toMatch(/^\uFFFD+ok$/)
    }
  })

  test('returns no text for tokens without text', async () => {
    expect(await run([new Uint8Array(0), bytes('a'), new Uint8Array(0)])).toEqual(['', 'a', ''])
  })
})
