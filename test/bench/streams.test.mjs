import { expect, test } from 'vitest'
import { linearFit, quantile } from '../../bench/stats.mjs'
import { gapsBetween, sharedTokens, totalRate } from '../../bench/streams.mjs'

/** A token every `every` ms from `first` on. */
const steady = (first, every, count) => Array.from({ length: count }, (_, i) => first + i * every)

test('streams that run in step make the sum of their speeds', () => {
  expect(totalRate([steady(0, 10, 11), steady(3, 10, 11)])).toBeCloseTo(200)
})

test('what a stream made before the others had begun, or after one had ended, does not count', () => {
  const alone = [...steady(0, 1, 100), ...steady(100, 10, 11), ...steady(201, 1, 100)]
  expect(totalRate([alone, steady(100, 10, 11)])).toBeCloseTo(200)
})

test('the order within a step does not change the rate', () => {
  const first = totalRate([steady(0, 10, 50), steady(1, 10, 50), steady(2, 10, 50)])
  const last = totalRate([steady(2, 10, 50), steady(1, 10, 50), steady(0, 10, 50)])
  expect(first).toBeCloseTo(last)
})

test('the tokens made side by side are those of the stream that made fewest', () => {
  expect(sharedTokens([steady(0, 10, 11), steady(50, 5, 5)])).toBe(3)
  expect(sharedTokens([steady(0, 10, 11), []])).toBe(0)
})

test('gaps belong to the stretch in which they end', () => {
  expect(gapsBetween([0, 10, 30, 60, 100], 10, 60)).toEqual([20, 30])
})

test('of a hundred values the 99th percentile is all but the largest', () => {
  const values = Array.from({ length: 101 }, (_, i) => i)
  expect(quantile(values, 0.99)).toBe(99)
})

test('points on a line fit it exactly', () => {
  const fit = linearFit([
    [0, 1],
    [1, 3],
    [2, 5],
  ])
  expect(fit.slope).toBeCloseTo(2)
  expect(fit.intercept).toBeCloseTo(1)
  expect(fit.r2).toBeCloseTo(1)
})

test('a parabola does not fit a line, and equal points have no fit', () => {
  const parabola = Array.from({ length: 21 }, (_, i) => [i - 10, (i - 10) ** 2])
  expect(linearFit(parabola).r2).toBeCloseTo(0)
  expect(
    linearFit([
      [1, 2],
      [1, 3],
    ]).r2,
  ).toBeNaN()
})
