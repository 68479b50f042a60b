import { loadBinding } from './binding.ts'
import type {
  NativeMarks,
  NativeModel,
  NativeModelInfo,
  NativeSpelling,
  NativeTextFinder,
} from './contract.ts'
import { translateFailure } from './failures.ts'
import { settled } from './job.ts'

/** Text that the template wrote, or that users wrote; an empty one marks a place between two pieces. */
export type ProtectedPiece = string | { readonly users: string }

/** Longer texts, which take some milliseconds, are marked on the addon's own thread. UTF-16 units. */
const SHORT = 2 ** 17

/**
 * Keeps control tokens out of what users write: wherever the text of one appears in a prompt with a character
 * of theirs in it, whatever the template has made of that, a mark breaks it. The prompt is cut at the marks,
 * and the pieces are tokenized separately. So only what the template itself wrote is read as control tokens,
 * and text without them stays whole. A control token of one character cannot be broken: it is put between two
 * marks, and that piece is tokenized as text.
 */
export class Protection {
  readonly #control: NativeTextFinder | undefined
  readonly marks: NativeMarks

  /** `control` finds the texts to break; `undefined` = there are none. */
  constructor(control: NativeTextFinder | undefined, marks: NativeMarks) {
    this.#control = control
    this.marks = marks
  }

  /** `text`, which users wrote, with the text of every control token marked, overlapping ones too. */
  protect(text: string): string {
    return this.#control?.marked(text, this.marks) ?? text
  }

  /**
   * The text of the pieces, with the text of every control token marked that has a user's character in it. A
   * long one is made on the addon's own thread.
   */
  async join(pieces: readonly ProtectedPiece[], signal?: AbortSignal): Promise<string> {
    const places: number[] = []
    let end = 0
    for (const piece of pieces) {
      const begin = end
      end += (typeof piece === 'string' ? piece : piece.users).length
      if (typeof piece !== 'string') places.push(begin, end)
    }
    const text = textOf(pieces)
    if (!this.#control || places.length === 0) return text
    const users = Uint32Array.from(places)
    try {
      return end <= SHORT
        ? this.#control.marked(text, this.marks, users)
        : await settled(this.#control.markedLater(text, this.marks, users), signal)
    } catch (error) {
      throw translateFailure(error, 'The prompt')
    }
  }
}

export const NO_MARKS: NativeMarks = { cut: '', open: '', close: '' }

/** What to look for in a prompt where users wrote a part of it. */
export type UserTexts = {
  /** Control tokens, and the tags around reasoning. */
  readonly control: NativeTextFinder | undefined
  /** The text that will follow the prompt. */
  readonly behind: string
}

/** The text of the pieces, unprotected. */
export function textOf(pieces: readonly ProtectedPiece[]): string {
  return pieces.map((piece) => (typeof piece === 'string' ? piece : piece.users)).join('')
}

/**
 * The texts that must not be forged: control tokens, and those of the vocabulary's user-defined tokens that
 * the template uses, or that look as if it might. (Others, such as runs of spaces or HTML tags, are plain
 * text.)
 */
export function structuralTexts(
  { controlTexts, definedTexts }: Pick<NativeModelInfo, 'controlTexts' | 'definedTexts'>,
  template: string,
): string[] {
  const finder = new (loadBinding().TextFinder)(definedTexts, 'plain')
  const built = new Set(finder.occurring(template))
  const builds = (text: string, i: number) => built.has(i) && /\S/.test(text) && text.length > 2
  return [
    ...controlTexts,
    ...definedTexts.filter((text, i) => /^<[|｜].*[|｜]>$/s.test(text) || builds(text, i)),
  ]
}

/** Finds what a `Protection` breaks. */
export function controlFinder(
  texts: readonly string[],
  spelling: NativeSpelling = 'plain',
): NativeTextFinder | undefined {
  return texts.length === 0 ? undefined : new (loadBinding().TextFinder)(texts, spelling)
}

function spellingOf({ metadata }: NativeModelInfo): NativeSpelling {
  const kind = metadata['tokenizer.ggml.model']
  return kind === 'gpt2' ? 'characters' : kind === 'rwkv' ? 'escapes' : 'plain'
}

/** The most templates of one model whose texts are kept. */
const MOST_TEMPLATES = 16

const known = new WeakMap<NativeModel, Map<string, ControlTexts>>()

/**
 * The texts that must not be forged in chats of this model with this template; found only once, since
 * vocabularies may have very many.
 */
export function controlTextsOf(model: NativeModel, template: string): ControlTexts {
  const ofModel = known.get(model) ?? new Map<string, ControlTexts>()
  known.set(model, ofModel)
  const found = ofModel.get(template)
  if (found) return found
  const made = new ControlTexts(structuralTexts(model.info, template), spellingOf(model.info))
  if (ofModel.size >= MOST_TEMPLATES) ofModel.clear()
  ofModel.set(template, made)
  return made
}

export class ControlTexts {
  /** Texts that are tokens with a meaning of their own. */
  readonly texts: readonly string[]
  readonly #finders = new Map<string, NativeTextFinder | undefined>()

  readonly #spelling: NativeSpelling

  constructor(texts: readonly string[], spelling: NativeSpelling) {
    this.texts = texts
    this.#spelling = spelling
  }

  /** Finds these texts, and the tags that the template puts around reasoning. */
  finder(tags: readonly string[]): NativeTextFinder | undefined {
    const key = tags.join('\n')
    if (!this.#finders.has(key))
      this.#finders.set(key, controlFinder([...this.texts, ...tags], this.#spelling))
    return this.#finders.get(key)
  }
}
