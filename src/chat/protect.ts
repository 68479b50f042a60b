/** Private-use characters: no text that people write has all of them. */
const FIRST_MARK = 0xe000
const LAST_MARK = 0xf8ff

/**
 * Keeps control tokens out of what users write. A text like `<|im_start|>` inside a message is broken by a mark
 * before the message goes into the template; the rendered prompt is cut at the marks, and the pieces are tokenized
 * apart. So only what the template itself wrote is read as control tokens, and text without them stays whole.
 */
export class Protection {
  readonly #control: RegExp | undefined
  readonly #mark: string

  /** `contents` are all texts that will be protected: the mark must occur in none. */
  constructor(control: RegExp | undefined, contents: readonly string[]) {
    this.#control = control
    this.#mark = unusedMark(contents)
  }

  /** The text with every control token's text broken after its first character. */
  protect(text: string): string {
    if (!this.#control) return text
    return text.replace(this.#control, (found) => {
      const first = String.fromCodePoint(found.codePointAt(0) ?? 0)
      return first + this.#mark + found.slice(first.length)
    })
  }

  /** The pieces of a rendered prompt that are to be tokenized apart. */
  pieces(rendered: string): string[] {
    return rendered.split(this.#mark).filter((piece) => piece !== '')
  }

  /** The prompt as the model reads it. */
  plain(rendered: string): string {
    return rendered.replaceAll(this.#mark, '')
  }
}

/** What a `Protection` looks for; made once for a vocabulary, which may have hundreds of control tokens. */
export function controlPattern(controlTexts: readonly string[]): RegExp | undefined {
  const longestFirst = controlTexts.filter((text) => text.length > 1).sort((a, b) => b.length - a.length)
  if (longestFirst.length === 0) return undefined
  return new RegExp(longestFirst.map((text) => text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&')).join('|'), 'gu')
}

function unusedMark(contents: readonly string[]): string {
  for (let code = FIRST_MARK; code <= LAST_MARK; code++) {
    const mark = String.fromCharCode(code)
    if (!contents.some((text) => text.includes(mark))) return mark
  }
  throw new RangeError('the messages use every private-use character of Unicode')
}
