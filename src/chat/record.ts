import { commonPrefix } from '../scheduler/cache/slots.ts'
import type { SavedRecord } from './saved/file.ts'

/**
 * A place in a rendered prompt where tokenizing began anew: `tokens` tokens spell the first `chars` characters, and
 * those behind were made without looking back.
 */
export type Cut = { readonly chars: number; readonly tokens: number }

/** A piece of a new prompt: text to tokenize, or tokens that are known already, with the cuts among them. */
export type Part =
  | { readonly text: string }
  | { readonly tokens: readonly number[]; readonly chars: number; readonly cuts: readonly Cut[] }

/** Characters at the end of the record by which it is found again in a prompt that has lost some of its beginning. */
const ANCHOR = 64

/**
 * What was evaluated so far in a conversation: rendered text and its tokens, those of answers as the model drew
 * them. Tokenizing an answer's text again does not always give the same tokens, and any other token would mean that
 * everything behind it is evaluated again.
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

  /** As it was given by `saved`. */
  static from({ rendered, tokens, cuts }: SavedRecord): TokenRecord {
    return new TokenRecord(rendered, tokens, cuts)
  }

  get saved(): SavedRecord {
    return { rendered: this.rendered, tokens: this.tokens, cuts: this.#cuts }
  }

  /** Adds what came behind. */
  with(text: string, tokens: readonly number[]): TokenRecord {
    return new TokenRecord(this.rendered + text, [...this.tokens, ...tokens], this.#cuts)
  }

  /** `rendered` as known tokens where it begins like the record, or where some of the record was left out. */
  parts(rendered: string): Part[] {
    const same = commonPrefix(this.rendered, rendered)
    const head = this.#cuts.findLast(({ chars }) => chars <= same) ?? { chars: 0, tokens: 0 }
    const parts: Part[] = [this.#known({ chars: 0, tokens: 0 }, head)]
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

  #known(from: Cut, to: Cut): Part {
    const cuts = this.#cuts
      .filter(({ chars }) => chars > from.chars && chars < to.chars)
      .map(({ chars, tokens }) => ({ chars: chars - from.chars, tokens: tokens - from.tokens }))
    return { tokens: this.tokens.slice(from.tokens, to.tokens), chars: to.chars - from.chars, cuts }
  }

  /** The cut from which on the record stands in `rendered` again, and where; not before `from`. */
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
