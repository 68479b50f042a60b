import { afterEach, describe, expect, test } from 'vitest'
import { GPT4All, type ModelOptions, QueueFullError } from '../../src/index.ts'
import { EMBEDDED } from '../support/models.ts'

const GREEDY = { temp: 0, repeatPenalty: 1, maxTokens: 24 } as const
const CAPITALS = {
  France: 'Paris',
  Italy: 'Rome',
  Spain: 'Madrid',
  Germany: 'Berlin',
  Japan: 'Tokyo',
} as const

const models: GPT4All[] = []
afterEach(async () => {
  for (const model of models.splice(0)) await model.close()
})

async function open(options: ModelOptions = {}): Promise<GPT4All> {
  const model = await GPT4All.load(EMBEDDED, { nThreads: 1, ...options })
  models.push(model)
  return model
}

describe('many generations at once on one model', () => {
  test('50 chats of 3 turns, some aborted, some left: each gets its own answers', async () => {
    const model = await open({ nCtx: 512 })
    const countries = Object.entries(CAPITALS)
    const chat = async (i: number) => {
      const [country, capital] = countries[i % countries.length]!
      const session = model.chatSession()
      const name = `Name${i}`
      expect(await session.generate(`What is the capital of ${country}?`, GREEDY)).toContain(capital)
      if (i % 5 === 0) {
        const signal = AbortSignal.timeout(i % 3)
        await session.generate('Count from 1 to 20.', { ...GREEDY, signal }).catch(() => {})
      }
      if (i % 7 === 0) for await (const _ of session.generate('Count from 1 to 20.', GREEDY)) break
      await session.generate(`My name is ${name}.`, GREEDY)
      expect(session.messages.at(-2)).toEqual({ role: 'user', content: `My name is ${name}.` })
      expect(session.messages.map(({ content }) => content).join()).not.toMatch(
        new RegExp(`Name(?!${i}\\b)\\d`),
      )
      await session.close()
    }
    await Promise.all(Array.from({ length: 50 }, (_, i) => chat(i)))
  })

  test('many chats at once are answered, whatever the logger throws', async () => {
    let isLoaded = false
    const fail = () => {
      if (isLoaded) throw new Error('a logger of the program')
    }
    const model = await open({ logger: { debug: fail, info: fail, warn: fail, error: fail } })
    isLoaded = true
    const texts = await Promise.all(
      ['France', 'Italy'].map((country) => model.generate(`The capital of ${country} is`, GREEDY)),
    )
    expect(texts).toEqual([expect.stringContaining('Paris'), expect.stringContaining('Rome')])
  })

  test('with parallel 1 generations wait in line, and beyond maxQueue they are refused', async () => {
    const model = await open({ parallel: 1, maxQueue: 2 })
    const runs = ['France', 'Italy', 'Spain', 'Japan'].map((country) =>
      model.generate(`The capital of ${country} is`, { ...GREEDY, maxTokens: 3 }).then(
        (text) => text.trim(),
        (error: unknown) => error,
      ),
    )
    const [france, italy, spain, japan] = await Promise.all(runs)
    expect([france, italy, spain].map(String)).toEqual([
      expect.stringContaining('Paris'),
      expect.stringContaining('Rome'),
      expect.stringContaining('Madrid'),
    ])
    expect(japan).toBeInstanceOf(QueueFullError)
    expect(japan).toMatchObject({
      code: 'ERR_QUEUE_FULL',
      maxQueue: 2,
      message: expect.stringContaining('maxQueue'),
    })
    expect(await model.generate('The capital of Japan is', { ...GREEDY, maxTokens: 3 })).toContain('Tokyo')
  })

  test('waiting generations are served in order of arrival, however short their prompts are', async () => {
    const model = await open({ parallel: 1 })
    const ended: string[] = []
    const ask = (prompt: string) =>
      model.generate(prompt, { ...GREEDY, maxTokens: 8 }).finally(() => ended.push(prompt))
    await Promise.all(['Tell me a story', 'Hi', 'One day', 'a'].map(ask))
    expect(ended).toEqual(['Tell me a story', 'Hi', 'One day', 'a'])
  })

  test('activity and queueMs say how many run and wait, and how long each waited', async () => {
    const model = new GPT4All(EMBEDDED, { nThreads: 1, parallel: 2 })
    models.push(model)
    expect(model).toMatchObject({ parallel: undefined, activity: { running: 0, queued: 0 } })
    let seen = model.activity
    const callback = () => {
      seen = model.activity.queued > seen.queued ? model.activity : seen
    }
    const runs = [1, 2, 3, 4, 5].map(
      (count) => model.generate(`Count to ${count}:`, { ...GREEDY, maxTokens: 20, callback }).result,
    )
    const waited = (await Promise.all(runs)).map(({ timings }) => timings)
    expect(seen).toEqual({ running: 2, queued: 3 })
    expect(model).toMatchObject({ parallel: 2, activity: { running: 0, queued: 0 } })
    for (const { queueMs, promptMs } of waited) expect(queueMs).toBeLessThanOrEqual(promptMs)
    for (const first of waited.slice(0, 2))
      for (const later of waited.slice(2)) expect(later.queueMs).toBeGreaterThan(first.queueMs)
  })

  test('sessions that take turns keep their caches and evaluate only what is new', async () => {
    for (const [cacheMemory, isKept] of [
      [undefined, true],
      [0, false],
    ] as const) {
      const model = await open({ parallel: 1, ...(cacheMemory !== undefined && { cacheMemory }) })
      const sessions = ['France', 'Italy', 'Spain'].map((country) => ({
        country,
        session: model.chatSession(),
      }))
      const ask = async (text: (country: string) => string) => {
        const usages = []
        for (const { country, session } of sessions)
          usages.push((await session.generate(text(country), { ...GREEDY, maxTokens: 40 }).result).usage)
        return usages
      }
      await ask(
        (country) =>
          `I come from ${country}. Count from 1 to 20, then count from 1 to 20 again, then tell me what is the capital of Japan.`,
      )
      for (const { promptTokens, cachedTokens } of await ask((country) => `And of ${country}?`)) {
        if (isKept) expect(cachedTokens).toBeGreaterThan(promptTokens / 2)
        else expect(cachedTokens).toBeLessThan(promptTokens / 2)
      }
    }
  })

  test.each([
    ['parallel', 0],
    ['parallel', 257],
    ['parallel', 1.5],
    ['maxQueue', -1],
    ['maxQueue', 'many'],
    ['cacheMemory', -1],
    ['cacheMemory', Number.NaN],
    ['cacheMemory', 1.5],
  ])('option %s: %s is refused', (option, value) => {
    expect(() => new GPT4All(EMBEDDED, { [option]: value })).toThrow(
      expect.objectContaining({ code: 'ERR_OPTION', option }),
    )
  })
})

