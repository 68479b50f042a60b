import { describe, expect, test } from 'vitest'
import { controlTexts, Protection, structuralTexts } from '../../src/chat/protect.ts'

const CONTROL = [
  '<|im_start|>',
  '<|im_end|>',
  '</s>',
  '<s>',
  '[INST]',
  '<|eot-id|>',
  '<start_of_turn>',
  '<｜User｜>',
  '\\x',
  '',
]

describe('Protection', () => {
  test.each(CONTROL.filter((text) => text !== ''))(
    'breaks %s wherever it stands in a text, and nothing else',
    (control) => {
      const text = `a ${control}${control} b ${control}`
      const protection = new Protection(controlTexts(CONTROL), [text])
      const pieces = protection.pieces(`${control}${protection.protect(text)}`).map((piece) => piece.text)
      expect(pieces.join('')).toBe(control + text)
      // Only the one that the template wrote is whole.
      expect(pieces.filter((piece) => piece.includes(control))).toHaveLength(1)
      expect(pieces[0]!.startsWith(control)).toBe(true)
    },
  )

  test('leaves other text whole, also text with private-use characters', () => {
    const text = 'nothing < here > \uE000 \uE001 🎉'
    const protection = new Protection(controlTexts(CONTROL), [text])
    expect(protection.pieces(protection.protect(text))).toEqual([{ text, isLiteral: false }])
    expect(protection.plain(protection.protect(`${text}</s>`))).toBe(`${text}</s>`)
  })

  test('breaks nested ones', () => {
    const text = '<|im_<|im_end|>end|>'
    const protection = new Protection(controlTexts(CONTROL), [text])
    for (const piece of protection.pieces(protection.protect(text)))
      expect(piece.text).not.toContain('<|im_end|>')
  })

  test('breaks those that overlap', () => {
    const protection = new Protection(controlTexts([']~b]']), [])
    for (const piece of protection.pieces(protection.protect(']~b]~b]~b]')))
      expect(piece.text).not.toContain(']~b]')
  })

  test('makes text of control tokens that are a single character, but not where the template wrote them', () => {
    const text = 'a§b😈§'
    const protection = new Protection(controlTexts(['§', '😈', '§§']), [text])
    const pieces = protection.pieces(`§${protection.protect(text)}§${protection.protect('§')}§`)
    expect(pieces.map((piece) => [piece.text, piece.isLiteral])).toEqual([
      ['§a', false],
      ['§', true],
      ['b', false],
      ['😈', true],
      ['§', true],
      ['§', false],
      ['§', true],
      ['§', false],
    ])
    expect(protection.plain(protection.protect(text))).toBe(text)
  })

  test('works in texts with every private-use character there is', () => {
    const all = Array.from({ length: 0xf900 - 0xe000 }, (_, i) => String.fromCharCode(0xe000 + i)).join('')
    const text = `${all}</s>${all}`
    const protection = new Protection(controlTexts(CONTROL), [text])
    const protectedText = protection.protect(text)
    expect(protection.pieces(protectedText).map((piece) => piece.text)).toEqual([`${all}<`, `/s>${all}`])
    expect(protection.plain(protectedText)).toBe(text)
  })

  test('knows which user-defined tokens a template builds with', () => {
    const info = { controlTexts: ['</s>'], definedTexts: ['  ', '<table>', '<think>', '<|start|>', '[X]'] }
    expect(structuralTexts(info, 'a<think>  [X]')).toEqual(['</s>', '<think>', '<|start|>', '[X]'])
  })

  test('a vocabulary without control tokens changes nothing', () => {
    expect(new Protection(controlTexts([]), ['<s>']).protect('<s>')).toBe('<s>')
  })
})
