import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import {
  createCompletion,
  createCompletionGenerator,
  createCompletionStream,
  createEmbedding,
  DEFAULT_MODEL_LIST_URL,
  loadModel,
} from '../../src/compat/index.ts'
import { CHAT_MODEL, DIMENSIONS, EMBEDDING_MODEL, makeGallery } from '../support/gallery.ts'

// What public programs do with npm gpt4all 4.0.0, reduced to their calls. They are JavaScript, options of other packages
// included, so this file is too. A name in a title is the program's.

const CAPITAL = 'What is the capital of France?'

/** @type {import('../support/gallery.ts').Gallery} */
let gallery
/** Where models are in these tests, which have a folder of their own. */
let here
const opened = []

beforeAll(async () => {
  gallery = await makeGallery()
  here = { modelPath: gallery.models, modelConfigFile: gallery.catalog }
  vi.stubEnv('GPT4ALL_MODELS_URL', gallery.env.GPT4ALL_MODELS_URL)
})
afterEach(() => {
  for (const model of opened.splice(0)) model.dispose()
})
afterAll(async () => {
  vi.unstubAllEnvs()
  await gallery.close()
})

async function load(options = {}, name = CHAT_MODEL) {
  const model = await loadModel(name, { ...here, ...options })
  opened.push(model)
  return model
}

