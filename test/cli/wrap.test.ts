import { describe, expect, test } from 'vitest'
import { Highlighter } from '../../src/cli/answer/markdown.ts'
import { WordWrap } from '../../src/cli/answer/wrap.ts'
import type { StyledText } from '../../src/cli/styled.ts'
import { seeded } from '../support/gguf-writer.ts'

// biome-ignore lint/suspicious/noControlCharactersInRegex: what moves the cursor
const BACK = /^\x1b\[(\d+)D\x1b\[K/

/** What stands on a terminal of `columns` after `output`, which may move the cursor back and erase. */
function screen(output: string, columns: number): string[] {
  const rows = ['']
  for (let at = 0; at < output.length; ) {
    const [back, count] = BACK.exec(output.slice(at)) ?? []
    const row = rows.length - 1
    if (back) {
      expect(rows[row]!.length).toBeGreaterThanOrEqual(Number(count))
      rows[row] = rows[row]!.slice(0, -Number(count))
      at += back.length
      continue
    }
    const character = output[at++]!
    if (character === '\n') rows.push('')
    else if (rows[row]!.length === columns) rows.push(character)
    else rows[row] += character
  }
  return rows
}

function wrapped(pieces: readonly StyledText[], columns: number): string[] {
  const wrap = new WordWrap((piece) => (typeof piece === 'string' ? piece : piece.text))
  return screen(pieces.map((piece) => wrap.push(piece, columns)).join(''), columns)
}

describe('lines on a terminal', () => {
  test('are broken between words, however the words come', () => {
    const text = 'The quick brown fox jumps over the lazy dog.'
    const lines = ['The quick ', 'brown fox ', 'jumps over', 'the lazy ', 'dog.']
    for (const size of [1, 2, 3, 5, 9, 44])
      expect(wrapped(text.match(new RegExp(`.{1,${size}}`, 'g'))!, 11)).toEqual(lines)
  })

  test('keep their own line feeds and indentation', () => {
    expect(wrapped(['one\n\n  two', ' three\nfour'], 20)).toEqual(['one', '', '  two three', 'four'])
  })

  test('leave a word that is longer than a line to the terminal', () => {
    expect(wrapped(['a ', 'bcdefghijklmnop', ' q'], 8).join('').replaceAll(' ', '')).toBe('abcdefghijklmnopq')
  })

  test('write the beginning of a word at once', () => {
    const wrap = new WordWrap(String)
    expect(wrap.push('one tw', 8)).toBe('one tw')
    expect(wrap.push('elve', 8)).toBe('\x1b[2D\x1b[K\ntwelve')
  })

  test('give a moved word its style again', () => {
    const wrap = new WordWrap((piece) => (typeof piece === 'string' ? piece : `<b>${piece.text}</b>`))
    expect(wrap.push('one ', 8)).toBe('one ')
    expect(wrap.push({ style: 'bold', text: 'tw' }, 8)).toBe('<b>tw</b>')
    expect(wrap.push({ style: 'bold', text: 'elve' }, 8)).toBe('\x1b[2D\x1b[K\n<b>tw</b><b>elve</b>')
  })

  test('stay whole where they are code', () => {
    const code = { style: 'cyan', text: 'const one = two + three', isCode: true } as const
    const wrap = new WordWrap((piece) => (typeof piece === 'string' ? piece : piece.text))
    expect(wrap.push(code, 10)).toBe(code.text)
  })

  test('stay whole where code comes in pieces, as an answer does', () => {
    const lines = [
      'def one(two):',
      '    return two  # as it was given, and no other',
      '    "two  spaces,    four"',
      'end',
    ]
    const answer = ['Here:', '```python', ...lines, '```', 'That is all that there is to say.'].join('\n')
    for (const size of [1, 3, 8]) {
      const highlighter = new Highlighter()
      const wrap = new WordWrap((piece) => (typeof piece === 'string' ? piece : piece.text))
      const pieces = answer
        .match(new RegExp(`[^]{1,${size}}`, 'g'))!
        .flatMap((piece) => highlighter.push(piece))
      const written = [...pieces, ...highlighter.end()].map((piece) => wrap.push(piece, 20)).join('')
      for (const line of lines) expect(written).toContain(`\n${line}\n`)
      expect(screen(written.slice(written.lastIndexOf('```')), 20).slice(1)).toEqual([
        'That is all that ',
        'there is to say.',
      ])
    }
  })

  test('measure an emoji that comes in pieces as a whole', () => {
    const wrap = new WordWrap(String)
    expect(['nice and ok ', '👍', '🏽', '👍', '🏽'].map((piece) => wrap.push(piece, 20)).join('')).toBe(
      'nice and ok 👍🏽👍🏽',
    )
    expect(wrap.push('wonder', 20)).toBe('\x1b[4D\x1b[K\n👍🏽👍🏽wonder')
  })

  test('begin anew before a word that is longer than a line', () => {
    expect(wrapped(['a'.repeat(19), ' ', 'https://example.com/a/b/c/d'], 20)).toEqual([
      'a'.repeat(19),
      'https://example.com/',
      'a/b/c/d',
    ])
  })

  test('are left to a terminal that is too narrow for words', () => {
    expect(new WordWrap(String).push('hello world', 1)).toBe('hello world')
  })

  test('count the columns of wide characters, and are broken between those of scripts without spaces', () => {
    expect(wrapped(['漢字', 'かな', 'カナ'], 7)).toEqual(['漢字か', 'なカナ'])
    expect(wrapped(['ab 한국어'], 10)).toEqual(['ab 한국어'])
    expect(wrapped(['ab 한국어'], 9)).toEqual(['ab ', '한국어'])
  })

  test('count a harmful character as what is shown in its place', () => {
    expect(new WordWrap(String).push('a\x1b[2J', 80)).not.toContain('\x1b')
  })

  test('lose nothing but spaces, and fit, whatever comes', () => {
    const random = seeded(7)
    for (let round = 0; round < 500; round++) {
      const columns = 8 + Math.floor(random() * 20)
      const words = Array.from({ length: 40 }, () => 'abcdefg'.slice(0, 1 + Math.floor(random() * 7)))
      const text = words.join(' ')
      const pieces: string[] = []
      for (let at = 0; at < text.length; ) {
        const size = 1 + Math.floor(random() * 6)
        pieces.push(text.slice(at, at + size))
        at += size
      }
      const lines = wrapped(pieces, columns)
      expect(lines.flatMap((line) => line.split(' ').filter((word) => word !== ''))).toEqual(words)
      for (const line of lines) expect(line.length).toBeLessThan(columns)
    }
  })
})
