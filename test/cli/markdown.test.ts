import { stripVTControlCharacters } from 'node:util'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { Highlighter } from '../../src/cli/answer/markdown.ts'
import { shown } from '../../src/cli/styled.ts'

const TEXT = `# A heading
Text with \`code\`, **bold**, 2 * 3 * 4, \`a ** b\` and a \`lonely mark.
2 ** 3 is 8 and 2 ** 4
#no heading

\`\`\`js
const a = \`**x**\`
# no heading
\`\`\`
After it, **bold
ends with its line.
- \`\`\`sh
  npm i
  \`\`\`
\`\`\`npm i\`\`\` installs it.
The end.
##`

const ESC = '\u001b'

const terminal = { isTTY: true } as NodeJS.WriteStream
/** Given in pieces of `size` characters. */
function highlight(text: string, size: number, stream = terminal): string {
  const highlighter = new Highlighter()
  let out = ''
  for (let i = 0; i < text.length; i += size) out += shown(highlighter.push(text.slice(i, i + size)), stream)
  return out + shown(highlighter.end(), stream)
}

const CODE_OR_CHARACTER = new RegExp(`${ESC}\\[(\\d+)m|[^]`, 'g')

/** The style of every character. */
function stylesOf(out: string): string {
  let style = '.'
  return [...out.matchAll(CODE_OR_CHARACTER)]
    .map(([character, code]) => {
      if (code === undefined) return character === '\n' ? '\n' : style
      style = code === '36' ? 'c' : code === '1' ? 'b' : '.'
      return ''
    })
    .join('')
}

afterEach(() => vi.unstubAllEnvs())

describe('Markdown in a terminal', () => {
  test.each([1, 2, 3, 7, 1000])('is coloured, and its text is unchanged, in pieces of %i', (size) => {
    vi.stubEnv('NO_COLOR', '')
    vi.stubEnv('TERM', 'xterm')
    const out = highlight(TEXT, size)
    expect(stripVTControlCharacters(out)).toBe(TEXT)
    expect(stylesOf(out)).toBe(
      [
        'bbbbbbbbbbb',
        '..........cccccc..bbbbbbbb.............cccccccc.......ccccccccccccc',
        '......................',
        '...........',
        '',
        'ccccc',
        'ccccccccccccccccc',
        'cccccccccccc',
        'ccc',
        '..........bbbbbb',
        '...................',
        '..ccccc',
        'ccccccc',
        'ccccc',
        'ccccccccccc.............',
        '........',
        '..',
      ].join('\n'),
    )
  })

  test('is not coloured outside a terminal, or with NO_COLOR', () => {
    expect(highlight(TEXT, 3, {} as NodeJS.WriteStream)).toBe(TEXT)
    vi.stubEnv('NO_COLOR', '1')
    expect(highlight(TEXT, 3)).toBe(TEXT)
  })
})
