import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { NativeContext } from '../../src/native/contract.ts'
import { EMBEDDED, hasReal, REAL } from '../support/models.ts'
import { binding, folder, openContext, openModel, tinyFile } from '../support/native-models.ts'
import { TINY_MODELS } from '../support/tiny-models.ts'

const MOST = 19 // columns: two tiles of eight, and a part of a third

const [GGML, ...OWN] = binding.kernels()

/** Logits of the first tokens of `count` sequences side by side, then of a prompt and what follows it. */
async function logitsOf(context: NativeContext, count: number): Promise<Buffer> {
  const entry = (sequence: number, position: number, tokens: number[]) => ({
    ...{ sequence, position, tokens: Int32Array.from(tokens) },
    ...{ outputs: [tokens.length - 1], logits: true },
  })
  const firsts = Array.from({ length: count }, (_, i) => entry(i, 0, [3 + 7 * i]))
  const steps = [firsts, [entry(0, 0, [1, 30, 62, 94, 126, 158, 190])], [entry(0, 7, [222])]]
  const bytes: Buffer[] = []
  for (const step of steps)
    for (const { logits } of await context.eval(step)) bytes.push(Buffer.from(logits![0]!.slice().buffer))
  return Buffer.concat(bytes)
}

/** Activations of 70,000: sums of them are too large for a half. */
function large(): string {
  const path = join(folder, 'large.gguf')
  writeFileSync(path, TINY_MODELS.llama().tensor('output_norm.weight', [32], 'F32', 70_000).bytes())
  return path
}

type Case = [string, () => string, Partial<{ threads: number; counts: number[] }>]

const REALS: Case[] = hasReal ? [['Q4_1, a whole model', () => REAL, { counts: [13] }]] : []

test('ggml computes without AMX, whose buffers would take the place of these kernels', () => {
  expect(binding.systemInfo).toMatch(/AVX2 = 1|NEON = 1|SSE3 = 1/)
  expect(binding.systemInfo).not.toContain('AMX')
})

test('only kernels that the processor has can be chosen', () => {
  expect(GGML).toBe('ggml')
  for (const name of binding.kernels()) expect(binding.useKernels(name)).toBe(true)
  expect(binding.useKernels('none')).toBe(false)
})

if (OWN.length === 0)
  test.skip('products are not tested: this build or processor has none of our kernels', () => {})

describe.each(OWN)('products of our own kernels, %s', (kernels) => {
  // Two threads that compute beside other tests wait for each other for long, so only some cases have them.
  test.each<Case>([
    ['Q4_0', () => tinyFile('llama-q4_0'), {}],
    ['Q4_0, rows of many blocks', () => tinyFile('llama-q4_0-wide'), {}],
    ['Q4_0, two threads', () => tinyFile('llama-q4_0-wide'), { threads: 2, counts: [2] }],
    ['Q4_1', () => tinyFile('llama-q4_1'), {}],
    ['Q4_1, two threads', () => tinyFile('llama-q4_1'), { threads: 2, counts: [2] }],
    ['Q8_0', () => tinyFile('llama'), {}],
    ['Q8_0 with large activations', large, {}],
    ['Q8_0, a whole model', () => EMBEDDED, {}],
    ...REALS,
  ])("equal ggml's bit for bit: %s", async (_, file, { threads = 1, counts = [1, 2, 3, 4, 5, 13, MOST] }) => {
    const model = await openModel(file())
    const shape = { sequences: MOST, contextSize: 32, maxOutputs: MOST, threads, batchThreads: threads }
    const context = await openContext(model, shape)
    for (const count of counts) {
      binding.useKernels('ggml')
      const expected = await logitsOf(context, count)
      binding.useKernels(kernels)
      const own = await logitsOf(context, count)
      expect(Buffer.compare(own, expected)).toBe(0)
      expect(new Float32Array(own.buffer, own.byteOffset, own.length / 4).every(Number.isFinite)).toBe(true)
    }
  })
})
