import { expect, test } from 'vitest'
import { cosine } from '../../bench/embed/process.mjs'
import { textsOf } from '../../bench/embed/texts.mjs'
import { byLength, mean, windowsOf } from '../../bench/peers/embed/serve.mjs'

const count = (from, to) => Array.from({ length: to - from }, (_, i) => from + i)

test('texts have as many words as asked for, are all different, and the same for the same seed', () => {
  const texts = textsOf({ count: 500, least: 20, most: 60 })
  const lengths = texts.map((text) => text.split(' ').length)
  expect([Math.min(...lengths), Math.max(...lengths)]).toEqual([20, 60])
  expect(new Set(texts).size).toBe(500)
  expect(textsOf({ count: 500, least: 20, most: 60 })).toEqual(texts)
  expect(textsOf({ count: 500, least: 20, most: 60, seed: 2 })).not.toEqual(texts)
})

test('windows have 510 tokens, overlap by 8, and end with the text', () => {
  const ids = count(0, 1100)
  expect(windowsOf(ids)).toEqual([count(0, 510), count(502, 1012), count(1004, 1100)])
  expect(windowsOf(count(0, 510))).toEqual([count(0, 510)])
  expect(windowsOf([])).toEqual([[]])
})

test('batches are made of what is about equally long, the longest first', () => {
  expect(byLength(['aa', 'a', 'aaaa', 'aaa', ''], 2)).toEqual([[2, 3], [0, 1], [4]])
})

test('the mean of unit vectors is a unit vector between them', () => {
  const found = mean([Float32Array.of(1, 0), Float32Array.of(0, 1)])
  expect(cosine(found, [1, 1])).toBeCloseTo(1)
  expect(Math.hypot(...found)).toBeCloseTo(1)
})
