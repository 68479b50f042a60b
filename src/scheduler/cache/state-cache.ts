import { commonPrefix } from './slots.ts'

/**
 * The state of a conversation that lost its slot: all it takes to continue without evaluating its tokens
 * again.
 */
export type SequenceState = {
  readonly tokens: readonly number[]
  /** See `Slot.inSlices`. */
  readonly inSlices: number
  readonly bytes: Uint8Array
}

/** Saved states, the latest last, up to a number of bytes. */
export class StateCache {
  readonly #mostBytes: number
  #states: SequenceState[] = []
  #bytes = 0

  constructor(mostBytes: number) {
    this.#mostBytes = mostBytes
  }

  /** Bytes that can be added without evicting another state. */
  get freeBytes(): number {
    return this.#mostBytes - this.#bytes
  }

  /** Whether anything can be kept. */
  get isOn(): boolean {
    return this.#mostBytes > 0
  }

  /** Keeps `state` in place of those it continues, and evicts the oldest where there is no room. */
  add(state: SequenceState): void {
    for (const other of this.#states)
      if (commonPrefix(other.tokens, state.tokens) === other.tokens.length) this.remove(other)
    if (state.bytes.length > this.#mostBytes) return
    this.#states.push(state)
    this.#bytes += state.bytes.length
    while (this.#bytes > this.#mostBytes) this.remove(this.#states[0]!)
  }

  /** The state with the longest common prefix with `tokens`, and its length. */
  find(tokens: readonly number[]): { readonly state: SequenceState; readonly prefix: number } | undefined {
    let best: { state: SequenceState; prefix: number } | undefined
    for (const state of this.#states) {
      const prefix = commonPrefix(state.tokens, tokens)
      if (!best || prefix >= best.prefix) best = { state, prefix }
    }
    return best
  }

  clear(): void {
    this.#states = []
    this.#bytes = 0
  }

  /** Removes `state`, if it is still here. */
  remove(state: SequenceState): void {
    if (!this.#states.includes(state)) return
    this.#states = this.#states.filter((other) => other !== state)
    this.#bytes -= state.bytes.length
  }
}
