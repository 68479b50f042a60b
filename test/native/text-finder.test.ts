import { describe, expect, test } from 'vitest'
import { seeded } from '../support/gguf-writer.ts'
import { binding } from '../support/native-models.ts'

const MARKS = { cut: '/', open: '<', close: '>' }
const random = seeded(7)
const below = (n: number) => Math.floor(random() * n)
/** Few letters, so that texts begin, end and lie within one another. */
const letters = (most: number) => Array.from({ length: below(most + 1) }, () => 'ab|'[below(3)]).join('')

describe('TextFinder', () => {
  test('finds the same as a separate search for each text', () => {
    for (let round = 0; round < 300; round++) {
      const texts = Array.from({ length: below(8) }, () => letters(6))
      const finder = new binding.TextFinder(texts, 'plain')
      const text = letters(60)
      const nonEmpty = texts.filter((one) => one !== '')
      const expected = [...text].map((unit, at) => {
        const here = nonEmpty.filter((one) => text.startsWith(one, at))
        return here.includes(unit) ? `<${unit}>` : here.length > 0 ? `${unit}/` : unit
      })
      expect(finder.marked(text, MARKS), JSON.stringify({ texts, text })).toBe(expected.join(''))
      const occurring = texts.flatMap((one, i) => (one !== '' && text.includes(one) ? [i] : []))
      expect([...finder.occurring(text)], JSON.stringify({ texts, text })).toEqual(occurring)
    }
  })

  test('marks only what contains user text, and cuts where that begins', () => {
    const finder = new binding.TextFinder(['<s>', '<s>x', '§', '</'], 'plain')
    const marked = (text: string, ...users: number[]) => finder.marked(text, MARKS, Uint32Array.from(users))
    expect(marked('<s>a<s>', 3, 4)).toBe('<s>a<s>')
    expect(marked('<s>x', 3, 4)).toBe('<s>/x')
    expect(marked('<s>', 0, 1)).toBe('</s>')
    expect(marked('<s>', 1, 2)).toBe('</s>')
    expect(marked('<s>', 2, 3)).toBe('<s/>')
    expect(marked('§§', 0, 1)).toBe('<§>§')
    expect(marked('<s>', 1, 1)).toBe('</s>')
    expect(marked('a<s>', 1, 1)).toBe('a<s>')
    expect(marked('<s>')).toBe('<s>')
  })

  test('joins halves of a character, wherever the parts meet', () => {
    const finder = new binding.TextFinder(['😀', '<s>'], 'plain')
    for (const users of [
      [0, 2, 2, 7],
      [2, 7],
      [0, 2],
    ])
      expect(finder.marked('a😀b<s>', MARKS, Uint32Array.from(users)), `${users}`).toBe(
        users.includes(7) ? 'a<😀>b</s>' : 'a<😀>b<s>',
      )
  })

  test('finds texts of any length by their beginning', () => {
    const long = `<|${'k'.repeat(5000)}|>`
    const finder = new binding.TextFinder([long, `<|${'k'.repeat(40)}|>`], 'plain')
    const at = 4000
    expect(finder.marked(long, MARKS, Uint32Array.of(at, long.length))).toBe(
      `${long.slice(0, at)}/${long.slice(at)}`,
    )
    expect(finder.marked(`${long}x`, MARKS, Uint32Array.of(long.length, long.length + 1))).toBe(`${long}x`)
  })

  test('finds marks that occur neither in the texts nor beside them', () => {
    const finder = new binding.TextFinder(['\ue000', 'a\ue002'], 'plain')
    expect(finder.unusedMarks('\ue001')).toEqual({ cut: '\ue003', open: '\ue004', close: '\ue005' })
    const all = Array.from({ length: 0xf900 - 0xe000 }, (_, i) => String.fromCharCode(0xe000 + i)).join('')
    for (const mark of Object.values(finder.unusedMarks(all))) expect(all).not.toContain(mark)
  })

  test('refuses parts that are not in the text', () => {
    const finder = new binding.TextFinder(['<s>'], 'plain')
    for (const users of [[1], [0, 9], [2, 1]])
      expect(() => finder.marked('<s>', MARKS, Uint32Array.from(users))).toThrow(/pairs of places/)
    expect(() => finder.marked('<s>', MARKS, [0, 1] as never)).toThrow(/Uint32Array/)
  })

  test('marks on its own thread the same as synchronously', async () => {
    const finder = new binding.TextFinder(['<s>', '§'], 'plain')
    const text = 'a<s>§😀<<s>'.repeat(1000)
    expect(await finder.markedLater(text, MARKS).promise).toBe(finder.marked(text, MARKS))
  })

  test('finds the beginnings of very many texts', () => {
    const texts = Array.from({ length: 200_000 }, (_, i) => `<|${String(i).padStart(30, '0')}|>`)
    const finder = new binding.TextFinder(texts, 'plain')
    expect(finder.marked(`a${texts[123_456]}`, MARKS)).toBe(`a</|${texts[123_456]!.slice(2)}`)
    expect(finder.marked('a<b', MARKS)).toBe('a<b')
  })
})
