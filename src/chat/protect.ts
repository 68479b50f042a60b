import { randomInt } from 'node:crypto'
import { loadBinding } from '../native/binding.ts'
import { settled } from '../native/job.ts'
import type { NativeMarks, NativeModel, NativeModelInfo, NativeTextFinder } from '../native/types.ts'

/** What the template wrote, or users. */
export type Piece = string | { readonly users: string }

/** Longer texts are marked on the addon's own thread; units. Such a one takes some milliseconds. */
const SHORT = 2 ** 17

/** Private-use characters: hardly any text has some of them, let alone all. */
const FIRST_MARK = 0xe000
const LAST_MARK = 0xf8ff

/**
 * Keeps control tokens out of what users write. A text like `<|im_start|>` inside a message is broken by a mark
 * before the message goes into the template, which so does not take it for its own; where the template makes such a text of
 * what users wrote (a part of it, in lower case, behind other text), a mark breaks it in the rendered prompt. The prompt is cut
 * at the marks, and the pieces are tokenized apart. So only what the template itself wrote is read as control tokens, and text
 * without them stays whole. A control token of one character cannot be broken: it is put between two marks, and that piece is
 * tokenized as text.
 */
export class Protection {
  /** What is looked for; `undefined` = there is nothing. */
  readonly control: NativeTextFinder | undefined
  readonly marks: NativeMarks

  /** `texts` are all that will be protected, and the template: the marks must occur in none. */
  constructor(control: NativeTextFinder | undefined, texts: readonly string[]) {
    this.control = control
    this.marks = unusedMarks(texts)
  }

  /** The text with every control token's text marked, overlapping ones too. */
  protect(text: string): string {
    return this.control?.marked(text, this.marks) ?? text
  }

  /**
   * A text made of pieces, with every control token's text marked that users have a part in. A long one is made on the
   * addon's own thread.
   */
  async join(pieces: readonly Piece[], signal?: AbortSignal): Promise<string> {
    const places: number[] = []
    let end = 0
    for (const piece of pieces) {
      const begin = end
      end += (typeof piece === 'string' ? piece : piece.users).length
      if (typeof piece !== 'string') places.push(begin, end)
    }
    const text = textOf(pieces)
    if (!this.control || places.length === 0) return text
    const users = Uint32Array.from(places)
    return end <= SHORT
      ? this.control.marked(text, this.marks, users)
      : await settled(this.control.markedLater(text, this.marks, users), signal)
  }
}

/** The text that the pieces make, unprotected. */
export function textOf(pieces: readonly Piece[]): string {
  return pieces.map((piece) => (typeof piece === 'string' ? piece : piece.users)).join('')
}

/**
 * The texts that must not be forged: control tokens, and those of the vocabulary's user-defined tokens that the
 * template builds with, or that look like it. (Others, such as runs of spaces or HTML tags, are plain text.)
 */
export function structuralTexts(
  { controlTexts, definedTexts }: Pick<NativeModelInfo, 'controlTexts' | 'definedTexts'>,
  template: string,
): string[] {
  const finder = new (loadBinding().TextFinder)(definedTexts, false)
  const built = new Set(finder.occurring(template))
  const builds = (text: string, i: number) => built.has(i) && /\S/.test(text) && text.length > 2
  return [
    ...controlTexts,
    ...definedTexts.filter((text, i) => /^<[|｜].*[|｜]>$/s.test(text) || builds(text, i)),
  ]
}

/** What a `Protection` looks for. */
export function controlFinder(texts: readonly string[]): NativeTextFinder | undefined {
  return texts.length === 0 ? undefined : new (loadBinding().TextFinder)(texts, true)
}

/** Templates of one model whose texts are kept. */
const MOST_TEMPLATES = 16

const known = new WeakMap<NativeModel, Map<string, ControlTexts>>()

/** What must not be forged in chats of this model with this template: found once, since vocabularies may have very many. */
export function controlTextsOf(model: NativeModel, template: string): ControlTexts {
  const ofModel = known.get(model) ?? new Map<string, ControlTexts>()
  known.set(model, ofModel)
  const found = ofModel.get(template)
  if (found) return found
  const made = new ControlTexts(structuralTexts(model.info, template))
  if (ofModel.size >= MOST_TEMPLATES) ofModel.clear()
  ofModel.set(template, made)
  return made
}

export class ControlTexts {
  /** Texts that are tokens with a meaning of their own. */
  readonly texts: readonly string[]
  readonly #finders = new Map<string, NativeTextFinder | undefined>()

  constructor(texts: readonly string[]) {
    this.texts = texts
  }

  /** Finds them, and the tags that the template puts around reasoning. */
  finder(tags: readonly string[]): NativeTextFinder | undefined {
    const key = tags.join('\n')
    if (!this.#finders.has(key)) this.#finders.set(key, controlFinder([...this.texts, ...tags]))
    return this.#finders.get(key)
  }
}

function unusedMarks(texts: readonly string[]): NativeMarks {
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
