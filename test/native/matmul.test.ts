import { describe, expect, test } from 'vitest'
import type { NativeContext } from '../../src/native/types.ts'
import { openContext, openTiny } from '../support/native-models.ts'
import type { TinyModel } from '../support/tiny-models.ts'

const MOST = 19 // columns: two tiles of eight, and a part of a third

const logitsOf = async (context: NativeContext, tokens: readonly number[]) => {
  const entries = tokens.map((token, sequence) => ({
    sequence,
    position: 0,
    tokens: Int32Array.of(token),
    outputs: [0],
    logits: true,
  }))
  return (await context.eval(entries)).map(({ logits }) => logits![0]!)
}

// Elsewhere ggml may multiply two columns in another order than one.
describe.runIf(process.arch === 'x64')('weights times several columns are what they are times each', () => {
  test.each<[TinyModel, number]>([
    ['llama-q4_0', 1],
    ['llama-q4_0', 2],
    ['llama-q4_1', 1],
    ['llama-q4_1', 2],
    ['llama', 2],
  ])('bit for bit: %s, threads: %i', async (name, threads) => {
    const model = await openTiny(name)
    const shape = { sequences: MOST, contextSize: 32, maxOutputs: MOST, threads, batchThreads: threads }
    const context = await openContext(model, shape)
    const tokens = Array.from({ length: MOST }, (_, i) => 3 + 7 * i)
    const alone: Float32Array[] = []
    for (const token of tokens) alone.push(...(await logitsOf(context, [token])))
    expect(new Set(alone.map((logits) => logits.join()))).toHaveProperty('size', MOST)
    for (let count = 2; count <= MOST; count++)
      expect(await logitsOf(context, tokens.slice(0, count))).toEqual(alone.slice(0, count))
  })
})
