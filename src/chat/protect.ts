import { randomInt } from 'node:crypto'
import { loadBinding } from '../native/binding.ts'
import type { Marks } from '../native/tokenizer.ts'
import type { NativeModelInfo, NativeTextFinder } from '../native/types.ts'

/** Private-use characters: hardly any text has some of them, let alone all. */
const FIRST_MARK = 0xe000
const LAST_MARK = 0xf8ff

/**
 * Keeps control tokens out of what users write. A text like `<|im_start|>` inside a message is broken by a mark
 * before the message goes into the template; the rendered prompt is cut at the marks, and the pieces are tokenized
 * apart. So only what the template itself wrote is read as control tokens, and text without them stays whole. A control
 * token of one character cannot be broken: it is put between two marks, and that piece is tokenized as text.
 */
export class Protection {
  readonly #control: NativeTextFinder | undefined
  readonly marks: Marks

  /** `texts` are all that will be protected, and the template: the marks must occur in none. */
  constructor(control: NativeTextFinder | undefined, texts: readonly string[]) {
    this.#control = control
    this.marks = unusedMarks(texts)
  }

  /** The text with every control token's text marked, overlapping ones too. */
  protect(text: string): string {
    const { cut, open, close } = this.marks
    return this.#control?.marked(text, cut, open, close) ?? text
  }

  /** The prompt as the model reads it. */
  plain(rendered: string): string {
    const marks = Object.values(this.marks)
    if (!marks.some((mark) => rendered.includes(mark))) return rendered
    return new (loadBinding().TextFinder)(marks).without(rendered)
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

/** What a `Protection` looks for. */
export function controlFinder(texts: readonly string[]): NativeTextFinder | undefined {
  return texts.length === 0 ? undefined : new (loadBinding().TextFinder)(texts.flatMap(spellings))
}

/** The texts that a vocabulary may look up as `text`: it writes spaces, or all bytes, in a way of its own. */
function spellings(text: string): string[] {
  const bytes = Array.from(text, (character) => BYTES.get(character))
  const decoded = bytes.includes(undefined) ? text : Buffer.from(bytes as number[]).toString()
  const others = [text.replaceAll('▁', ' '), decoded].filter((other) => !other.includes('\ufffd'))
  return [...new Set([text, ...others])]
}

/** GPT-2's characters for bytes: those that can be printed are themselves. */
const BYTES = new Map<string, number>()
for (let byte = 0, others = 0; byte < 256; byte++) {
  const isPrinted = (byte > 32 && byte < 127) || (byte > 160 && byte !== 173)
  BYTES.set(String.fromCharCode(isPrinted ? byte : 256 + others++), byte)
}

function unusedMarks(texts: readonly string[]): Marks {
  const used = new Set<number>()
  for (const text of texts.filter((one) => /[\ue000-\uf8ff]/.test(one))) {
    for (let i = 0; i < text.length; i++) {
      const unit = text.charCodeAt(i)
      if (unit >= FIRST_MARK && unit <= LAST_MARK) used.add(unit)
    }
  }
  const marks: string[] = []
  for (let code = FIRST_MARK; code <= LAST_MARK && marks.length < 3; code++) {
    if (!used.has(code)) marks.push(String.fromCharCode(code))
  }
  while (marks.length < 3) {
    const mark = Array.from({ length: 8 }, () => String.fromCharCode(randomInt(FIRST_MARK, LAST_MARK + 1)))
    if (!texts.some((text) => text.includes(mark.join('')))) marks.push(mark.join(''))
  }
  const [cut, open, close] = marks as [string, string, string]
  return { cut, open, close }
}
