import { describe, expect, test } from 'vitest'
import { Lookup } from '../../src/scheduler/guess/lookup.ts'

describe('a guess from prompt lookup', () => {
  test('is what followed the same three tokens last time', () => {
    expect(new Lookup().propose([1, 2, 3, 4, 5, 9, 1, 2, 3], 2, 0)).toEqual([4, 5])
    expect(new Lookup().propose([1, 2, 3, 4, 1, 2, 3, 8, 1, 2, 3], 1, 0)).toEqual([8])
  })

  test('is empty if the end is new, too short, or no guess is requested', () => {
    expect(new Lookup().propose([1, 2, 3, 4, 5], 4, 0)).toEqual([])
    expect(new Lookup().propose([1, 2], 4, 0)).toEqual([])
    expect(new Lookup().propose([], 4, 0)).toEqual([])
    expect(new Lookup().propose([1, 2, 3, 1, 2, 3], 0, 0)).toEqual([])
  })

  test('is made if the requested number of tokens would have been guessed right one by one', () => {
    const text = [1, 2, 3, 4, 5, 6, 9, 1, 2, 3]
    const lookup = new Lookup()
    const least = [4, 5].map((token) => {
      const made = [0, 1, 2].filter((evidence) => lookup.propose(text, 1, evidence).length > 0)
      text.push(token)
      return made
    })
    expect(least).toEqual([[0], [0, 1]])
    expect(lookup.propose(text, 4, 2)).toEqual([6, 9, 1, 2])
    text.push(7, 1, 2, 3)
    expect(lookup.propose(text, 1, 1)).toEqual([])
  })

  test.each([0, 1, 3])(
    'is the same whether the text arrived at once or token by token (evidence %i)',
    (evidence) => {
      const text = Array.from({ length: 300 }, (_, i) => (i * i) % 7)
      const growing = new Lookup()
      for (let length = 0; length <= text.length; length++) {
        const begun = text.slice(0, length)
        expect(growing.propose(begun, 4, evidence)).toEqual(new Lookup().propose(begun, 4, evidence))
      }
    },
  )
})
