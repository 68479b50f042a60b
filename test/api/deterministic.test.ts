import { afterAll, describe, expect, test } from 'vitest'
import { type ChatMessage, GPT4All } from '../../src/index.ts'
import { EMBEDDED, hasReal, REAL } from '../support/models.ts'

const TOPICS = [
  'the sea',
  'bread',
  'a small town',
  'mathematics',
  'winter',
  'trains',
  'music',
  'a lost key',
  'the moon',
  'tea',
]

const MODELS = [
  { name: 'the embedded model', path: EMBEDDED, isThere: true },
  { name: 'SmolLM2-135M', path: REAL, isThere: hasReal },
]

for (const { name, path, isThere } of MODELS) {
  describe.skipIf(!isThere)(`deterministic: true, ${name}`, () => {
    const model = new GPT4All(path, { nThreads: 1, deterministic: true })
    afterAll(() => model.close())

    test('gives the same texts in a cached session and a fresh one, 10 of 10', async () => {
      for (const [i, topic] of TOPICS.entries()) {
        // Greedy, and drawn with a seed: equal logits draw equal tokens.
        const options = { temp: i % 2 ? 0.8 : 0, topP: 0.95, repeatPenalty: 1.05, seed: i, maxTokens: 24 }
        const questions = [`Tell me about ${topic}.`, 'Why?', `Say more about ${topic}, in other words.`]
        const cached = model.chatSession({ systemPrompt: 'You are a helpful assistant.' })
        const texts: string[] = []
        const histories: (readonly ChatMessage[])[] = []
        for (const question of questions) {
          histories.push(cached.messages)
          texts.push(await cached.generate(question, options))
        }
        for (const [turn, question] of questions.entries()) {
          await model.generate(`${topic} ${turn}`, { maxTokens: 1 }) // takes the cache away
          const fresh = model.chatSession(
            turn === 0 ? { systemPrompt: 'You are a helpful assistant.' } : { messages: histories[turn]! },
          )
          expect(await fresh.generate(question, options), `${topic}, turn ${turn}`).toBe(texts[turn])
        }
      }
    })

    test('gives the same texts after turns were dropped', async () => {
      const small = await GPT4All.load(path, { nThreads: 1, nCtx: 200, deterministic: true })
      const options = { temp: 0, repeatPenalty: 1, maxTokens: 16 }
      const cached = small.chatSession()
      for (const [i, topic] of TOPICS.slice(0, 6).entries()) {
        const { messages } = cached
        const made = await cached.generate(`Tell me about ${topic}.`, options).result
        await small.generate(`${topic} ${i}`, { maxTokens: 1 })
        const fresh = await small.chatSession({ messages }).generate(`Tell me about ${topic}.`, options)
          .result
        expect(fresh.text).toBe(made.text)
        expect(fresh.dropped).toEqual(made.dropped)
      }
      await small.close()
    })

    test('samples the same tokens after a long prompt, whatever is cached', async () => {
      const long = TOPICS.map(
        (topic) => `Once there was somebody who thought of ${topic} all day long. `,
      ).join('')
      const options = { temp: 0.9, topK: 0, topP: 1, seed: 5, maxTokens: 20 }
      const ask = async (prompt: string) => (await model.generate(prompt, options).result).tokens
      await model.generate('Something else', { maxTokens: 1 })
      const first = await ask(long)
      await ask(long.slice(0, 200)) // another end behind the same beginning
      expect(await ask(long)).toEqual(first)
      await ask(`${long} And then`)
      expect(await ask(long)).toEqual(first)
      await Promise.all([ask('Beside it'), ask(long).then((tokens) => expect(tokens).toEqual(first))])
      const controller = new AbortController()
      const aborted = model.generate(`${long}${long}`, { ...options, signal: controller.signal })
      setImmediate(() => controller.abort())
      await aborted.catch(() => {})
      expect(await ask(long)).toEqual(first)
      // In smaller steps the slices stay whole.
      expect((await model.generate(long, { ...options, nBatch: 7 }).result).tokens).toEqual(first)
    })
  })
}

test('a deterministic model refuses any other parallel than 1', () => {
  const open = (parallel: number) => new GPT4All(EMBEDDED, { deterministic: true, parallel })
  expect(open(1).parallel).toBeUndefined()
  expect(() => open(2)).toThrow(expect.objectContaining({ code: 'ERR_OPTION', option: 'parallel' }))
})
