import { describe, expect, test } from 'vitest'
import { Lookup } from '../../src/engine/lookup.ts'

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
