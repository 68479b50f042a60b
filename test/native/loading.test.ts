import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
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

test('a tensor that is large is loaded piece by piece, between which loading tells how far it is', async () => {
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
