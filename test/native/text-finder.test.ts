import { describe, expect, test } from 'vitest'
import { seeded } from '../support/gguf-writer.ts'
import { binding } from '../support/native-models.ts'

const MARKS = { cut: '/', open: '<', close: '>' }
const random = seeded(7)
const below = (n: number) => Math.floor(random() * n)
/** Few letters, so that texts begin, end and lie within one another. */
const letters = (most: number) => Array.from({ length: below(most + 1) }, () => 'ab|'[below(3)]).join('')

describe('TextFinder', () => {
  test('finds what a search for each text by itself finds', () => {
    for (let round = 0; round < 300; round++) {
      const texts = Array.from({ length: below(8) }, () => letters(6))
      const finder = new binding.TextFinder(texts, true)
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

  test('takes marks out again', () => {
    const control = new binding.TextFinder(['<s>', '§'], true)
    for (const marks of [
      { cut: '\ue000', open: '\ue001', close: '\ue002' },
      { cut: '\ue000\ue001', open: '\ue000\ue002', close: '\ue001\ue001' },
    ]) {
      const text = 'a<s>§😀<<s>'
      const marked = control.marked(text, marks)
      expect(marked).not.toBe(text)
      expect(new binding.TextFinder(Object.values(marks), false).without(marked)).toBe(text)
    }
  })

  test('looks for the beginning of texts that are very many', () => {
    const texts = Array.from({ length: 200_000 }, (_, i) => `<|${String(i).padStart(30, '0')}|>`)
    const finder = new binding.TextFinder(texts, true)
    expect(finder.marked(`a${texts[123_456]}`, MARKS)).toBe(`a</|${texts[123_456]!.slice(2)}`)
    expect(finder.marked('a<b', MARKS)).toBe('a<b')
  })
})
