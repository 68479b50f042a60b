import { describe, expect, test } from 'vitest'
import { StateCache } from '../../src/scheduler/cache/state-cache.ts'

const state = (tokens: readonly number[], bytes: number) => ({
  tokens,
  inSlices: 0,
  bytes: new Uint8Array(bytes),
})

describe('cached states of conversations without a slot', () => {
  test('are found by the longest common prefix', () => {
    const cache = new StateCache(100)
    const [one, two] = [state([1, 2, 3], 10), state([1, 2, 9, 9], 10)]
    cache.add(one)
    cache.add(two)
    expect(cache.find([1, 2, 3, 4])).toEqual({ state: one, prefix: 3 })
    expect(cache.find([1, 2, 9])).toEqual({ state: two, prefix: 3 })
    expect(cache.find([7])?.prefix).toBe(0)
    cache.remove(one)
    expect(cache.find([1, 2, 3, 4])).toEqual({ state: two, prefix: 2 })
  })

  test('are dropped if there is no room, the oldest first', () => {
    const cache = new StateCache(25)
    for (const token of [1, 2, 3]) cache.add(state([token], 10))
    expect(cache.freeBytes).toBe(5)
    expect(cache.find([1])?.prefix).toBe(0)
    expect(cache.find([2])?.prefix).toBe(1)
    cache.add(state([4], 26))
    expect(cache.freeBytes).toBe(5)
    cache.clear()
    expect(cache.find([2])).toBeUndefined()
  })

  test('replace the states that they continue', () => {
    const cache = new StateCache(100)
    cache.add(state([1, 2], 10))
    cache.add(state([5], 10))
    cache.add(state([1, 2, 3], 20))
    expect(cache.freeBytes).toBe(70)
  })

  test('are not kept without memory for them', () => {
    const cache = new StateCache(0)
    cache.add(state([1], 1))
    expect(cache.isOn).toBe(false)
    expect(cache.find([1])).toBeUndefined()
  })
})
