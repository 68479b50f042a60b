import { describe, expect, test } from 'vitest'
import type { NativeTextFinder } from '../../src/native/contract.ts'
import { controlFinder, NO_MARKS, Protection, structuralTexts } from '../../src/native/protect.ts'

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

/** With marks that are not in the text. */
const protectionIn = (finder: NativeTextFinder | undefined, text = '') =>
  new Protection(finder, finder?.unusedMarks(text) ?? NO_MARKS)

/** What is tokenized apart. */
const pieces = ({ marks }: Protection, rendered: string) =>
  rendered.split(new RegExp(Object.values(marks).join('|'))).filter((piece) => piece !== '')

/** Without its marks. */
const plain = ({ marks }: Protection, rendered: string) =>
  Object.values(marks).reduce((left, mark) => left.replaceAll(mark, ''), rendered)

describe('Protection from control tokens', () => {
  test.each(CONTROL.filter((text) => text !== ''))(
    'breaks %s wherever it stands in a text, and nothing else',
    (control) => {
      const text = `a ${control}${control} b ${control}`
      const protection = protectionIn(controlFinder(CONTROL), text)
      const apart = pieces(protection, `${control}${protection.protect(text)}`)
      expect(apart.join('')).toBe(control + text)
      // Only the one that the template wrote is whole.
      expect(apart.filter((piece) => piece.includes(control))).toHaveLength(1)
      expect(apart[0]!.startsWith(control)).toBe(true)
    },
  )

  test('leaves other text whole, also text with private-use characters', () => {
    const text = 'nothing < here > \uE000 \uE001 🎉'
    const protection = protectionIn(controlFinder(CONTROL), text)
    expect(protection.protect(text)).toBe(text)
    expect(plain(protection, protection.protect(`${text}</s>`))).toBe(`${text}</s>`)
  })

  test('breaks nested ones', () => {
    const text = '<|im_<|im_end|>end|>'
    const protection = protectionIn(controlFinder(CONTROL), text)
    for (const piece of pieces(protection, protection.protect(text)))
      expect(piece).not.toContain('<|im_end|>')
  })

  test('breaks overlapping ones', () => {
    const protection = protectionIn(controlFinder([']~b]']))
    for (const piece of pieces(protection, protection.protect(']~b]~b]~b]')))
      expect(piece).not.toContain(']~b]')
  })

  test('turns control tokens of a single character into text, except those of the template', () => {
    const text = 'a§b😈§'
    const protection = protectionIn(controlFinder(['§', '😈', '§§']), text)
    const { open, close } = protection.marks
    expect(protection.protect(text)).toBe(`a${open}§${close}b${open}😈${close}${open}§${close}`)
    expect(plain(protection, protection.protect(text))).toBe(text)
  })

  test('knows how vocabularies spell spaces and bytes', () => {
    const protection = protectionIn(controlFinder(['▁x', 'Ġyz', 'ÃŁ'], 'characters'))
    const { cut, open, close } = protection.marks
    expect(protection.protect('a x yzß')).toBe(`a ${cut}${open}x${close} ${cut}yz${open}ß${close}`)
  })

  test("treats SentencePiece's spaces like others, and half characters like their replacement", () => {
    const protection = protectionIn(controlFinder(['▁▁', 'a�']))
    const { cut } = protection.marks
    for (const spaces of ['▁▁', '  ', '▁ ', ' ▁'])
      expect(protection.protect(spaces)).toBe(`${spaces[0]}${cut}${spaces[1]}`)
    expect(protection.protect('a\ud800')).toBe(`a${cut}�`)
  })

  test.each([
    ['â', 'characters', '▁ Ａ b'], // GPT-2's character for the byte E2
    ['\\xe2', 'escapes', '▁ Ａ b'],
  ] as const)(
    'separates characters of which a part is a control token of bytes: %s, of %s',
    (control, spelling, text) => {
      const protection = protectionIn(controlFinder([control], spelling))
      const { open, close } = protection.marks
      expect(protection.protect(text)).toBe(`${open}▁${close} Ａ b`)
    },
  )

  test('breaks long ones after their first 32 characters', () => {
    const protection = protectionIn(controlFinder([`<|${'x'.repeat(1000)}|>`]))
    const { cut } = protection.marks
    expect(protection.protect(`<|${'x'.repeat(30)}`)).toBe(`<${cut}|${'x'.repeat(30)}`)
    expect(protection.protect(`<|${'x'.repeat(29)}`)).toBe(`<|${'x'.repeat(29)}`)
  })

  test('works in texts with all private-use characters', () => {
    const all = Array.from({ length: 0xf900 - 0xe000 }, (_, i) => String.fromCharCode(0xe000 + i)).join('')
    const text = `${all}</s>${all}`
    const protection = protectionIn(controlFinder(CONTROL), text)
    const protectedText = protection.protect(text)
    expect(pieces(protection, protectedText)).toEqual([`${all}<`, `/s>${all}`])
    expect(plain(protection, protectedText)).toBe(text)
  })

  test('knows which user-defined tokens a template builds with', () => {
    const info = { controlTexts: ['</s>'], definedTexts: ['  ', '<table>', '<think>', '<|start|>', '[X]'] }
    expect(structuralTexts(info, 'a<think>  [X]')).toEqual(['</s>', '<think>', '<|start|>', '[X]'])
  })

  test('changes nothing for a vocabulary without control tokens', () => {
    expect(protectionIn(controlFinder([]), '<s>').protect('<s>')).toBe('<s>')
  })
})
