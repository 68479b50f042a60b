import { afterAll, describe, expect, test } from 'vitest'
import { type GenerateOptions, GPT4All, type Part, type TokenLogprob } from '../../src/index.ts'
import { EMBEDDED } from '../support/models.ts'

const model = new GPT4All(EMBEDDED, { nThreads: 1 })
afterAll(() => model.close())

const GREEDY = { temp: 0, repeatPenalty: 1 } as const
const PROMPT = 'The capital of France is'

async function parts(generation: { parts(): AsyncIterable<Part> }): Promise<Part[]> {
  const list: Part[] = []
  for await (const part of generation.parts()) list.push(part)
  return list
}

const total = (list: readonly { readonly logprob: number }[]) =>
  list.reduce((sum, { logprob }) => sum + Math.exp(logprob), 0)

describe('logprobs', () => {
  test('report each token of the answer and the most likely ones in its place, without changing the text', async () => {
    const plain = await model.generate(PROMPT, { ...GREEDY, maxTokens: 12 }).result
    expect(plain.logprobs).toBeUndefined()
    const told = await model.generate(PROMPT, { ...GREEDY, maxTokens: 12, logprobs: 5 }).result
    expect(told.text).toBe(plain.text)
    const logprobs = told.logprobs!
    expect(logprobs.map(({ token }) => token)).toEqual(told.tokens)
    for (const { token, text, bytes, logprob, top } of logprobs) {
      expect(top[0]).toEqual({ token, text, bytes, logprob }) // greedy takes the likeliest
      expect(top).toHaveLength(5)
      expect(Buffer.from(bytes).toString()).toBe(text)
      expect(total(top)).toBeLessThanOrEqual(1 + 1e-6)
      const sorted = [...top].sort((a, b) => b.logprob - a.logprob)
      expect(top).toEqual(sorted)
    }
    expect(logprobs.map(({ text }) => text).join('')).toBe(told.text)
  })

  test("are the model's own: sampling does not change them", async () => {
    const [plain] = (await model.generate(PROMPT, { ...GREEDY, maxTokens: 1, logprobs: 100 }).result)
      .logprobs!
    const options = { temp: 2, topK: 3, topP: 0.9, seed: 5, maxTokens: 1, logprobs: 100 }
    const [drawn] = (await model.generate(PROMPT, options).result).logprobs!
    expect(drawn!.top.map(({ token }) => token)).toEqual(plain!.top.map(({ token }) => token))
    for (const [i, { logprob }] of drawn!.top.entries())
      expect(logprob).toBeCloseTo(plain!.top[i]!.logprob, 3)
  })

  test('come with the parts that they belong to, each once', async () => {
    const generation = model.generate('Hello', { seed: 1, temp: 1.5, topP: 1, maxTokens: 60, logprobs: 0 })
    const list = await parts(generation)
    const { logprobs, tokens } = await generation.result
    const streamed = list.flatMap(({ logprobs }) => logprobs ?? [])
    expect(streamed.map(({ top }) => top.length)).toEqual(tokens.map(() => 0))
    expect(streamed).toEqual(logprobs)
    for (const { text, logprobs } of list) {
      const bytes = logprobs!.flatMap((one: TokenLogprob) => one.bytes)
      expect(Buffer.from(bytes).toString()).toBe(text)
    }
  })

  test('are complete if several tokens come at once from guesses', async () => {
    const sentence = 'One two three four five six seven eight nine ten. '
    const options = { ...GREEDY, maxTokens: 60, logprobs: 2 }
    const plain = await model.generate(sentence.repeat(4), options).result
    const guessed = await model.generate(sentence.repeat(4), { ...options, promptLookup: true }).result
    expect(guessed.timings.proposedTokens).toBeGreaterThan(0)
    expect(guessed.logprobs!.map(({ token }) => token)).toEqual(guessed.tokens)
    expect(plain.logprobs).toHaveLength(plain.tokens.length)
  })

  test('end with a stop string: those of its tokens are in the result, not in the parts', async () => {
    const generation = model.generate(PROMPT, { ...GREEDY, maxTokens: 20, logprobs: 1, stop: '.' })
    const list = await parts(generation)
    const { logprobs, tokens, stopSequence } = await generation.result
    expect(stopSequence).toBe('.')
    expect(logprobs).toHaveLength(tokens.length)
    expect(list.flatMap(({ logprobs }) => logprobs ?? []).length).toBeLessThanOrEqual(tokens.length)
  })

  test('of a chat turn are those of that turn only', async () => {
    const chat = model.chatSession()
    const { logprobs, tokens, text } = await chat.generate('hello', { ...GREEDY, logprobs: 1 }).result
    expect(logprobs!.map(({ token }) => token)).toEqual(tokens)
    expect(logprobs!.map((one) => one.text).join('')).toBe(text)
  })
})

describe('logitBias', () => {
  test('bans a token, or forces it', async () => {
    const [first] = await model.tokenize(await model.generate(PROMPT, { ...GREEDY, maxTokens: 1 }))
    const without = await model.generate(PROMPT, {
      ...GREEDY,
      maxTokens: 10,
      logitBias: { [first!]: Number.NEGATIVE_INFINITY },
    }).result
    expect(without.tokens).not.toContain(first)
    const [wanted] = await model.tokenize(' Berlin')
    const { tokens } = await model.generate(PROMPT, {
      ...GREEDY,
      maxTokens: 3,
      logitBias: { [wanted!]: 100 },
    }).result
    expect(tokens).toEqual([wanted, wanted, wanted])
  })

  test('for a token outside the vocabulary rejects with the size of the vocabulary', async () => {
    const { vocabularySize } = (await model.open()).config!
    const generation = model.generate(PROMPT, { logitBias: { [vocabularySize]: 1 } })
    await expect(generation).rejects.toMatchObject({ code: 'ERR_OPTION', option: 'logitBias' })
    await expect(generation).rejects.toThrow(`0 to ${vocabularySize - 1}`)
  })

  test.each([[{ a: 1 }], [{ 1: '2' }], [{ 1: Number.NaN }], [{ 1: Infinity }], [{ '-1': 1 }], [[1, 2]], [7]])(
    '%o is refused',
    (logitBias) => {
      const refused = () => model.generate(PROMPT, { logitBias: logitBias as never })
      expect(refused).toThrow(expect.objectContaining({ code: 'ERR_OPTION', option: 'logitBias' }))
    },
  )
})

describe('presencePenalty and frequencyPenalty', () => {
  const tokensWith = async (options: GenerateOptions) =>
    (await model.generate('Hello', { ...GREEDY, ...options, maxTokens: 30 }).result).tokens

  test.each(['presencePenalty', 'frequencyPenalty'])('prevent repeated tokens with %s: 100', async (name) => {
    const tokens = await tokensWith({ [name]: 100 })
    expect(tokens.length).toBeGreaterThan(5)
    expect(new Set(tokens).size).toBe(tokens.length)
  })

  test.each(['presencePenalty', 'frequencyPenalty'])(
    'allow only repeated tokens with %s: -100',
    async (name) => {
      expect(new Set(await tokensWith({ [name]: -100 })).size).toBe(1)
    },
  )
})
