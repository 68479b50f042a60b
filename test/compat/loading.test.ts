import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { createCompletion, InferenceModel, listModels, loadModel } from '../../src/compat/index.ts'
import { CHAT_MODEL, EMBEDDING_MODEL, type Gallery, makeGallery, UNLISTED_MODEL } from '../support/gallery.ts'
import { HubServer } from '../support/hub-server.ts'
import { tinyModel } from '../support/tiny-models.ts'

let gallery: Gallery
beforeAll(async () => {
  gallery = await makeGallery()
})
afterEach(() => vi.unstubAllEnvs())
afterAll(() => gallery.close())

const textOf = async (model: InferenceModel) => {
  const { choices } = await createCompletion(model, 'What is the capital of France?', { temp: 0 })
  model.dispose()
  return choices[0]!.message.content
}

describe('loadModel()', () => {
  test('takes an absolute path where no folder is given', async () => {
    const model = await loadModel(join(gallery.models, UNLISTED_MODEL), { allowDownload: false })
    expect(await textOf(model)).toContain('Paris')
  })

  test('takes a model of Hugging Face', async () => {
    const hub = await HubServer.start()
    vi.stubEnv('HF_ENDPOINT', hub.endpoint)
    const { readFile } = await import('node:fs/promises')
    hub.host('maker/tiny', { 'tiny-Q8_0.gguf': await readFile(join(gallery.models, CHAT_MODEL)) })
    const model = await loadModel('hf:maker/tiny:Q8_0', { modelPath: gallery.models })
    expect(model.modelName).toBe('maker--tiny--tiny-Q8_0.gguf')
    expect(await textOf(model)).toContain('Paris')
    await hub.close()
  })

  test('says in its own words what a model is for, and keeps the code', async () => {
    const options = { modelPath: gallery.models, allowDownload: false }
    const loading = loadModel(EMBEDDING_MODEL, options)
    await expect(loading).rejects.toMatchObject({
      code: 'ERR_MODEL_UNSUPPORTED',
      message: expect.stringContaining("loadModel(name, { type: 'embedding' })"),
    })
  })

  test('warns of a model for which no template is known anywhere', async () => {
    writeFileSync(join(gallery.models, 'bare.gguf'), tinyModel('llama'))
    const warned: string[] = []
    const note = ({ message }: Error) => void warned.push(message)
    process.on('warning', note)
    const model = await loadModel('bare', { modelPath: gallery.models, allowDownload: false })
    await new Promise((resolve) => setImmediate(resolve))
    process.off('warning', note)
    expect(model.config.promptTemplate).toContain('### Human')
    expect(warned.join()).toContain('Failed to load model config for bare. Using defaults.')
    model.dispose()
  })
})

describe('a list of models in a file', () => {
  const file = () => join(gallery.home, 'list.json')

  test.each([
    ['{', 'is not valid JSON'],
    ['{}', 'is not a list of models'],
    ['[null]', 'is not a list of models'],
  ])('that is none is an error that names it: %s', async (content, why) => {
    writeFileSync(file(), content)
    const message = `Model list file ${file()} ${why}.`
    await expect(listModels({ file: file() })).rejects.toThrow(message)
    await expect(loadModel(CHAT_MODEL, { modelConfigFile: file() })).rejects.toThrow(message)
    rmSync(file())
  })
})

test('an object of the program may take the place of a model', async () => {
  const { llm, config } = new InferenceModel({ name: () => 'mine' } as never, { systemPrompt: '' } as never)
  const model: InferenceModel = {
    llm,
    config,
    modelName: 'mine',
    createChatSession: () => Promise.reject(new Error('none')),
    generate: async () => ({ text: 'Yes.', nPast: 1, tokensIngested: 1, tokensGenerated: 1 }),
    dispose: () => {},
  }
  expect(await textOf(model)).toBe('Yes.')
})
