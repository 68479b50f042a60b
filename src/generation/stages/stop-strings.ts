const UNITS = 2 ** 16

/**
 * Finds the first of many strings in a text that comes in pieces, in one pass over it: what a piece costs grows with its
 * length alone. The automaton of Aho and Corasick (1975), over UTF-16 units; its states are the beginnings of the
 * strings, and it is in the longest one that the text ends with.
 */
export class StopStrings {
  /** The state after a state and a unit, by `state * UNITS + unit`. 0 is the empty beginning. */
  readonly #next = new Map<number, number>()
  /** By state: the longest shorter beginning that it ends with. */
  readonly #shorter: number[] = [0]
  /** By state: its length. */
  readonly #lengths: number[] = [0]
  /** By state: the length of the longest string at its end; 0 where no string ends. */
  readonly #found: number[] = [0]
  #state = 0

  constructor(strings: readonly string[]) {
    const levels: number[][] = []
    for (const string of new Set(strings)) this.#add(string, levels)
    this.#link(levels)
  }

  /** Length of the longest end of the text so far that is the beginning of a string. */
  get possibleStart(): number {
    return this.#lengths[this.#state]!
  }

  /**
   * Reads on in `text`, which no string has been found in before. Of the strings that it completes, the one that begins
   * first, and of several that begin there the longest: its length, and where it ends in `text`.
   */
  read(text: string): { readonly length: number; readonly end: number } | undefined {
    let first: { length: number; end: number } | undefined
    for (let end = 1; end <= text.length; end++) {
      this.#state = this.#after(this.#state, text.charCodeAt(end - 1))
      const length = this.#found[this.#state]!
      if (length > 0 && (!first || end - length <= first.end - first.length)) first = { length, end }
    }
    return first
  }

  /** `levels` gets the new places in `#next`, by the lengths of their states. */
  #add(string: string, levels: number[][]): void {
    let state = 0
    for (let i = 0; i < string.length; i++) {
      const place = state * UNITS + string.charCodeAt(i)
      let next = this.#next.get(place)
      if (next === undefined) {
        next = this.#lengths.push(i + 1) - 1
        this.#shorter.push(0)
        this.#found.push(0)
        this.#next.set(place, next)
        levels[i] ??= []
        levels[i]!.push(place)
      }
      state = next
    }
    this.#found[state] = string.length
  }

  // By length, as each link is made of those of shorter states.
  #link(levels: readonly (readonly number[])[]): void {
    for (const place of levels.flat()) {
      const state = this.#next.get(place)!
      const before = Math.floor(place / UNITS)
      if (before !== 0) this.#shorter[state] = this.#after(this.#shorter[before]!, place % UNITS)
      this.#found[state] ||= this.#found[this.#shorter[state]!]!
    }
  }

  #after(from: number, unit: number): number {
    for (let state = from; ; state = this.#shorter[state]!) {
      const next = this.#next.get(state * UNITS + unit)
      if (next !== undefined || state === 0) return next ?? 0
    }
  }
}
