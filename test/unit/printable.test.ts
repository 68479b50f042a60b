import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { printable, printableLine } from '../../src/index.ts'

const controls = Array.from({ length: 0xa0 }, (_, code) => String.fromCharCode(code)).filter((one) =>
  /\p{Cc}/u.test(one),
)
const marks = [
  '\u061c',
  '\u200e',
  '\u200f',
  '\u2028',
  '\u2029',
  '\u202a',
  '\u202b',
  '\u202c',
  '\u202d',
  '\u202e',
  '\u2066',
  '\u2067',
  '\u2068',
  '\u2069',
]
const shown = (character: string) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`

describe('text for a terminal', () => {
  test("escapes the 65 control characters except line feed and tab, and Unicode's line ends and direction marks", () => {
    expect(controls).toHaveLength(65)
    for (const character of [...controls, ...marks]) {
      const kept = character === '\n' || character === '\t'
      expect(printable(`a${character}b`)).toBe(kept ? `a${character}b` : `a${shown(character)}b`)
      expect(printableLine(`a${character}b`)).toBe(`a${shown(character)}b`)
    }
    expect(printable('\u001b]52;c;ZXZpbA==\u0007')).toBe('\\u001b]52;c;ZXZpbA==\\u0007')
  })

  test('does not change other text, or the meaning of JSON', () => {
    const text = 'Äpfel, 中文, עברית, العربية, 👩‍👩‍👧, e\u0301, \u00a0\u200b\u200d \\u001b\n\tend'
    expect(printable(text)).toBe(text)
    const said = { text: 'a\u007f\u009b31m\u202e\u001b' }
    expect(JSON.parse(printable(JSON.stringify(said)))).toEqual(said)
    expect(printable('Windows\r\nlines\r\n')).toBe('Windows\nlines\n')
  })
})

// Where everything is written in one place, nothing can be forgotten.
test.each(
  readdirSync(join(import.meta.dirname, '../../src/cli'), { recursive: true, encoding: 'utf8' }).filter(
    (name) => name.endsWith('.ts'),
  ),
)('src/cli/%s writes to the terminal through terminal.ts only', (name) => {
  const text = readFileSync(join(import.meta.dirname, '../../src/cli', name), 'utf8')
  const written = [...text.matchAll(/console\.|(?:stdout|stderr)\.write\((.*)/g)].map(([, what]) => what)
  const allowed: Readonly<Record<string, RegExp>> = {
    'terminal.ts': /^`?\$\{(shown|exact)\(|^exact\(/,
    'input.ts': /^(MARK|LEAVE)_PASTES|^shown\(/,
    'command-line.ts': /^printable\(/,
  }
  for (const what of written) expect(what).toMatch(allowed[name] ?? /^$/)
})
