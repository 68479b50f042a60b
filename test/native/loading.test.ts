import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { readGguf } from '../../src/models/gguf/header.ts'
import { binding, LOAD } from '../support/native-models.ts'
import { TINY_MODELS } from '../support/tiny-models.ts'

const folder = mkdtempSync(join(tmpdir(), 'gpt4all-loading-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function save(bytes: Buffer): string {
  const path = join(folder, 'model.gguf')
  writeFileSync(path, bytes)
  return path
}

/** Beyond which loading asks whether to go on. */
const PIECE = 64 * 2 ** 20

test('a large tensor is loaded in pieces, with progress between them', async () => {
  const rows = (1.25 * PIECE) / (32 * 4)
  const file = TINY_MODELS.llama()
  const { tensors } = await readGguf(save(file.bytes()))
  for (const { name } of tensors) if (name.startsWith('blk.1.')) file.removeTensor(name)
  const bytes = file
    .set('llama.block_count', 'u32', 1)
    .set('llama.feed_forward_length', 'u32', rows)
    .tensor('blk.0.ffn_gate.weight', [32, rows], 'F32', 0)
    .tensor('blk.0.ffn_up.weight', [32, rows], 'F32', 0)
    .tensor('blk.0.ffn_down.weight', [rows, 32], 'F32', 0)
    .bytes()
  const path = save(bytes)
  const fractions: number[] = [0]
  const model = await binding.Model.load(path, LOAD, (fraction) => fractions.push(fraction)).promise
  model.close()
  const steps = fractions.slice(1).map((fraction, i) => (fraction - fractions[i]!) * bytes.length)
  expect(Math.max(...steps)).toBeLessThan(1.01 * PIECE)
  expect(fractions.at(-1)).toBe(1)
})

describe('a load that waits for another of the same file', () => {
  /** Begins to load a file; `reaches(stage)` resolves once that stage is over. */
  function follow() {
    const stages: number[] = []
    const waiting = new Map<number, () => void>()
    const path = save(TINY_MODELS.llama().bytes())
    const onStage = (stage: number) => {
      stages.push(stage)
      waiting.get(stage)?.()
    }
    const loading = binding.Model.load(path, { ...LOAD, follows: true, onStage })
    const reaches = (stage: number) =>
      new Promise<void>((resolve) => {
        if (stages.length >= stage) resolve()
        else waiting.set(stage, resolve)
      })
    return { loading, stages, reaches }
  }

  test('reports no stage before the other ends it, and loads once that has loaded', async () => {
    const { loading, stages, reaches } = follow()
    expect(stages).toEqual([])
    for (const stage of [1, 2, 3]) {
      loading.allow(stage)
      await reaches(stage)
      expect(stages).toEqual([1, 2, 3].slice(0, stage))
    }
    loading.allow(4)
    const model = await loading.promise
    expect(stages).toEqual([1, 2, 3])
    model.close()
  })

  test.each([0, 1, 2, 3])('can be aborted after stage %i, while it waits', async (stage) => {
    const { loading, stages, reaches } = follow()
    loading.allow(stage)
    await reaches(stage)
    loading.cancel()
    await expect(loading.promise).rejects.toMatchObject({ code: 'ERR_ABORTED' })
    expect(stages).toHaveLength(stage)
  })

  test('reports no more stages than there are', async () => {
    const { loading } = follow()
    expect(() => loading.allow(5)).toThrow(/"stages"/)
    loading.cancel()
    await expect(loading.promise).rejects.toMatchObject({ code: 'ERR_ABORTED' })
  })
})
