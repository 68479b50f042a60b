import { describe, expect, test } from 'vitest'
import { GuessPace, MOST_GUESSED } from '../../src/engine/guess-pace.ts'

const WITHOUT = 10

describe('the pace of guessing', () => {
  test('takes longer guesses while they are right, up to the most', () => {
    const pace = new GuessPace()
    const lengths = Array.from({ length: 5 }, () => {
      const { length } = pace
      pace.took(10, length, length, 60)
      return length
    })
    expect(lengths).toEqual([4, 8, 16, MOST_GUESSED, MOST_GUESSED])
    pace.took(10, 16, 2, 60)
    expect(pace.length).toBe(3)
  })

  test('does not take longer ones where the guess was empty', () => {
    const pace = new GuessPace()
    pace.took(10, 0, 0, 60)
    expect(pace.length).toBe(2)
  })

  test('rests where guesses cost more than they bring, longer each time, and tries again', () => {
    const pace = new GuessPace()
    const rests: number[] = []
    for (let round = 0; round < 3; round++) {
      while (pace.length > 0) pace.took(30, pace.length, 0, WITHOUT)
      let rest = 0
      for (; pace.length === 0; rest++) pace.rested()
      rests.push(rest)
    }
    expect(rests).toEqual([16, 32, 64])
  })

  test('lets a step pass without, to have something to compare with', () => {
    const pace = new GuessPace()
    const lengths = Array.from({ length: 5 }, () => {
      const { length } = pace
      if (length > 0) pace.took(10, length, length, undefined)
      return length
    })
    expect(lengths).toEqual([4, 8, 16, 16, 0])
    pace.rested()
    expect(pace.length).toBe(16)
  })

  test('does not rest where they pay', () => {
    const pace = new GuessPace()
    for (let step = 0; step < 50; step++) {
      expect(pace.length).toBeGreaterThan(0)
      pace.took(18, pace.length, 1, WITHOUT)
    }
  })
})
