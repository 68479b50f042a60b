/** The tokens that a model has read and written in one conversation: what `nPast` counts. */
export class Transcript {
  #tokens: number[] = []
  /** Where turns begin, the first one after the system prompt. */
  #turns: number[] = []

  copy(): Transcript {
    const copy = new Transcript()
    copy.#tokens = [...this.#tokens]
    copy.#turns = [...this.#turns]
    return copy
  }

  get length(): number {
    return this.#tokens.length
  }

  /** The tokens with others behind them. */
  with(tokens: readonly number[]): number[] {
    return [...this.#tokens, ...tokens]
  }

  append(tokens: readonly number[]): void {
    for (const token of tokens) this.#tokens.push(token)
  }

  /** What comes next is a turn, which may be given up one day. */
  beginTurn(): void {
    if (this.#turns.at(-1) !== this.#tokens.length) this.#turns.push(this.#tokens.length)
  }

  /** Keeps the first `length` tokens. */
  cutTo(length: number): void {
    this.#tokens.length = Math.min(length, this.#tokens.length)
    this.#turns = this.#turns.filter((turn) => turn < length)
  }

  /** Gives up the oldest turns, until at least `count` tokens are gone, or all turns. The system prompt stays. */
  erase(count: number): void {
    const [first] = this.#turns
    if (first === undefined || count <= 0) return
    const end = this.#turns.find((turn) => turn - first >= count) ?? this.#tokens.length
    this.#tokens.splice(first, end - first)
    this.#turns = this.#turns.filter((turn) => turn >= end).map((turn) => turn - (end - first))
  }
}
