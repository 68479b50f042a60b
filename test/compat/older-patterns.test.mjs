import express from 'express'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { createCompletion, createTokenStream, loadModel } from '../../src/compat/index.ts'
import { CHAT_MODEL, CHATML, makeGallery } from '../support/gallery.ts'

// What public programs do with npm gpt4all 2.x and 3.x, reduced to their calls. A name in a title is the program's.

const CAPITAL = 'What is the capital of France?'
const UPPER = '<|im_start|>system\nAnswer in upper case.<|im_end|>'

/** @type {import('../support/gallery.ts').Gallery} */
let gallery
let model

beforeAll(async () => {
  gallery = await makeGallery()
})
afterEach(() => model?.dispose())
afterAll(() => gallery.close())

async function load() {
  model = await loadModel(CHAT_MODEL, { modelPath: gallery.models, modelConfigFile: gallery.catalog })
  return model
}
const contentOf = (completion) => completion.choices[0].message.content

describe('programs written for gpt4all 3.x and before', () => {
  test('14. one message, with a context size and a length that no model has', async () => {
    const llm = await load()
    const options = { verbose: false, nCtx: 10000, nPredict: 10000, temp: 0 }
    const completion = await createCompletion(llm, [{ role: 'user', content: CAPITAL }], options)
    expect(contentOf(completion)).toContain('Paris')
    expect(completion.usage.prompt_tokens).toBeLessThan(CAPITAL.length) // tokens, not characters
  })

  test('15. eleventy-plugin-gpt4all writes system messages by a template', async () => {
    const llm = await load()
    const systemPromptTemplate = '<|im_start|>system\n%1<|im_end|>\n'
    const messages = [
      { role: 'system', content: 'Answer in upper case.' },
      { role: 'user', content: CAPITAL },
    ]
    expect(contentOf(await createCompletion(llm, messages, { systemPromptTemplate, temp: 0 }))).toMatch(
      /PARIS/,
    )
    const alone = await createCompletion(llm, messages.slice(1), { systemPromptTemplate, temp: 0 })
    expect(contentOf(alone)).toContain('Paris')
  })

  test('16. a worker with the default import, a template of its own, and every option there is', async ({
    signal,
  }) => {
    const code = `
      import { isMainThread, parentPort, Worker } from 'node:worker_threads'
      import gpt from 'gpt4all-ts/compat'
      if (isMainThread) {
        const worker = new Worker(new URL(import.meta.url))
        worker.on('message', (text) => console.log(text))
        worker.on('error', (error) => { throw error })
      } else {
        const model = await gpt.loadModel('${CHAT_MODEL}')
        model.config.promptTemplate = ${JSON.stringify(CHATML)}
        const completion = await gpt.createCompletion(model, [{ role: 'user', content: '${CAPITAL}' }], {
          logitsSize: 0, tokensSize: 0, nPast: 0, nCtx: 0, nPredict: 30, topK: 40, topP: 0.9, temp: 0,
          nBatch: 8, repeatPenalty: 1.1, repeatLastN: 10, contextErase: 0.5,
        })
        parentPort.postMessage(completion.choices[0].message.content)
        model.dispose()
      }`
    expect((await gallery.run(code, { signal })).stdout).toContain('Paris')
  })

  test('17. a system prompt that the program puts into the config, a header and a footer', async () => {
    const llm = await load()
    llm.config.systemPrompt = UPPER
    const history = [
      { role: 'user', content: 'My name is Ada.' },
      { role: 'assistant', content: 'NICE TO MEET YOU, ADA.' },
    ]
    const entry = { role: 'user', content: 'What is my name?' }
    expect(contentOf(await createCompletion(llm, history.concat(entry), { temp: 0 }))).toContain('ADA')

    llm.config.systemPrompt = ''
    const header = { promptHeader: UPPER, promptFooter: '', temp: 0 }
    expect(contentOf(await createCompletion(llm, [{ role: 'user', content: CAPITAL }], header))).toContain(
      'PARIS',
    )
    const bare = await createCompletion(llm, [entry], { temp: 0, nPredict: 1 })
    const footed = await createCompletion(llm, [entry], { promptFooter: 'Be brief.', temp: 0, nPredict: 1 })
    expect(footed.usage.prompt_tokens).toBeGreaterThan(bare.usage.prompt_tokens)
  })

  test('18. a route hands on the options of its request, and rxjs gets a true promise', async () => {
    const loading = load()
    expect(loading).toBeInstanceOf(Promise)
    await loading
    expect(createTokenStream).toBeTypeOf('function') // imported, never called: it always threw
    expect(() => createTokenStream()).toThrow('This API has not been completed yet!')
    const app = express()
    app.post('/completion', express.json(), async (request, response) => {
      const { messages, ...options } = request.body
      response.json(await createCompletion(model, messages, options))
    })
    const server = app.listen(0, '127.0.0.1')
    await new Promise((resolve) => server.once('listening', resolve))
    try {
      const body = {
        messages: [{ role: 'user', content: CAPITAL }],
        promptHeader: '',
        temp: 0,
        hasDefaultHeader: true,
        repeat_penalty: 1.1,
        stream: null,
      }
      const answer = await fetch(`http://127.0.0.1:${server.address().port}/completion`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      })
      expect(contentOf(await answer.json())).toContain('Paris')
    } finally {
      server.close()
    }
  })
})