describe('programs written for gpt4all 4.0.0', () => {
  test('1. lllms drives a model by its own templates, and asks which kind it is', async () => {
    const options = { allowDownload: false, device: 'cpu', ngl: 100, nCtx: 2048 }
    const model = await load({ ...options, type: 'inference' })
    model.llm.setThreadCount(1)
    expect(['generate', 'createChatSession', 'embed'].map((name) => name in model)).toEqual([
      true,
      true,
      false,
    ])
    expect(model.activeChatSession).toBeUndefined()
    await model.generate('', { nPredict: 0 }) // to have it in memory
    const prompt = `<|im_start|>user\n${CAPITAL}<|im_end|>\n<|im_start|>assistant\n`
    const task = { special: true, promptTemplate: '%1', temperature: 0, nPredict: undefined }
    const whole = await model.generate(prompt, { ...task, onResponseToken: () => true })
    expect(whole.text).toContain('Paris')
    expect(whole).toMatchObject({ tokensIngested: expect.any(Number), tokensGenerated: expect.any(Number) })
    let count = 0
    const cut = await model.generate(prompt, { ...task, onResponseToken: () => ++count < 3 })
    expect(whole.text.startsWith(cut.text)).toBe(true)
    expect(count).toBe(3)
    const session = await model.createChatSession({ systemPrompt: '', messages: [] })
    expect(model.activeChatSession).toBe(session)
    const completion = await createCompletion(session, CAPITAL, { temperature: 0 })
    for (const value of Object.values(completion.usage)) expect(value).toBeGreaterThan(0)

    const embedder = await load({ allowDownload: false, type: 'embedding' }, EMBEDDING_MODEL)
    expect('embed' in embedder && !('generate' in embedder)).toBe(true)
    const made = await createEmbedding(embedder, ['the cat', 'the dog'], { dimensions: 7 })
    expect(made.embeddings.map((one) => one.length)).toEqual([DIMENSIONS, DIMENSIONS])
    expect(made.n_prompt_tokens).toBeGreaterThan(0)
    expect(URL.canParse(DEFAULT_MODEL_LIST_URL)).toBe(true)
  })

  test('2. Thodd awaits the generator itself, for a session and for the model', async () => {
    const model = await load()
    const chat = await model.createChatSession({ temperature: 0.8, systemPrompt: 'You are helpful.' })
    let said = ''
    for await (const piece of createCompletionGenerator(chat, CAPITAL, {})) said += piece
    expect(said).not.toBe('')
    expect(chat.messages.at(-1)).toEqual({ role: 'assistant', content: said })
    let simple = ''
    for await (const piece of await createCompletionGenerator(model, CAPITAL, {})) simple += piece
    expect(simple).not.toBe('')
  })

  test('3. one session for each file, on one model', async () => {
    const model = await load()
    const summaries = []
    for (const name of ['Ada', 'Bob']) {
      const chat = await model.createChatSession()
      await createCompletion(chat, `My name is ${name}.`)
      const completion = await createCompletion(chat, 'What is my name?', { temp: 0 })
      summaries.push(completion.choices[0].message.content)
    }
    expect(summaries).toEqual([expect.stringContaining('Ada'), expect.stringContaining('Bob')])
  })

  test('4. a prompt line that asks until it ends, and frees the model at last', async () => {
    const model = await loadModel(CHAT_MODEL, here)
    const said = []
    try {
      const chat = await model.createChatSession()
      for (const line of ['My name is Ada.', 'What is my name?']) {
        const response = await createCompletion(chat, line, { temp: 0 })
        said.push(response.choices[0].message.content)
      }
    } finally {
      model.dispose()
    }
    expect(said[1]).toContain('Ada')
  })

  test('5. require(), a list of models in the working folder, and a type taken for a value', async ({
    signal,
  }) => {
    const code = `
      const { loadModel, createCompletion, CompletionResult } = require('gpt4all-ts/compat')
      const options = { modelConfigFile: './models3.json', verbose: false, device: 'cpu' }
      loadModel('${CHAT_MODEL}', options).then(async (model) => {
        const completion = await createCompletion(model, '${CAPITAL}', { temperature: 1 })
        console.log(typeof CompletionResult, completion.choices[0].message.role)
        model.dispose()
      })`
    const { stdout } = await gallery.run(code, { extension: 'cjs', signal })
    expect(stdout).toBe('undefined assistant\n')
  })

  test('6. a session that other modules share, and that nobody frees, does not keep the process', async ({
    signal,
  }) => {
    const code = `
      import { createCompletion, loadModel } from 'gpt4all-ts/compat'
      const session = await (await loadModel('${CHAT_MODEL}')).createChatSession()
      const ask = async (prompt) => (await createCompletion(session, prompt, { temp: 0 })).choices[0].message
      await ask('My name is Ada.')
      console.log((await ask('What is my name?')).content)`
    expect((await gallery.run(code, { signal })).stdout).toContain('Ada')
  })

  test('7. a class around a model and a session with a system prompt', async () => {
    class Assistant {
      async start() {
        this.model = await load()
        this.chat = await this.model.createChatSession({
          temperature: 0.7,
          systemPrompt: '<|im_start|>system\nAnswer in upper case.<|im_end|>\n',
        })
      }
      async ask(text) {
        return (await createCompletion(this.chat, text)).choices[0].message.content
      }
    }
    const assistant = new Assistant()
    await assistant.start()
    expect(await assistant.ask(CAPITAL)).toMatch(/PARIS/)
  })

  test('8. one vector, awaited and made a plain array', async () => {
    const embedder = await load({ type: 'embedding' }, EMBEDDING_MODEL)
    const { embeddings } = await createEmbedding(embedder, 'the cat')
    const numbers = Array.from(embeddings)
    expect(numbers).toHaveLength(DIMENSIONS)
    expect(numbers.every(Number.isFinite)).toBe(true)
  })

  test('9. options of other packages are ignored by generate()', async () => {
    const model = await load()
    const test = await model.generate('test', { maxTokens: 1 })
    expect(test).toMatchObject({ text: expect.any(String), nPast: expect.any(Number) })
    const options = { maxTokens: 5, temperature: 0, topK: 40, topP: 0.9, repeatPenalty: 1.1, seed: 7 }
    expect((await model.generate(CAPITAL, options)).text).toContain('Paris')
  })

  test('10. a model on the CPU answers a text', async () => {
    const model = await load({ device: 'cpu', nCtx: 2048, verbose: true })
    const response = await createCompletion(model, CAPITAL)
    expect(response).toMatchObject({ model: CHAT_MODEL, choices: [{ message: { role: 'assistant' } }] })
  })

  test('11. a NestJS service streams, and frees the model when its module goes', async () => {
    class Service {
      async onModuleInit() {
        this.model = await loadModel(CHAT_MODEL, here)
      }
      onModuleDestroy() {
        this.model.dispose()
      }
      async answer(prompt) {
        const stream = createCompletionStream(this.model, prompt)
        let text = ''
        stream.tokens.on('data', (data) => {
          text += data
        })
        const { choices } = await stream.result
        return { text, content: choices[0].message.content }
      }
    }
    const service = new Service()
    await service.onModuleInit()
    const { text, content } = await service.answer(CAPITAL)
    expect(text).not.toBe('')
    expect(text).toBe(content)
    service.onModuleDestroy()
  })

  test('12. a model that must not be downloaded needs no list', async () => {
    const model = await loadModel(CHAT_MODEL, { allowDownload: false, modelPath: gallery.models })
    const { choices } = await createCompletion(model, CAPITAL, { temp: 0 })
    expect(choices[0].message.content).toContain('Paris')
    model.dispose()
    const empty = join(gallery.home, 'empty')
    await mkdir(empty)
    await expect(loadModel(CHAT_MODEL, { allowDownload: false, modelPath: empty })).rejects.toThrow()
    expect(gallery.server.requests).toEqual([])
  })

  test('13. a race that the completion loses, and dispose() while it is under way', async () => {
    const model = await loadModel(CHAT_MODEL, here)
    let begun = () => {}
    const limit = new Promise((_, reject) => {
      begun = () => reject(new Error('it took too long'))
    })
    const completion = createCompletion(model, 'Count from 1 to 100.', { onResponseToken: () => begun() })
    try {
      await expect(Promise.race([completion, limit])).rejects.toThrow('it took too long')
    } finally {
      model.dispose()
    }
    await expect(completion).rejects.toThrow()
  })
})
