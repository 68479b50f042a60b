import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { GPT4All } from '../../src/index.ts'
import { EMBEDDED } from '../support/models.ts'

const GREEDY = { temp: 0, repeatPenalty: 1, maxTokens: 100 }
const PROMPTS = [
  'Once upon a time',
  'The capital of Italy is',
  'Hello',
  'Tell me a story about a dog and a cat',
]
const ROUNDS = 40

let model: GPT4All
const texts = new Map<string, string>()
const tokens = new Map<string, readonly number[]>()
beforeAll(async () => {
  model = await GPT4All.load(EMBEDDED, { nThreads: 1, nCtx: 256, parallel: 4 })
  const alone = await GPT4All.load(EMBEDDED, { nThreads: 1, nCtx: 256, parallel: 1 })
  for (const prompt of PROMPTS) {
    const generation = alone.generate(prompt, GREEDY)
    for await (const _ of generation); // somebody watches
    const result = await generation.result
    texts.set(prompt, result.text)
    tokens.set(prompt, result.tokens)
  }
  await alone.close()
})
afterAll(() => model.close())

const turns = async (count: number) => {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve))
}

/** Ways to use a generation, each with a number of its own. */
const ways: Record<string, (prompt: string, n: number) => Promise<void>> = {
  async 'awaited to its end'(prompt) {
    const { text, usage, tokens: made } = await model.generate(prompt, GREEDY).result
    expect([text, made]).toEqual([texts.get(prompt), tokens.get(prompt)])
    expect(usage.completionTokens).toBe(made.length)
  },
  async 'awaited for a few tokens'(prompt, n) {
    const { tokens: made } = await model.generate(prompt, { ...GREEDY, maxTokens: n }).result
    expect(made).toEqual(tokens.get(prompt)!.slice(0, n))
  },
  async 'read, then left'(prompt, n) {
    let read = ''
    let left = n
    for await (const piece of model.generate(prompt, GREEDY)) {
      read += piece
      if (left-- === 0) break
    }
    expect(texts.get(prompt)!.startsWith(read)).toBe(true)
  },
  async 'ended by its callback'(prompt, n) {
    let seen = 0
    const callback = () => ++seen < n + 1
    const { tokens: made } = await model.generate(prompt, { ...GREEDY, callback }).result
    expect(made).toEqual(tokens.get(prompt)!.slice(0, n + 1))
  },
  async 'ended by a stop string'(prompt, n) {
    const whole = texts.get(prompt)!
    const stop = whole.slice(n, n + 3)
    const { text } = await model.generate(prompt, { ...GREEDY, stop: stop ? [stop] : [] }).result
    expect(text).toBe(stop ? whole.slice(0, whole.indexOf(stop)) : whole)
  },
  async 'stopped while it is awaited'(prompt, n) {
    const generation = model.generate(prompt, GREEDY)
    const { result } = generation
    await turns(n)
    await generation.stop()
    expect(texts.get(prompt)!.startsWith((await result).text)).toBe(true)
  },
  async 'aborted while it is awaited'(prompt, n) {
    const controller = new AbortController()
    const generation = model.generate(prompt, { ...GREEDY, signal: controller.signal })
    const ended = generation.then(
      () => 'done',
      () => 'aborted',
    )
    await turns(n)
    controller.abort()
    expect(['done', 'aborted']).toContain(await ended)
    expect(texts.get(prompt)!.startsWith(generation.partial.text)).toBe(true)
  },
}

describe('generations that run several steps natively', () => {
  test.each(Object.entries(ways))('give the same as single steps: %s, alone', async (_, use) => {
    for (const [n, prompt] of PROMPTS.entries()) await use(prompt, 2 * n + 1)
  })

  test('give the same as single steps: all at once, more than there are slots', async () => {
    const all = Object.values(ways)
    for (let round = 0; round < ROUNDS; round++) {
      const at = Array.from({ length: 1 + (round % 9) }, (_, i) => round * 3 + i)
      await Promise.all(at.map((i) => all[i % all.length]!(PROMPTS[i % PROMPTS.length]!, i % 12)))
    }
  })

  test.each([0, 1, 100, 1000])(
    'give the same as single steps: with a streamInterval of %i ms',
    async (streamInterval) => {
      for (const prompt of PROMPTS) {
        const pieces: string[] = []
        const generation = model.generate(prompt, { ...GREEDY, streamInterval })
        for await (const piece of generation) pieces.push(piece)
        expect(pieces.join('')).toBe(texts.get(prompt))
        expect((await generation.result).tokens).toEqual(tokens.get(prompt))
        const called: number[] = []
        await model.generate(prompt, {
          ...GREEDY,
          streamInterval,
          callback: (token) => void called.push(token),
        })
        expect(called).toEqual(tokens.get(prompt))
      }
    },
  )

  test('end when the model is closed', async () => {
    const closing = await GPT4All.load(EMBEDDED, { nThreads: 1, parallel: 2 })
    const ended = PROMPTS.map((prompt) =>
      closing.generate(prompt, GREEDY).then(
        () => 'done',
        (error: unknown) => (error as { code: string }).code,
      ),
    )
    await turns(3)
    await closing.close()
    for (const end of await Promise.all(ended)) expect(['done', 'ERR_CLOSED']).toContain(end)
  })
})
