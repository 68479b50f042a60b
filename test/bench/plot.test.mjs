import { expect, test } from 'vitest'
import { linePlot, ratioPlot } from '../../bench/plot.mjs'

const row = (more) => ({
  name: 'decode',
  bar: { atLeast: 1 },
  passes: true,
  figures: { median: 1.2, q1: 1.1, q3: 1.3 },
  ...more,
})

test('the plot of ratios has a bar for each row that is a ratio and was measured', () => {
  const plot = ratioPlot([row(), row({ unit: 'ms' }), row({ skipped: 'not here' })])
  expect(plot.match(/<rect/g)).toHaveLength(1)
  expect(plot).toContain('1.2 ≥ 1')
})

test('a row that misses its bar has another colour', () => {
  const colour = (plot) => /fill="(#\w+)"\/>/.exec(plot)[1]
  expect(colour(ratioPlot([row({ passes: false })]))).not.toBe(colour(ratioPlot([row()])))
})

test('a line plot has a line for each series, and marks in its words are escaped', () => {
  const points = [
    [1, 10],
    [2, 20],
  ]
  const series = [
    { name: 'a < b', points },
    { name: 'c', points },
  ]
  const plot = linePlot({ title: 'T', x: { label: 'streams' }, y: { label: 'tokens/s' }, series })
  expect(plot.match(/<polyline/g)).toHaveLength(2)
  expect(plot).toContain('a &#60; b')
  expect(plot).not.toContain('NaN')
})
