/** The text that one token completed; `''` while a character is incomplete. */
export type TokenText = { readonly token: number; readonly text: string }

/**
 * The second stage: tokens to text. A token may end in the middle of a UTF-8 character, so its bytes wait for the
 * rest; what is still incomplete at the end is dropped.
 */
export async function* toText(
  tokens: AsyncIterable<number>,
  bytesOf: (token: number) => Uint8Array,
): AsyncGenerator<TokenText, void, void> {
  // A byte order mark is text like any other in the middle of an answer.
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
  for await (const token of tokens) {
    yield { token, text: decoder.decode(bytesOf(token), { stream: true }) }
  }
}
