import { join } from 'node:path'
import { expect, test } from 'vitest'
import { partEnding, partName } from '../../src/models/names.ts'

test('the name of a part gives its model, its number, and the number of parts', () => {
  const path = join('a folder', 'big-model.Q4_0-00002-of-00013.gguf')
  expect(partName(path)).toEqual({ model: join('a folder', 'big-model.Q4_0'), part: 2, parts: 13 })
  expect(partName('x-00001-of-00002.gguf')).toEqual({ model: 'x', part: 1, parts: 2 })
})

test.each([
  'model.gguf',
  'model-00001-of-00002.bin',
  'model-1-of-2.gguf',
  'model-000001-of-000002.gguf',
  'model-00001-of-00002.gguf.part',
  '-00001-of-00002.gguf',
  join('folder', '-00001-of-00002.gguf'),
])('%j is not the name of a part', (name) => {
  expect(partName(name)).toBeUndefined()
})

test('names of parts are written in the form in which they are read', () => {
  for (const [part, parts] of [
    [1, 2],
    [65535, 65535],
  ] as const)
    expect(partName(`m${partEnding(part, parts)}`)).toEqual({ model: 'm', part, parts })
})
