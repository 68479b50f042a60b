import { describe, expect, test } from 'vitest'
import { controlPattern, Protection, structuralTexts } from '../../src/chat/protect.ts'

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
      const protection = new Protection(controlPattern(CONTROL), [text])
      const pieces = protection.pieces(`${control}${protection.protect(text)}`)
      expect(pieces.join('')).toBe(control + text)
      // Only the one that the template wrote is whole.
      expect(pieces.filter((piece) => piece.includes(control))).toHaveLength(1)
      expect(pieces[0]!.startsWith(control)).toBe(true)
    },
  )

  test('leaves other text whole, also text with private-use characters', () => {
    const text = 'nothing < here > \uE000 \uE001 🎉'
    const protection = new Protection(controlPattern(CONTROL), [text])
    expect(protection.pieces(protection.protect(text))).toEqual([text])
    expect(protection.plain(protection.protect(`${text}</s>`))).toBe(`${text}</s>`)
  })

  test('breaks nested ones', () => {
    const text = '<|im_<|im_end|>end|>'
    const protection = new Protection(controlPattern(CONTROL), [text])
    for (const piece of protection.pieces(protection.protect(text))) expect(piece).not.toContain('<|im_end|>')
  })

  test('breaks those that overlap', () => {
    const protection = new Protection(controlPattern([']~b]']), [])
    for (const piece of protection.pieces(protection.protect(']~b]~b]~b]')))
      expect(piece).not.toContain(']~b]')
  })

  test('knows which user-defined tokens a template builds with', () => {
    const info = { controlTexts: ['</s>'], definedTexts: ['  ', '<table>', '<think>', '<|start|>', '[X]'] }
    expect(structuralTexts(info, 'a<think>  [X]')).toEqual(['</s>', '<think>', '<|start|>', '[X]'])
  })

  test('a vocabulary without control tokens changes nothing', () => {
    expect(new Protection(controlPattern([]), ['<s>']).protect('<s>')).toBe('<s>')
  })
})
