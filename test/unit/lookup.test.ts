import { describe, expect, test } from 'vitest'
import { Lookup, LookupPace, MOST_PROPOSED } from '../../src/engine/lookup.ts'

describe('a guess', () => {
  test('is what followed the same three tokens last time', () => {
    expect(new Lookup().propose([1, 2, 3, 4, 5, 9, 1, 2, 3], 2)).toEqual([4, 5])
    expect(new Lookup().propose([1, 2, 3, 4, 1, 2, 3, 8, 1, 2, 3], 1)).toEqual([8])
  })

  test('is nothing where the end is new, too short, or nothing is wanted', () => {
    expect(new Lookup().propose([1, 2, 3, 4, 5], 4)).toEqual([])
    expect(new Lookup().propose([1, 2], 4)).toEqual([])
    expect(new Lookup().propose([], 4)).toEqual([])
    expect(new Lookup().propose([1, 2, 3, 1, 2, 3], 0)).toEqual([])
  })

  test('is the same whether the text came at once or token by token', () => {
    const text = Array.from({ length: 300 }, (_, i) => (i * i) % 7)
    const growing = new Lookup()
    for (let length = 0; length <= text.length; length++) {
      const begun = text.slice(0, length)
      expect(growing.propose(begun, 4)).toEqual(new Lookup().propose(begun, 4))
    }
  })
})

describe('the pace of guessing', () => {
  test('takes longer guesses while they are right, up to the most', () => {
    const pace = new LookupPace()
    pace.took(60, 0, 0)
    const lengths = Array.from({ length: 5 }, () => {
      const { length } = pace
      pace.took(10, length, length)
      return length
    })
    expect(lengths).toEqual([4, 8, 16, MOST_PROPOSED, MOST_PROPOSED])
    pace.took(10, 16, 2)
    expect(pace.length).toBe(3)
  })

  test('rests where guesses cost more than they bring, longer each time, and tries again', () => {
    const pace = new LookupPace()
    pace.took(10, 0, 0)
    const rests: number[] = []
    for (let round = 0; round < 3; round++) {
      while (pace.length > 0) pace.took(30, pace.length, 0)
      let rest = 0
      for (; pace.length === 0; rest++) pace.took(10, 0, 0)
      rests.push(rest)
    }
    expect(rests).toEqual([16, 32, 64])
  })

  test('takes a step without, to have something to compare with', () => {
    const pace = new LookupPace()
    const lengths = Array.from({ length: 5 }, () => {
      const { length } = pace
      pace.took(10, length, length)
      return length
    })
    expect(lengths).toEqual([4, 8, 16, 16, 0])
    expect(pace.length).toBe(16)
  })

  test('does not rest where they pay', () => {
    const pace = new LookupPace()
    pace.took(10, 0, 0)
    for (let step = 0; step < 50; step++) {
      expect(pace.length).toBeGreaterThan(0)
      pace.took(18, pace.length, 1)
    }
  })
})
