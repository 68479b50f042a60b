import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { NativeModel } from '../../src/native/contract.ts'
import { writeAdapter } from '../support/adapter.ts'
import { EMBEDDED } from '../support/models.ts'
import { binding, LOAD, openContext, openModel, SHAPE, step, tokens } from '../support/native-models.ts'

const code = (name: string) => expect.objectContaining({ code: name })
const folder = mkdtempSync(join(tmpdir(), 'gpt4all-adapters-'))
const path = join(folder, 'adapter.gguf')
let model: NativeModel

beforeAll(async () => {
  writeFileSync(path, (await writeAdapter()).bytes())
  model = await binding.Model.load(EMBEDDED, { ...LOAD, adapters: [path] }).promise
})
afterAll(() => {
  model.close()
  rmSync(folder, { recursive: true })
})

async function logits(of: NativeModel, adapterScales: readonly number[]): Promise<Float32Array> {
  const context = await openContext(of, { adapterScales })
  const prompt = tokens(of, 'The capital of France is')
  const outputs = [prompt.length - 1]
  const result = await step(context, { sequence: 0, position: 0, tokens: prompt, outputs, logits: true })
  await context.close()
  return result.logits![0]!
}

const farthest = (a: Float32Array, b: Float32Array) =>
  Math.max(...a.map((logit, i) => Math.abs(logit - b[i]!)))

describe('adapters of a model', () => {
  test('do not change the logits at scale 0, bit for bit', async () => {
    expect(await logits(model, [0])).toEqual(await logits(await openModel(), []))
  })

  test('have the scale that each context sets, independently of the others', async () => {
    const [none, half, whole] = await Promise.all([0, 0.5, 1].map((scale) => logits(model, [scale])))
    expect(farthest(none!, half!)).toBeGreaterThan(0.01)
    expect(farthest(half!, whole!)).toBeGreaterThan(0.01)
    expect(await logits(model, [1])).toEqual(whole)
  })

  test('add up: two halves equal a whole', async () => {
    const twice = await binding.Model.load(EMBEDDED, { ...LOAD, adapters: [path, path] }).promise
    expect(farthest(await logits(twice, [0.5, 0.5]), await logits(model, [1]))).toBeLessThan(0.01)
    twice.close()
  })

  test('are kept as long as a context needs them', async () => {
    const own = await binding.Model.load(EMBEDDED, { ...LOAD, adapters: [path] }).promise
    const context = await openContext(own, { adapterScales: [1] })
    const prompt = tokens(own, 'The capital of France is')
    own.close()
    const outputs = [prompt.length - 1]
    const result = await step(context, { sequence: 0, position: 0, tokens: prompt, outputs, logits: true })
    await context.close()
    expect(result.logits![0]).toEqual(await logits(model, [1]))
  })

  test('make the load fail with ERR_LOAD and their path if they cannot be read', async () => {
    for (const bad of [join(folder, 'nowhere.gguf'), EMBEDDED]) {
      const loading = binding.Model.load(EMBEDDED, { ...LOAD, adapters: [path, bad] }).promise
      await expect(loading).rejects.toThrow(code('ERR_LOAD'))
      await expect(loading).rejects.toThrow(bad)
    }
  })

  test('need a scale each', () => {
    for (const adapterScales of [[], [1, 1], ['1'], [NaN], [Infinity]] as number[][])
      expect(() => binding.Context.create(model, { ...SHAPE, adapterScales })).toThrow(code('ERR_ARGUMENT'))
  })
})
