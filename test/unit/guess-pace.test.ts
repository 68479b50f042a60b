import { describe, expect, test } from 'vitest'
import { DraftPace, LookupPace, MOST_GUESSED } from '../../src/scheduler/guess/pace.ts'

const WITHOUT = 10
const right = (guessed: number) => ({ ms: 15, guessed, accepted: guessed, without: WITHOUT })
const wrong = (guessed: number) => ({ ms: 15, guessed, accepted: 0, without: WITHOUT })

describe.each([
  ['lookup', LookupPace],
  ['a draft model', DraftPace],
])('the pace of %s', (_, Pace) => {
  test('makes guesses longer while they are right, up to a maximum, and shorter if they are not', () => {
    const pace = new Pace()
    const lengths = Array.from({ length: 4 }, () => {
      const { length } = pace
      pace.took(right(length))
      return length
    })
    expect(lengths).toEqual([3, 7, MOST_GUESSED, MOST_GUESSED])
    pace.took({ ...right(MOST_GUESSED), accepted: 5 })
    expect(pace.length).toBe(7)
    pace.took({ ...right(7), accepted: 2 })
    expect(pace.length).toBe(3)
  })

  test('does not make guesses longer after an empty one', () => {
    const pace = new Pace()
    pace.took(right(0))
    expect(pace.length).toBe(3)
  })
})

describe('the pace of lookup', () => {
  test('asks for more evidence after guesses lost time, up to a maximum, and for less after they gained', () => {
    const pace = new LookupPace()
    const evidence = Array.from({ length: 6 }, () => {
      pace.took(wrong(3))
      return pace.evidence
    })
    expect(evidence).toEqual([8, 32, 32, 32, 32, 32])
    for (let i = 0; i < 6; i++) pace.took(right(3))
    expect(pace.evidence).toBe(2)
  })

  test('learns nothing without a comparison', () => {
    const pace = new LookupPace()
    pace.took({ ...wrong(3), without: undefined })
    expect(pace.evidence).toBe(2)
  })
})

/** Steps until it guesses again. */
function restOf(pace: DraftPace): number {
  let rest = 0
  for (; pace.length === 0; rest++) pace.rested(1)
  return rest
}

describe('the pace of a draft model', () => {
  /** Steps of a stream, and how many of its steps' worth of time guesses lost that are always wrong and cost `ms` each. */
  function lost(ms: number, steps: number): number {
    const pace = new DraftPace()
    let time = 0
    for (let step = 0; step < steps; step++) {
      const guessed = pace.length
      if (guessed > 0) pace.took({ ms, guessed, accepted: 0, without: WITHOUT })
      else pace.rested(1)
      time += guessed > 0 ? ms : WITHOUT
    }
    return time / WITHOUT - steps
  }

  test('loses little if guesses cost more than they gain', () => {
    expect(lost(30, 80)).toBeLessThan(9)
    for (const ms of [12, 30, 50]) expect(lost(ms, 10_000)).toBeLessThan(0.025 * 10_000)
  })

  test('never stops to try', () => {
    const pace = new DraftPace()
    while (pace.length > 0) pace.took(wrong(3))
    expect(restOf(pace)).toBeGreaterThan(50)
    for (let i = 0; i < 50; i++) {
      expect(pace.length).toBeGreaterThan(0)
      pace.took(right(pace.length))
    }
  })

  test('does not pause if guesses pay overall', () => {
    const pace = new DraftPace()
    for (let i = 0; i < 200; i++) {
      expect(pace.length).toBeGreaterThan(0)
      pace.took(i % 2 === 0 ? wrong(3) : right(3))
    }
  })

  test('does not change after one slow step', () => {
    const pace = new DraftPace()
    for (let i = 0; i < 5; i++) pace.took(right(pace.length))
    pace.took({ ...right(pace.length), ms: 100_000 })
    expect(pace.length).toBeGreaterThan(0)
  })

  test('counts missed guesses only if guesses have not gained as much', () => {
    const rests = [0, 100, 500].map((steps) => {
      const pace = new DraftPace()
      pace.caughtUp(steps)
      for (let i = 0; i < 50; i++) {
        expect(pace.length).toBeGreaterThan(0)
        pace.took(right(3))
      }
      while (pace.length > 0) pace.took(wrong(3))
      return restOf(pace)
    })
    expect(rests[1]).toBe(rests[0])
    expect(rests[2]! - rests[0]!).toBeGreaterThan(1000)
  })

  test('pauses after failures, longer each time', () => {
    const pace = new DraftPace()
    const rests = Array.from({ length: 3 }, () => {
      pace.giveUp()
      return restOf(pace)
    })
    expect(rests).toEqual([...rests].sort((a, b) => a - b))
    expect(rests[2]).toBeGreaterThan(2 * rests[0]!)
    for (let i = 0; i < 20; i++) pace.giveUp()
    expect(restOf(pace)).toBeLessThanOrEqual(5000)
  })
})
