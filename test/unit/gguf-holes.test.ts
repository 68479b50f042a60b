import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { readGguf } from '../../src/models/gguf/header.ts'
import { GgufWriter } from '../support/gguf-writer.ts'
import { TINY_MODELS } from '../support/tiny-models.ts'

const GIB = 2 ** 30

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gpt4all-holes-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** Ends in a hole, which takes no room on the disk. */
function save(bytes: Buffer, length: number, name = 'model.gguf'): string {
  const path = join(folder, name)
  writeFileSync(path, bytes)
  truncateSync(path, length)
  return path
}

const llama = () => TINY_MODELS.llama()

/** An array whose elements the hole holds: its key is the last, and there are no tensors. */
function endingInArray(elementType: number, count: number): Buffer {
  const start = Buffer.alloc(16)
  start.writeUInt32LE(9, 0) // an array
  start.writeUInt32LE(elementType, 4)
  start.writeBigUInt64LE(BigInt(count), 8)
  return new GgufWriter().set('general.architecture', 'string', 'llama').raw('numbers', start).bytes()
}

const damaged = (message: string) => ({
  code: 'ERR_MODEL_DAMAGED',
  message: expect.stringContaining(message),
})

describe('a file with a hole', () => {
  test('after its last tensor is ERR_MODEL_DAMAGED if the hole is longer than 1 GiB', async () => {
    const bytes = llama().bytes()
    await expect(readGguf(save(bytes, 4096 * GIB))).rejects.toMatchObject(damaged('belong to no tensor'))
    expect(await readGguf(save(bytes, GIB))).toMatchObject({ fileBytes: GIB })
  })

  test.each([
    ['numbers', 0, 2048 * GIB],
    ['texts', 8, 256 * GIB],
  ])('in its header, as an array of %s, is ERR_MODEL_DAMAGED before it is read', async (_, type, count) => {
    const path = save(endingInArray(type, count), 4096 * GIB)
    await expect(readGguf(path)).rejects.toMatchObject(damaged('header has more than 1 GiB'))
  })

  test('in each of its parts is ERR_MODEL_DAMAGED if they are longer than 1 GiB together', async () => {
    const part = (file: GgufWriter, no: number) =>
      file.set('split.count', 'u16', 2).set('split.no', 'u16', no).bytes()
    const first = llama().removeTensor('output_norm.weight')
    const path = save(part(first, 0), 0.75 * GIB, 'model-00001-of-00002.gguf')
    const second = part(new GgufWriter().tensor('output_norm.weight', [32]), 1)
    save(second, 0.75 * GIB, 'model-00002-of-00002.gguf')
    await expect(readGguf(path)).rejects.toMatchObject(damaged('belong to no tensor'))
    save(second, second.length, 'model-00002-of-00002.gguf')
    expect(await readGguf(path)).toMatchObject({ files: [{}, {}] })
  })
})
