import { expect, test } from 'vitest'
import { checkPositions } from '../../src/loading/fit.ts'
import type { GgufHeader } from '../../src/models/gguf/header.ts'

const header = (tensors: { name: string; shape: number[] }[]) =>
  ({ path: 'gpt2.gguf', tensors }) as unknown as GgufHeader

test('more tokens than a model has learned positions for are refused, with the fix', () => {
  const gpt2 = header([{ name: 'position_embd.weight', shape: [32, 64] }])
  expect(() => checkPositions(gpt2, 64)).not.toThrow()
  expect(() => checkPositions(gpt2, 65)).toThrow(
    expect.objectContaining({
      code: 'ERR_MODEL_UNSUPPORTED',
      message: expect.stringContaining('set nCtx to 64'),
    }),
  )
})

test('models that compute their positions accept any number', () => {
  expect(() =>
    checkPositions(header([{ name: 'token_embd.weight', shape: [32, 64] }]), 2 ** 24),
  ).not.toThrow()
})
