import type { DeltaEvent } from './events.ts'

type TranscriptState = {
  /** Tags included. */
  readonly raw: string
  /** Bytes of its tokens. */
  readonly bytes: number
  readonly tokens: number
}

const NOTHING: TranscriptState = { raw: '', bytes: 0, tokens: 0 }

/** Collects what the model writes from deltas on their way to the reader. */
export class Transcript {
  #before = NOTHING
  #now = NOTHING

  add({ raw, bytes, token }: DeltaEvent): void {
    this.#before = this.#now
    this.#now = {
      raw: this.#now.raw + raw,
      bytes: this.#now.bytes + bytes,
      tokens: this.#now.tokens + (token === undefined ? 0 : 1),
    }
  }

  /**
   * What the first `tokens` tokens spell: the reader may have left before the last delta reached it.
   * `isWhole` is false where the text was cut, at a stop string or inside a character: the tokens then spell
   * more than `raw`.
   */
  of(tokens: number): { readonly raw: string; readonly isWhole: boolean } {
    const { raw, bytes } = tokens < this.#now.tokens ? this.#before : this.#now
    return { raw, isWhole: Buffer.byteLength(raw) === bytes }
  }
}
