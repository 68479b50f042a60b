import type { EndEvent } from './events.ts'
import type { TextEvent } from './text.ts'

/**
 * The third stage: ends the text before the first stop string. Text that may be the beginning of one is held
 * back until that is clear, so nothing is ever streamed that the final text does not have.
 */
export async function* untilStop(
  events: AsyncIterable<TextEvent | EndEvent>,
  stops: readonly string[],
): AsyncGenerator<TextEvent | EndEvent, void, void> {
  let held = ''
  for await (const event of events) {
    if (event.type === 'end') {
      if (held) yield { type: 'text', token: undefined, text: held, bytes: 0, logprob: undefined }
      yield event
      return
    }
    held += event.text
    const found = firstStop(held, stops)
    if (found) {
      yield { ...event, text: held.slice(0, found.index) }
      yield { type: 'end', finishReason: 'stop', stopSequence: found.stop }
      return
    }
    const free = held.length - possibleStart(held, stops)
    yield { ...event, text: held.slice(0, free) }
    held = held.slice(free)
  }
}

/** The stop string that begins first; of several that begin there, the longest. */
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

/** Length of the longest end of `text` that is the beginning of a stop string. */
function possibleStart(text: string, stops: readonly string[]): number {
  let longest = 0
  for (const stop of stops) {
    for (let length = Math.min(stop.length - 1, text.length); length > longest; length--) {
      if (text.endsWith(stop.slice(0, length))) longest = length
    }
  }
  return longest
}
