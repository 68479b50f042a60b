import { describe, expect, test, vi } from 'vitest'
import { commonPrefix, findGap, Slots } from '../../src/scheduler/cache/slots.ts'

type Owner = { readonly name: string }
const owner = (name: string): Owner => ({ name })
const nobody = () => false
const kept = { isOwn: () => false, isKept: () => true }

/** Slots that cache what is given, used in this order, free. */
function cached(...contents: number[][]): Slots<Owner> {
  const slots = new Slots<Owner>(contents.length)
  contents.forEach((tokens, i) => {
    slots.all[i]!.tokens.push(...tokens)
    slots.all[i]!.lastUsed = i + 1
  })
  return slots
}

describe('take()', () => {
  test('gives the free slot with the longest common prefix', () => {
    const slots = cached([1, 2, 9], [1, 2, 3, 4], [5])
    const one = owner('one')
    expect(slots.take(one, [1, 2, 3, 8], nobody, kept)).toBe(slots.all[1])
    expect(slots.all[1]!.owner).toBe(one)
  })

  test('gives the least recently used where prefixes are equal', () => {
    const slots = cached([1], [2], [3])
    slots.all[0]!.lastUsed = 50
    expect(slots.take(owner('one'), [7], nobody, kept)).toBe(slots.all[1])
  })

  test('prefers a neighbour of a busy slot, so that both are evaluated together', () => {
    const slots = cached([1], [2], [3], [4])
    slots.all[2]!.owner = owner('busy')
    expect(slots.take(owner('one'), [7], nobody, kept)).toBe(slots.all[1])
    expect(slots.take(owner('two'), [7], nobody, kept)).toBe(slots.all[0])
  })

  test('gives the least recently used one if a conversation would be lost otherwise', () => {
    const long = (first: number) => Array.from({ length: 100 }, (_, i) => first + i)
    for (const isKept of [false, true]) {
      const slots = cached(long(1000), long(2000), long(3000), long(4000))
      slots.all[3]!.owner = owner('busy')
      expect(slots.take(owner('one'), [7], nobody, { ...kept, isKept: () => isKept })!.id).toBe(
        isKept ? 2 : 0,
      )
    }
  })

  test('loses no conversation while a slot is free, whatever prefix they share', () => {
    const long = (first: number) => [1, 2, 3, ...Array.from({ length: 100 }, (_, i) => first + i)]
    const slots = cached(long(1000), [], long(2000))
    slots.all[2]!.owner = owner('busy')
    const everybody = () => true
    expect(slots.take(owner('one'), [1, 2, 3, 4], everybody, kept)!.id).toBe(1)
    expect(slots.take(owner('two'), [1, 2, 3, 4], everybody, kept)!.id).toBe(0) // none is left
  })

  test('gives a conversation its own slot, even if it continues differently', () => {
    const long = Array.from({ length: 100 }, (_, i) => i)
    const slots = cached([], long, [])
    const isOwn = (slot: unknown) => slot === slots.all[1]
    expect(slots.take(owner('one'), [0, 1, 2, 7], nobody, { ...kept, isOwn })).toBe(slots.all[1])
  })

  test('does not change the tokens of the slot', () => {
    const slots = cached([1, 2, 3])
    expect(slots.take(owner('one'), [1, 9], nobody, kept)!.tokens).toEqual([1, 2, 3])
  })

  test('never takes the slot of a request that waits for a step, however long ago it was used', () => {
    const slots = cached([1, 2, 3])
    const busy = owner('busy')
    slots.all[0]!.owner = busy
    expect(slots.take(owner('one'), [1, 2, 3], (other) => other === busy, kept)).toBeUndefined()
    expect(slots.all[0]!.owner).toBe(busy)
  })

  test('takes the slot of an owner that has been idle for long, and not of an active one', () => {
    vi.useFakeTimers({ toFake: ['performance'] })
    try {
      const slots = cached([1])
      slots.all[0]!.owner = owner('slow reader')
      slots.all[0]!.lastUsed = performance.now()
      expect(slots.take(owner('one'), [1], nobody, kept)).toBeUndefined()
      const wait = slots.untilIdle(nobody)!
      expect(wait).toBeGreaterThan(0)
      vi.advanceTimersByTime(wait)
      expect(slots.take(owner('one'), [1], nobody, kept)).toBe(slots.all[0])
    } finally {
      vi.useRealTimers()
    }
  })
})

describe('untilIdle()', () => {
  test('is undefined when every slot is free or its owner waits', () => {
    const slots = cached([1], [2])
    expect(slots.untilIdle(nobody)).toBeUndefined()
    slots.all[0]!.owner = owner('one')
    expect(slots.untilIdle(() => true)).toBeUndefined()
  })

  test('is at least a millisecond', () => {
    const slots = cached([1])
    slots.all[0]!.owner = owner('long idle')
    slots.all[0]!.lastUsed = -1e9
    expect(slots.untilIdle(nobody)).toBe(1)
  })
})

test('keep() forgets all but the first tokens and never adds any', () => {
  const [slot] = cached([1, 2, 3]).all
  slot!.keep(5)
  expect(slot!.tokens).toEqual([1, 2, 3])
  slot!.keep(1)
  expect(slot!.tokens).toEqual([1])
  slot!.keep(0)
  expect(slot!.tokens).toEqual([])
})

test.each([
  [[], [], 0],
  [[1], [], 0],
  [[1, 2], [1, 2, 3], 2],
  [[1, 2, 3], [1, 9, 3], 1],
  [[2], [1], 0],
  [[4, 5], [4, 5], 2],
])('commonPrefix(%j, %j) is %d', (a, b, length) => {
  expect(commonPrefix(a, b)).toBe(length)
  expect(commonPrefix(b, a)).toBe(length)
})

describe('findGap', () => {
  const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i)
  const system = range(0, 5)

  test('finds the dropped part, and of several matches the one that keeps most', () => {
    const cached = [...system, ...range(100, 130), ...range(200, 260)]
    expect(findGap(cached, [...system, ...range(200, 260), 7, 8])).toEqual({ from: 5, to: 35 })
    expect(findGap(cached, [...system, ...range(220, 260), 7])).toEqual({ from: 5, to: 55 })
    const repeating = [...system, ...range(50, 70), 1, ...range(50, 70), 2, ...range(50, 90)]
    expect(findGap(repeating, [...system, ...range(50, 90), 3])).toEqual({ from: 25, to: 67 })
    expect(findGap([...system, 9, ...repeating.slice(5)], [...system, ...range(50, 90)])).toEqual({
      from: 5,
      to: 48,
    })
  })

  test('finds nothing if little or nothing would be kept', () => {
    expect(findGap([...system, ...range(100, 130)], [...system, ...range(300, 330)])).toBeUndefined()
    expect(findGap([...system, 99, ...range(200, 210)], [...system, ...range(200, 210)])).toBeUndefined()
    expect(findGap([], system)).toBeUndefined()
    expect(findGap(system, system)).toBeUndefined()
  })
})
