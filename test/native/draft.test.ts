import { describe, expect, test } from 'vitest'
import { contextMemory } from '../../src/loading/memory.ts'
import { readGguf } from '../../src/models/gguf/header.ts'
import { openDrafter } from '../../src/scheduler/contexts.ts'
import { EMBEDDED } from '../support/models.ts'
import { binding, openModel } from '../support/native-models.ts'

const CACHE = { flashAttention: 'auto', keyType: 'f16', valueType: 'f16' } as const
const SHAPE = {
  contextSize: 256,
  threads: 1,
  batchThreads: 1,
  cache: CACHE,
  adapterScales: [],
  ...contextMemory(await readGguf(EMBEDDED), 256, CACHE),
  deterministic: false,
  yields: false,
} as const

describe('a model that guesses for another', () => {
  test('guesses the same for a repeated text, whatever it guessed in between', async () => {
    const native = await openModel()
    const drafter = await openDrafter(binding, { ...SHAPE, native }, native, SHAPE)
    const texts = ['The capital of France is', 'The capital of Italy is', 'one two three four one two three']
    const guess = async (text: string) => {
      const tokens = Array.from(native.tokenize(text, true, false))
      await drafter.follow(tokens)
      return drafter.propose(tokens, 5)
    }
    const first: number[][] = []
    for (const text of texts) first.push(await guess(text))
    expect(first.some((tokens) => tokens.length > 0)).toBe(true)
    for (const at of [1, 0, 2, 2, 0, 1]) expect(await guess(texts[at]!)).toEqual(first[at])
    await drafter.close()
  })
})
