import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Gallery, makeGallery } from '../support/gallery.ts'

/** What gpt4all 4.0.0 exports, and listModels(), which only its declarations do. */
const EXPORTS = [
  'ChatSession',
  'DEFAULT_DIRECTORY',
  'DEFAULT_LIBRARIES_DIRECTORY',
  'DEFAULT_MODEL_CONFIG',
  'DEFAULT_MODEL_LIST_URL',
  'DEFAULT_PROMPT_CONTEXT',
  'EmbeddingModel',
  'InferenceModel',
  'LLModel',
  'createCompletion',
  'createCompletionGenerator',
  'createCompletionStream',
  'createEmbedding',
  'downloadModel',
  'listModels',
  'loadModel',
  'retrieveModel',
]

let gallery: Gallery
beforeAll(async () => {
  gallery = await makeGallery()
})
afterAll(() => gallery.close())

describe('gpt4all-ts/compat exports what gpt4all does', () => {
  test.for([
    ['named imports', 'mjs', `import { ${EXPORTS} } from 'gpt4all-ts/compat'\nconst gpt = { ${EXPORTS} }`],
    ['the default import', 'mjs', "import gpt from 'gpt4all-ts/compat'"],
    ['all imports', 'mjs', "import * as gpt from 'gpt4all-ts/compat'"],
    ['require()', 'cjs', "const gpt = require('gpt4all-ts/compat')"],
  ] as const)('to %s', async ([, extension, line], { signal }) => {
    const code = `${line}\nconsole.log(JSON.stringify(Object.entries(gpt).map(([name, one]) => [name, typeof one])))`
    const { stdout, stderr } = await gallery.run(code, { extension, signal })
    const types = Object.fromEntries(JSON.parse(stdout) as [string, string][])
    const expected = (name: string) => {
      if (/_(CONFIG|CONTEXT)$/.test(name)) return 'object'
      return name.startsWith('DEFAULT_') ? 'string' : 'function'
    }
    expect(types).toMatchObject(Object.fromEntries(EXPORTS.map((name) => [name, expected(name)])))
    expect(stderr).toBe('')
  })

  test('once: a model from one way of importing is an instance of the class from another', async ({
    signal,
  }) => {
    const code = `
      import { createRequire } from 'node:module'
      import gpt, { InferenceModel, loadModel } from 'gpt4all-ts/compat'
      const required = createRequire(import.meta.url)('gpt4all-ts/compat')
      const model = await loadModel('orca-mini-3b-gguf2-q4_0.gguf')
      console.log(model instanceof InferenceModel, model instanceof gpt.InferenceModel, model instanceof required.InferenceModel)
      model.dispose()`
    expect((await gallery.run(code, { signal })).stdout).toBe('true true true\n')
  })
})
