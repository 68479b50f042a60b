import type { Stage } from '../events.ts'
import { StopStrings } from './stop-strings.ts'
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
    const found = strings.read(event.text)
    const before = held.length
    held += event.text
    if (found) {
      const end = before + found.end
      const begin = end - found.length
      return [
        { ...event, text: held.slice(0, begin) },
        { type: 'end', finishReason: 'stop', stopSequence: held.slice(begin, end) },
      ]
    }
    const text = held.slice(0, held.length - strings.possibleStart)
    held = held.slice(text.length)
    return [{ ...event, text }]
  }
}
