import { commonPrefix } from '../scheduler/cache/slots.ts'
import type { SavedRecord } from './saved/file.ts'

/**
 * A place in a rendered prompt where tokenizing started afresh: `tokens` tokens spell the first `chars`
 * characters, and the later ones were made without looking back.
 */
export type Cut = { readonly chars: number; readonly tokens: number }

/** A piece of a new prompt: text to tokenize, or tokens that are already known, with the cuts among them. */
export type PromptSegment =
  | { readonly text: string }
  | { readonly tokens: readonly number[]; readonly chars: number; readonly cuts: readonly Cut[] }

/**
 * How many characters at the end of the record are searched for in a prompt that has lost some of its
 * beginning.
 */
const ANCHOR = 64

/**
 * What was evaluated so far in a conversation: rendered text and its tokens, those of answers as the model
 * drew them. Tokenizing an answer's text again does not always give the same tokens, and after any other
 * token everything would have to be evaluated again.
 */
export class TokenRecord {
  readonly rendered: string
  readonly tokens: readonly number[]
  readonly #cuts: readonly Cut[]

  constructor(rendered: string, tokens: readonly number[], cuts: readonly Cut[]) {
    this.rendered = rendered
    this.tokens = tokens
    this.#cuts = [...cuts, { chars: rendered.length, tokens: tokens.length }]
  }

  /** Restores a record from `saved`. */
  static from({ rendered, tokens, cuts }: SavedRecord): TokenRecord {
    return new TokenRecord(rendered, tokens, cuts)
  }

  get saved(): SavedRecord {
    return { rendered: this.rendered, tokens: this.tokens, cuts: this.#cuts }
  }

  /** The record with `text`, and the `tokens` that spell it, added at the end. */
  with(text: string, tokens: readonly number[]): TokenRecord {
    return new TokenRecord(this.rendered + text, [...this.tokens, ...tokens], this.#cuts)
  }

  /**
   * `rendered`, as known tokens where it begins like the record, and where the record goes on after a gap.
   */
  parts(rendered: string): PromptSegment[] {
    const same = commonPrefix(this.rendered, rendered)
    const head = this.#cuts.findLast(({ chars }) => chars <= same) ?? { chars: 0, tokens: 0 }
    const parts: PromptSegment[] = [this.#known({ chars: 0, tokens: 0 }, head)]
    const tail = same < this.rendered.length ? this.#tail(rendered, head.chars) : undefined
    if (!tail) return [...parts, { text: rendered.slice(head.chars) }]
    const { cut, at } = tail
    return [
      ...parts,
      { text: rendered.slice(head.chars, at) },
      this.#known(cut, { chars: this.rendered.length, tokens: this.tokens.length }),
      { text: rendered.slice(at + this.rendered.length - cut.chars) },
    ]
  }

  #known(from: Cut, to: Cut): PromptSegment {
    const cuts = this.#cuts
      .filter(({ chars }) => chars > from.chars && chars < to.chars)
      .map(({ chars, tokens }) => ({ chars: chars - from.chars, tokens: tokens - from.tokens }))
    return { tokens: this.tokens.slice(from.tokens, to.tokens), chars: to.chars - from.chars, cuts }
  }

  /**
   * The cut from which `rendered` contains the rest of the record, and where in `rendered`, not before
   * `from`, that is.
   */
  #tail(rendered: string, from: number): { cut: Cut; at: number } | undefined {
    const anchor = this.rendered.slice(-ANCHOR)
    const found = rendered.lastIndexOf(anchor)
    if (anchor.length < ANCHOR || found < from) return undefined
    const moved = this.rendered.length - anchor.length - found
    let begin = this.rendered.length - anchor.length
    while (begin - moved > from && begin > 0 && this.rendered[begin - 1] === rendered[begin - 1 - moved])
      begin--
    const cut = this.#cuts.find(({ chars }) => chars >= begin && chars - moved >= from)
    return cut && cut.chars < this.rendered.length ? { cut, at: cut.chars - moved } : undefined
  }
}
