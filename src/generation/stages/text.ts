import type { Stage } from '../events.ts'
import type { TokenLogprob } from '../logprobs.ts'
import type { TokenEvent } from '../tokens.ts'

/** Text on its way to the reader: what one token completed, `''` while a character is incomplete. */
export type TextEvent = {
  readonly type: 'text'
  /** Absent where text was held back and is released at the end. */
  readonly token: number | undefined
  readonly text: string
  /** Bytes of the token. */
  readonly bytes: number
  readonly logprob: TokenLogprob | undefined
}

/**
 * The second stage: tokens to text. A token may end in the middle of a UTF-8 character, so its bytes wait for
 * the rest; what is still incomplete at the end is dropped.
 */
export function toText(bytesOf: (token: number) => Uint8Array): Stage<TokenEvent, TextEvent> {
  // In the middle of an answer a byte order mark is ordinary text.
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
  return (event) => {
    if (event.type === 'end') return [event]
    const { token, logprob } = event
    const bytes = bytesOf(token)
    const text = decoder.decode(bytes, { stream: true })
    return [{ type: 'text', token, text, bytes: bytes.length, logprob }]
  }
}
