import { describe, expect, test } from 'vitest'
import { ThreadBackoff } from '../../src/scheduler/threads.ts'

/** The counts of a step every 100 ms from `from` to `to`, where more than `free(now)` threads are crowded out. */
function run(threads: ThreadBackoff, from: number, to: number, free: (now: number) => number) {
  const steps: number[] = []
  let lost = 0
  for (let now = from; now < to; now += 100) {
    let count = threads.forStep(now)
    while (count > free(now)) {
      lost++
      threads.crowdedOut(now)
      count = threads.forStep(now)
    }
    steps.push(count)
  }
  return { last: steps.at(-1)!, steps, lost }
}

describe('the number of threads on an idle machine', () => {
  test.each([1, 2, 8])('is always %i', (most) => {
    expect(new Set(run(new ThreadBackoff(most), 0, 60_000, () => most).steps)).toEqual(new Set([most]))
  })
})

describe('the number of threads beside other programs', () => {
  test.each([
    [2, 1],
    [8, 7],
    [8, 5],
    [8, 1],
    [16, 3],
    [3, 2],
  ])('falls from %i to %i: as many cores as are free', (most, free) => {
    const { last } = run(new ThreadBackoff(most), 0, 20_000, () => free)
    expect(last).toBe(free)
  })

  test('falls after fewer and fewer abandoned steps', () => {
    const threads = new ThreadBackoff(2)
    expect(run(threads, 0, 1000, () => 1).lost).toBe(1)
    run(threads, 1000, 60_000, () => 1)
    expect(run(threads, 60_000, 120_000, () => 1).lost).toBeLessThanOrEqual(4)
  })

  test('is at least one, however crowded the machine is', () => {
    const threads = new ThreadBackoff(8)
    for (let now = 0; now < 10; now++) threads.crowdedOut(now)
    expect(threads.forStep(10)).toBe(1)
  })
})

describe('the number of threads after other programs have ended', () => {
  test.each([2, 8, 16])('rises to %i within a few tries, and stays', (most) => {
    const threads = new ThreadBackoff(most)
    run(threads, 0, 3000, () => 1)
    expect(run(threads, 3000, 20_000, () => most).last).toBe(most)
    expect(new Set(run(threads, 20_000, 60_000, () => most).steps)).toEqual(new Set([most]))
  })

  test('falls again as quickly as the first time', () => {
    const threads = new ThreadBackoff(8)
    run(threads, 0, 30_000, () => 2)
    run(threads, 30_000, 90_000, () => 8)
    expect(run(threads, 90_000, 90_100, () => 4)).toMatchObject({ last: 4, lost: 1 })
    expect(run(threads, 90_100, 110_000, () => 5).last).toBe(5)
  })
})
