import { describe, expect, test } from 'vitest'
import type { EndEvent } from '../../src/generation/events.ts'
import { untilStop } from '../../src/generation/stages/stop.ts'
import type { TextEvent } from '../../src/generation/stages/text.ts'
import { seeded } from '../support/gguf-writer.ts'

const textEvent = (token: number, text: string): TextEvent => ({
  type: 'text',
  token,
  text,
  bytes: Buffer.byteLength(text),
  logprob: undefined,
})

function* eventsOf(texts: readonly string[]) {
  for (const [token, text] of texts.entries()) yield textEvent(token, text)
  yield { type: 'end', finishReason: 'length', stopSequence: undefined } as const
}

async function run(texts: readonly string[], stops: readonly string[]) {
  const released: TextEvent[] = []
  const ends: EndEvent[] = []
  const take = untilStop(stops)
  for (const event of eventsOf(texts)) {
    for (const made of take(event))
      if (made.type === 'end') ends.push(made)
      else released.push(made)
    if (ends.length > 0) break // whoever takes an end asks for no more
  }
  expect(ends).toHaveLength(1)
  return { released, text: released.map((one) => one.text).join(''), ...ends[0]! }
}

describe('untilStop()', () => {
  test('lets everything through without stop strings', async () => {
    expect(await run(['a', '', 'b'], [])).toMatchObject({
      text: 'ab',
      finishReason: 'length',
      stopSequence: undefined,
    })
  })

  test('ends the text before the stop string and says which it was', async () => {
    expect(await run(['one\n', 'User: two'], ['User:', 'END'])).toMatchObject({
      text: 'one\n',
      finishReason: 'stop',
      stopSequence: 'User:',
    })
  })

  test('finds one that is split over many tokens', async () => {
    expect(await run([...'some textEND and more'], ['END'])).toMatchObject({
      text: 'some text',
      stopSequence: 'END',
    })
  })

  test('finds one at the very start and one that is the whole output', async () => {
    expect(await run(['END', 'x'], ['END'])).toMatchObject({ text: '', finishReason: 'stop' })
    expect(await run(['E', 'N', 'D'], ['END'])).toMatchObject({ text: '', finishReason: 'stop' })
  })

  test('holds back what may become a stop string, and sets it free when it does not', async () => {
    const { released, text } = await run(['ab', 'E', 'N', 'x', 'E'], ['END'])
    expect(released.map((one) => one.text)).toEqual(['ab', '', '', 'ENx', '', 'E'])
    expect(text).toBe('abENxE')
    expect(released.at(-1)).toMatchObject({ token: undefined, text: 'E', bytes: 0 })
  })

  test('holds back no more than needed', async () => {
    const { released } = await run(['aaaa', 'aab', 'c'], ['aab!'])
    expect(released.map((one) => one.text)).toEqual(['aa', 'aa', 'aabc'])
  })

  test('prefers the overlapping stop string that begins first, then the longest', async () => {
    expect(await run(['xabcd'], ['bc', 'abcd', 'ab'])).toMatchObject({ text: 'x', stopSequence: 'abcd' })
    expect(await run(['xabcd'], ['cd', 'bcd'])).toMatchObject({ text: 'xa', stopSequence: 'bcd' })
  })

  test('treats characters of regular expressions literally', async () => {
    for (const stop of ['.*', '$', '^a', '[x]', '\\n', '(?:)', '|']) {
      expect(await run(['before', 'n a', stop, 'after'], [stop])).toMatchObject({
        text: 'beforen a',
        stopSequence: stop,
      })
    }
  })

  test('finds an emoji, but not half of one', async () => {
    expect(await run(['a😀b', '😁c'], ['😁'])).toMatchObject({ text: 'a😀b', stopSequence: '😁' })
    expect(await run(['👩‍👩‍👧', '👍'], ['👧👍'])).toMatchObject({ text: '👩‍👩‍' })
  })

  test('releases each token once and in order, held back or not', async () => {
    const { released } = await run(['E', 'N', 'E', 'N', 'x'], ['END'])
    expect(released.map((one) => one.token)).toEqual([0, 1, 2, 3, 4])
  })

  test('ends at the stop string: the text before it, then the end, and nothing after that', () => {
    const take = untilStop(['ba'])
    expect(take(textEvent(0, 'ab'))).toMatchObject([{ type: 'text', token: 0, text: 'a' }])
    expect(take(textEvent(1, 'ab'))).toMatchObject([
      { type: 'text', token: 1, text: '' },
      { type: 'end', finishReason: 'stop', stopSequence: 'ba' },
    ])
  })

  test('streams exactly the text before the first stop string, however it is cut into tokens', async () => {
    const random = seeded(3)
    const pick = (most: number) => Math.floor(random() * most)
    const word = (most: number) =>
      Array.from({ length: 1 + pick(most) }, () => ['a', 'b', '😀'][pick(3)]).join('')
    for (let round = 0; round < 2000; round++) {
      const whole = word(24)
      const stops = Array.from({ length: 1 + pick(3) }, () => word(4))
      const texts: string[] = []
      for (let at = 0; at < whole.length; ) {
        const length = 1 + pick(4)
        texts.push(whole.slice(at, at + length))
        at += length
      }
      const { text, finishReason, released } = await run(texts, stops)
      const found = stops.map((stop) => whole.indexOf(stop)).filter((index) => index >= 0)
      // A stop string is found when it is complete: one that ends earlier is seen before one that begins earlier.
      if (found.length === 0) expect(text).toBe(whole)
      else expect(finishReason).toBe('stop')
      expect(whole.startsWith(text)).toBe(true)
      for (const stop of stops) expect(text).not.toContain(stop)
      expect(released.length).toBeLessThanOrEqual(texts.length + 1)
    }
  })
})