describe('promptLookup', () => {
  const REPEATED = 'one two three four five six seven eight nine ten. '.repeat(6)

  test('promptLookup gives the same text in fewer steps, and reports how well it guessed', async () => {
    const model = await open()
    for (const prompt of [REPEATED, 'Once upon a time', 'The capital of France is']) {
      const options = { ...GREEDY, maxTokens: 60 }
      const plain = await model.generate(prompt, options).result
      const guessed = await model.generate(prompt, { ...options, promptLookup: true }).result
      expect(guessed.tokens).toEqual(plain.tokens)
      expect(guessed.text).toBe(plain.text)
      expect(guessed.finishReason).toBe(plain.finishReason)
      expect(plain.timings).toMatchObject({ proposedTokens: 0, acceptedTokens: 0 })
      expect(guessed.timings.acceptedTokens).toBeLessThanOrEqual(guessed.timings.proposedTokens)
      if (prompt === REPEATED) expect(guessed.timings.acceptedTokens).toBeGreaterThan(5)
    }
  })

  test('with promptLookup a generation ends where it would without: maxTokens, stop strings, callbacks, the context', async () => {
    const model = await open({ nCtx: 128 })
    const prompt = 'a b c d e a b c d e a b c d e a b c'
    for (const more of [
      { maxTokens: 1 },
      { maxTokens: 7 },
      { stop: 'e' },
      { maxTokens: Number.POSITIVE_INFINITY },
    ]) {
      const options = { ...GREEDY, maxTokens: 30, ...more }
      const plain = await model.generate(prompt, options).result
      const guessed = await model.generate(prompt, { ...options, promptLookup: true }).result
      expect(guessed).toMatchObject({
        text: plain.text,
        tokens: plain.tokens,
        finishReason: plain.finishReason,
      })
    }
    let calls = 0
    const { tokens } = await model.generate(prompt, {
      ...GREEDY,
      promptLookup: true,
      callback: () => ++calls < 5,
    }).result
    expect(calls).toBe(5)
    expect(tokens.length).toBeLessThanOrEqual(5)
  })

  test('with promptLookup a seed repeats a run, and sampling is the same as without', async () => {
    const model = await open()
    const options = { temp: 0.9, topP: 1, seed: 7, maxTokens: 60 }
    const plain = await model.generate(REPEATED, options)
    expect(await model.generate(REPEATED, { ...options, promptLookup: true })).toBe(plain)
  })
})

describe('the timings of a generation', () => {
  test('have the waiting time as queueMs if it was stopped while it waited', async () => {
    const model = await open({ parallel: 1 })
    const running = model.generate('Once upon a time', { maxTokens: Number.POSITIVE_INFINITY })
    const first = running.result
    const waiting = model.generate('Hello')
    const second = waiting.result
    while (model.activity.queued === 0) await new Promise(setImmediate)
    await waiting.stop()
    const { timings, finishReason } = await second
    expect(finishReason).toBe('break')
    expect(timings.queueMs).toBeGreaterThan(0)
    expect(timings.queueMs).toBeLessThanOrEqual(timings.promptMs)
    await running.stop()
    await first
  })

  test('have promptTokensPerSecond if the answer ends before its first token', async () => {
    const model = await open()
    const end = Number((await model.tokenize('<|im_end|>', { parseSpecial: true }))[0])
    const { timings, usage } = await model.generate('Hello', { ...GREEDY, logitBias: { [end]: 1000 } }).result
    expect(usage.completionTokens).toBe(0)
    expect(timings.promptTokensPerSecond).toBeGreaterThan(0)
  })
})
