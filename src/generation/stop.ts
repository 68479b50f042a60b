import type { Stage } from './events.ts'
import type { TextEvent } from './text.ts'

/**
 * The third stage: ends the text before the first stop string. Text that may be the beginning of one is held
 * back until that is clear, so nothing is ever streamed that the final text does not have.
 */
export function untilStop(stops: readonly string[]): Stage<TextEvent, TextEvent> {
  const strings = new StopStrings(stops)
  let held = ''
  return (event) => {
    if (event.type === 'end')
      return held
        ? [{ type: 'text', token: undefined, text: held, bytes: 0, logprob: undefined }, event]
        : [event]
    held += event.text
    const found = strings.firstIn(held)
    if (found) {
      const text = held.slice(0, found.index)
      return [
        { ...event, text },
        { type: 'end', finishReason: 'stop', stopSequence: found.stop },
      ]
    }
    const text = held.slice(0, held.length - strings.possibleStart(held))
    held = held.slice(text.length)
    return [{ ...event, text }]
  }
}

/**
 * Stop strings, however many: what a piece of text costs grows with its own length, and hardly with their
 * number.
 */
class StopStrings {
  readonly #all: ReadonlySet<string>
  readonly #sorted: readonly string[]
  /** Each once, the longest first. */
  readonly #lengths: readonly number[]

  constructor(stops: readonly string[]) {
    this.#all = new Set(stops)
    this.#sorted = [...this.#all].sort((a, b) => (a < b ? -1 : 1))
    this.#lengths = [...new Set(this.#sorted.map(({ length }) => length))].sort((a, b) => b - a)
  }

  /** The one that begins first; of several that begin there, the longest. */
  firstIn(text: string): { readonly stop: string; readonly index: number } | undefined {
    for (let index = 0; index < text.length; index++) {
      for (const length of this.#lengths) {
        if (length > text.length - index) continue
        const stop = text.slice(index, index + length)
        if (this.#all.has(stop)) return { stop, index }
      }
    }
    return undefined
  }

  /** Length of the longest end of `text` that is the beginning of a stop string. */
  possibleStart(text: string): number {
    const most = Math.min(text.length, (this.#lengths[0] ?? 1) - 1)
    for (let length = most; length > 0; length--) if (this.#begins(text.slice(-length))) return length
    return 0
  }

  /** Whether a stop string begins with `text`: one that does is the first that does not sort before it. */
  #begins(text: string): boolean {
    let low = 0
    for (let high = this.#sorted.length; low < high; ) {
      const middle = (low + high) >> 1
      if (this.#sorted[middle]! < text) low = middle + 1
      else high = middle
    }
    return this.#sorted[low]?.startsWith(text) ?? false
  }
}
