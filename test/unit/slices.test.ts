import { describe, expect, test } from 'vitest'
import { endOfWholeSlice, SLICE, wholeSlices } from '../../src/scheduler/slices.ts'

/** The steps in which a prompt and `drawn` tokens behind it are evaluated, from what is cached on. */
function stepsFrom(cached: number, promptLength: number, drawn: number, stepSize: number): number[] {
  const ends: number[] = []
  for (let from = cached; from < promptLength + drawn; ) {
    const to = endOfWholeSlice(from, from + stepSize, promptLength)
    expect(to).toBeGreaterThan(from)
    ends.push(to)
    from = to
  }
  return ends
}

describe('the slices of a prompt', () => {
  test('end where they would end in a fresh run, whatever is cached', () => {
    for (const promptLength of [1, 5, SLICE - 1, SLICE, SLICE + 1, 5 * SLICE + 7]) {
      const fresh = stepsFrom(0, promptLength, 3, SLICE)
      for (let cached = 0; cached < promptLength; cached += SLICE) {
        expect(stepsFrom(cached, promptLength, 3, SLICE)).toEqual(fresh.filter((end) => end > cached))
      }
    }
  })

  test('are whole in larger steps, and no smaller than a slice in smaller ones', () => {
    expect(stepsFrom(0, 600, 0, 512)).toEqual([512, 600])
    expect(stepsFrom(0, 600, 0, 300)).toEqual([256, 512, 600])
    expect(stepsFrom(0, 300, 0, 1)).toEqual([128, 256, 300])
  })

  test('have one token after the prompt', () => {
    expect(stepsFrom(256, 300, 3, 512)).toEqual([300, 301, 302, 303])
  })

  test('are not kept unless they are full', () => {
    expect([0, 1, 127, 128, 255, 256].map(wholeSlices)).toEqual([0, 0, 0, 128, 128, 256])
  })
})
