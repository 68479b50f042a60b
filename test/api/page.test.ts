import { createRequire } from 'node:module'
import { basename, dirname } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { GPT4All } from '../../src/index.ts'
import { EMBEDDED, hasReal, REAL } from '../support/models.ts'

/**
 * The examples of the GPT4All Python package's page on its Generation API, ported line by line: what is
 * `with model.chat_session():` there is `await model.withChatSession(async () => {...})` here.
 */
// The page's prompt ends in a space, which is a token of its own for many vocabularies: without it the answer is better.
const capital = 'The capital of France is'

const MODELS = [
  {
    name: 'the embedded model',
    path: EMBEDDED,
    isThere: true,
    count: 'Count from 1 to 9.',
  },
  {
    name: 'SmolLM2-135M',
    path: REAL,
    isThere: hasReal,
    count: 'Count from 1 to 9, with commas.',
  },
]

for (const { name, path, isThere, count } of MODELS) {
  describe.skipIf(!isThere)(`the examples of GPT4All's page on ${name}`, () => {
    const model = new GPT4All(path, { nThreads: 1 })
    afterAll(() => model.close())

    test('quickstart: an answer of at most 3 tokens', async () => {
      const output = await model.generate(capital, { maxTokens: 3, temp: 0 })
      expect(output).toContain('Paris')
      const { usage, finishReason } = await model.generate('Once upon a time', { maxTokens: 3 }).result
      expect(usage.completionTokens).toBe(3)
      expect(finishReason).toBe('length')
    })

    test('chatting: three exchanges, all of them in currentChatSession', async () => {
      await model.withChatSession(async () => {
        const responses = [
          await model.generate('hello', { topK: 1 }),
          await model.generate('write me a short poem', { topK: 1, maxTokens: 40 }),
          await model.generate('thank you', { topK: 1 }),
        ]
        expect(model.currentChatSession?.messages).toEqual([
          { role: 'user', content: 'hello' },
          { role: 'assistant', content: responses[0] },
          { role: 'user', content: 'write me a short poem' },
          { role: 'assistant', content: responses[1] },
          { role: 'user', content: 'thank you' },
          { role: 'assistant', content: responses[2] },
        ])
        expect(responses.every((response) => response !== '')).toBe(true)
      })
    })

    test('streaming: tokens as they come', async () => {
      const tokens: string[] = []
      for await (const token of model.generate(capital, { maxTokens: 20, streaming: true, temp: 0 }))
        tokens.push(token)
      expect(tokens.length).toBeGreaterThan(1)
      expect(tokens.join('')).toBe(await model.generate(capital, { maxTokens: 20, temp: 0 }))
    })

    test('influencing generation: temp 0 and topK 1 repeat, a topP near 0 does too', async () => {
      const run = (options: object) => model.generate('Once upon a time', { maxTokens: 12, ...options })
      const greedy = await run({ temp: 0 })
      for (const options of [{ topK: 1 }, { topP: 1e-6 }, { temp: 0, topK: 5, topP: 0.1 }])
        expect(await run(options)).toBe(greedy)
    })

    test('the full path of an existing model', async () => {
      const named = new GPT4All(basename(path), {
        modelPath: dirname(path),
        allowDownload: false,
        nThreads: 1,
      })
      expect(await named.generate(capital, { maxTokens: 3, temp: 0 })).toContain('Paris')
      await named.close()
    })

    test('custom templates in a session', async () => {
      const systemTemplate = '<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n'
      const promptTemplate = '<|im_start|>user\n{0}<|im_end|>\n<|im_start|>assistant\n'
      await model.withChatSession({ systemTemplate, promptTemplate }, async (session) => {
        const response1 = await model.generate(count, {
          temp: 0,
          repeatPenalty: 1,
          maxTokens: 30,
        })
        expect(response1).toMatch(/1, ?2, ?3/)
        const response2 = await model.generate('What is the capital of France?', { temp: 0, maxTokens: 30 })
        expect(response2).toContain('Paris')
        expect(session.messages.map(({ role }) => role)).toEqual([
          'system',
          'user',
          'assistant',
          'user',
          'assistant',
        ])
      })
    })

    test('templates in simple generate() calls, special tokens parsed', async () => {
      const format = (template: string, text: string) => template.replace('{0}', text)
      const systemTemplate = '<|im_start|>system\n{0}<|im_end|>\n'
      const promptTemplate = '<|im_start|>user\n{0}<|im_end|>\n<|im_start|>assistant\n'
      const response = await model.generate(
        format(systemTemplate, 'You are a helpful assistant.') +
          format(promptTemplate, 'What is the capital of France?'),
        { temp: 0, maxTokens: 30 },
      )
      expect(response).toContain('Paris')
    })

    test('prompt introspection with logging: the final prompt at level info', async () => {
      const lines: string[] = []
      const info = (line: string) => void lines.push(line)
      const logger = { debug() {}, info, warn() {}, error() {} }
      const logged = await GPT4All.load(path, { nThreads: 1, logger })
      await logged.withChatSession({ systemPrompt: 'Be brief.' }, async () => {
        await logged.generate('hello', { maxTokens: 1 })
        await logged.generate('and again', { maxTokens: 1 })
      })
      const prompts = lines.filter((line) => line.startsWith('prompt of'))
      expect(prompts).toHaveLength(2)
      expect(prompts[0]).toMatch(/^prompt of \d+ tokens, 0 of them cached:\n/)
      expect(prompts[0]).toContain('Be brief.')
      expect(prompts[0]).toContain('hello')
      expect(prompts[1]).toMatch(/^prompt of \d+ tokens, [1-9]\d* of them cached:\n.*hello.*and again/s)
      await logged.close()
    })

    test('ending generation on a keyword', async () => {
      const prompt = await model.renderPrompt([{ role: 'user', content: count }])
      const options = { temp: 0, repeatPenalty: 1, maxTokens: 30 }
      const { text, finishReason, stopSequence } = await model.generate(prompt, { ...options, stop: '5' })
        .result
      expect({ text, finishReason, stopSequence }).toEqual({
        text: '1, 2, 3, 4, ',
        finishReason: 'stop',
        stopSequence: '5',
      })
      let written = ''
      const callback = (_: number, piece: string) => {
        written += piece
        return !written.includes('5')
      }
      const called = await model.generate(prompt, { ...options, callback }).result
      expect(called.finishReason).toBe('callback')
      expect(called.text).toBe('1, 2, 3, 4, 5')
    })

    test('no internet access: nothing is asked of the network', async () => {
      const net = createRequire(import.meta.url)('node:net') as typeof import('node:net')
      const { connect } = net.Socket.prototype
      let sockets = 0
      net.Socket.prototype.connect = function counted(this: never, ...args: never[]) {
        sockets++
        return (connect as (...args: never[]) => never).apply(this, args)
      } as typeof connect
      const offline = await GPT4All.load(path, { nThreads: 1 })
      await offline.withChatSession(() => offline.generate('hello', { maxTokens: 2 }))
      await offline.close()
      net.Socket.prototype.connect = connect
      expect(sockets).toBe(0)
    })
  })
}
