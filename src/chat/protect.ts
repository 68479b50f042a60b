import { randomInt } from 'node:crypto'
import { loadBinding } from '../native/binding.ts'
import type { TextPiece } from '../native/tokenizer.ts'
import type { NativeModelInfo, NativeTextFinder } from '../native/types.ts'

/** Private-use characters: hardly any text has some of them, let alone all. */
const FIRST_MARK = 0xe000
const LAST_MARK = 0xf8ff

/** What must not be forged: where it stands in a text, and which of it is a single character. */
export type ControlTexts = {
  readonly finder: NativeTextFinder
  readonly single: ReadonlySet<string>
}

/**
 * Keeps control tokens out of what users write. A text like `<|im_start|>` inside a message is broken by a mark
 * before the message goes into the template; the rendered prompt is cut at the marks, and the pieces are tokenized
 * apart. So only what the template itself wrote is read as control tokens, and text without them stays whole. A control
 * token of one character cannot be broken: it is put between two marks, and that piece is tokenized as text.
 */
export class Protection {
  readonly #control: ControlTexts | undefined
  readonly #cut: string
  readonly #open: string
  readonly #close: string
  readonly #marks: RegExp

  /** `texts` are all that will be protected, and the template: the marks must occur in none. */
  constructor(control: ControlTexts | undefined, texts: readonly string[]) {
    this.#control = control
    const marks = unusedMarks(texts)
    ;[this.#cut, this.#open, this.#close] = marks
    this.#marks = new RegExp(`(${marks.join('|')})`)
  }

  /** The text with every control token's text broken after its first character, overlapping ones too. */
  protect(text: string): string {
    if (!this.#control) return text
    const { finder, single } = this.#control
    const parts: string[] = []
    let copied = 0
    for (const place of finder.places(text)) {
      const first = String.fromCodePoint(text.codePointAt(place) ?? 0)
      parts.push(text.slice(copied, place))
      parts.push(single.has(first) ? this.#open + first + this.#close : first + this.#cut)
      copied = place + first.length
    }
    return copied === 0 ? text : parts.join('') + text.slice(copied)
  }

  /** The pieces of a rendered prompt that are to be tokenized apart. */
  pieces(rendered: string): TextPiece[] {
    const parts = rendered.split(this.#marks) // pieces, and the marks between them
    const pieces: TextPiece[] = []
    for (let i = 0; i < parts.length; i += 2) {
      const text = parts[i]!
      if (text === '') continue
      const isBetween = parts[i - 1] === this.#open && parts[i + 1] === this.#close
      pieces.push({ text, isLiteral: isBetween && (this.#control?.single.has(text) ?? false) })
    }
    return pieces
  }

  /** The prompt as the model reads it. */
  plain(rendered: string): string {
    return rendered
      .split(this.#marks)
      .filter((_, i) => i % 2 === 0)
      .join('')
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
  const finder = new (loadBinding().TextFinder)(definedTexts)
  const built = new Set(finder.occurring(template))
  const builds = (text: string, i: number) => built.has(i) && /\S/.test(text) && text.length > 2
  return [
    ...controlTexts,
    ...definedTexts.filter((text, i) => /^<[|｜].*[|｜]>$/s.test(text) || builds(text, i)),
  ]
}

/** What a `Protection` looks for; made once for a vocabulary, which may have thousands of control tokens. */
export function controlTexts(texts: readonly string[]): ControlTexts | undefined {
  const some = texts.filter((text) => text !== '')
  if (some.length === 0) return undefined
  const single = new Set(some.filter((text) => text.length === 1 || /^.$/su.test(text)))
  return { finder: new (loadBinding().TextFinder)(some), single }
}

function unusedMarks(texts: readonly string[]): [string, string, string] {
  const used = new Set(texts.flatMap((text) => text.match(/[\ue000-\uf8ff]/g) ?? []))
  const marks: string[] = []
  for (let code = FIRST_MARK; code <= LAST_MARK && marks.length < 3; code++) {
    const mark = String.fromCharCode(code)
    if (!used.has(mark)) marks.push(mark)
  }
  while (marks.length < 3) {
    const mark = Array.from({ length: 8 }, () => String.fromCharCode(randomInt(FIRST_MARK, LAST_MARK + 1)))
    if (!texts.some((text) => text.includes(mark.join('')))) marks.push(mark.join(''))
  }
  return marks as [string, string, string]
}
