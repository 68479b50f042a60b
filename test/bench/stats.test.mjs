import { expect, test } from 'vitest'
import { isFirst } from '../../bench/pairs.mjs'
import { median, quantile, summary } from '../../bench/stats.mjs'

test('the median of an even number of values lies between the middle two', () => {
  expect(median([4, 1, 3, 2])).toBe(2.5)
  expect(median([9, 1, 5])).toBe(5)
  expect(median([7])).toBe(7)
  expect(median([])).toBeNaN()
})

test('quantiles interpolate between neighbours and do not sort what they are given', () => {
  const values = [50, 10, 40, 20, 30]
  expect([0, 0.25, 0.5, 0.75, 1].map((fraction) => quantile(values, fraction))).toEqual([10, 20, 30, 40, 50])
  expect(quantile([1, 2, 3, 4], 0.25)).toBe(1.75)
  expect(values).toEqual([50, 10, 40, 20, 30])
})

test('numbers are sorted as numbers', () => {
  expect(median([10, 9, 100])).toBe(10)
})

test('a summary holds count, median, quartiles and ends', () => {
  expect(summary([3, 1, 2])).toEqual({ count: 3, median: 2, q1: 1.5, q3: 2.5, min: 1, max: 3 })
})

test('pairs alternate A B, B A, so that a machine that drifts favours neither', () => {
  expect([0, 1, 2, 3].map(isFirst)).toEqual([true, false, true, false])
})
