import type { TokenText } from './text.ts'
import type { Outcome } from './tokens.ts'

/** Text on its way to the reader. `token` is absent where text was held back and is set free at the end. */
export type HeldText = { readonly token: number | undefined; readonly text: string }

/**
 * The third stage: ends the text before the first stop string. Text that may turn out to be the beginning of one is
 * held back until that is clear, so nothing is ever streamed that the final text does not have.
 */
export async function* untilStop(
  pieces: AsyncIterable<TokenText>,
  stops: readonly string[],
  outcome: Outcome,
): AsyncGenerator<HeldText, void, void> {
  let held = ''
  for await (const { token, text } of pieces) {
    held += text
    const found = firstStop(held, stops)
    if (found) {
      outcome.finishReason = 'stop'
      outcome.stopSequence = found.stop
      yield { token, text: held.slice(0, found.index) }
      return
    }
    const free = held.length - possibleStart(held, stops)
    yield { token, text: held.slice(0, free) }
    held = held.slice(free)
  }
  if (held) yield { token: undefined, text: held }
}

/** The stop string that begins first; of several beginning there, the longest. */
function firstStop(text: string, stops: readonly string[]): { stop: string; index: number } | undefined {
  let found: { stop: string; index: number } | undefined
  for (const stop of stops) {
    const index = text.indexOf(stop)
    if (index < 0) continue
    const earlier =
      !found || index < found.index || (index === found.index && stop.length > found.stop.length)
    if (earlier) found = { stop, index }
  }
  return found
}

/** Length of the longest end of `text` that begins a stop string. */
function possibleStart(text: string, stops: readonly string[]): number {
  let longest = 0
  for (const stop of stops) {
    for (let length = Math.min(stop.length - 1, text.length); length > longest; length--) {
      if (text.endsWith(stop.slice(0, length))) longest = length
    }
  }
  return longest
}
