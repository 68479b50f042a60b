import type { NativeModelInfo } from '../native/types.ts'

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

  /** The text with every control token's text broken after its first character, overlapping ones too. */
  protect(text: string): string {
    const control = this.#control
    if (!control) return text
    let broken = ''
    let copied = 0
    control.lastIndex = 0
    for (let found = control.exec(text); found; found = control.exec(text)) {
      const cut = found.index + String.fromCodePoint(found[0].codePointAt(0) ?? 0).length
      broken += text.slice(copied, cut) + this.#mark
      copied = cut
      control.lastIndex = cut
    }
    return broken + text.slice(copied)
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

/**
 * The texts that must not be forged: control tokens, and those of the vocabulary's user-defined tokens that the
 * template builds with, or that look like it. (Others, such as runs of spaces or HTML tags, are plain text.)
 */
export function structuralTexts(
  { controlTexts, definedTexts }: Pick<NativeModelInfo, 'controlTexts' | 'definedTexts'>,
  template: string,
): string[] {
  const builds = (text: string) => /\S/.test(text) && text.length > 2 && template.includes(text)
  return [...controlTexts, ...definedTexts.filter((text) => /^<[|｜].*[|｜]>$/s.test(text) || builds(text))]
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
