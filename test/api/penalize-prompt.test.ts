import { afterEach, describe, expect, test } from 'vitest'
import { type GenerateOptions, GPT4All, type ModelOptions } from '../../src/index.ts'
import { EMBEDDED } from '../support/models.ts'

/** A penalty that leaves no token of the window a chance. */
const BANS: GenerateOptions = { temp: 0, repeatPenalty: 1e6, maxTokens: 24, logprobs: 100 }
const WINDOW = 40
const PROMPT = 'The cat is sleeping on the couch. The dog is sleeping on the'

const models: GPT4All[] = []
afterEach(async () => {
  for (const model of models.splice(0)) await model.close()
})

async function open(options: ModelOptions = {}): Promise<GPT4All> {
  const model = await GPT4All.load(EMBEDDED, { nThreads: 1, ...options })
  models.push(model)
  return model
}

/** The ids of a text with the model's start token, as `generate()` evaluates them. */
const tokensOf = (model: GPT4All, text: string) =>
  model.tokenize(text, { addSpecial: true, parseSpecial: true })

/** What the penalty leaves: the likeliest token that is not among the last `window` of prompt and answer. */
function likeliest(
  prompt: readonly number[],
  { tokens, logprobs }: { tokens: readonly number[]; logprobs?: readonly Logprob[] | undefined },
  window: number,
): (number | undefined)[] {
  return tokens.map((_, i) => {
    const recent = [...prompt, ...tokens.slice(0, i)].slice(-window)
    return logprobs![i]!.top.find(({ token }) => !recent.includes(token))?.token
  })
}
type Logprob = { readonly top: readonly { readonly token: number }[] }

describe('penalizePrompt', () => {
  test('lets the repeat penalty count the last repeatLastN tokens of prompt and answer together', async () => {
    const model = await open()
    const prompt = await tokensOf(model, PROMPT)
    for (const repeatLastN of [1, 7, WINDOW, 100_000]) {
      const result = await model.generate(PROMPT, { ...BANS, repeatLastN, penalizePrompt: true }).result
      expect(result.tokens.length).toBeGreaterThan(0)
      expect(result.tokens).toEqual(likeliest(prompt, result, repeatLastN))
    }
    const plain = await model.generate(PROMPT, { ...BANS, repeatLastN: WINDOW }).result
    expect(plain.tokens).toEqual(likeliest([], plain, WINDOW))
    expect(plain.tokens).not.toEqual(likeliest(prompt, plain, WINDOW))
  })

  test('has no effect with repeatLastN 0, with repeatPenalty 1, and on the other penalties', async () => {
    const model = await open()
    for (const off of [{ repeatLastN: 0 }, { repeatPenalty: 1 }]) {
      const options = { temp: 0, maxTokens: 24, presencePenalty: 0.5, frequencyPenalty: 0.5, ...off }
      const plain = await model.generate(PROMPT, options)
      expect(await model.generate(PROMPT, { ...options, penalizePrompt: true })).toBe(plain)
    }
  })

  test('draws the same in a process of its own, with guesses, and with the prompt in the cache', async () => {
    const options = { ...BANS, repeatPenalty: 1.4, repeatLastN: WINDOW, penalizePrompt: true }
    const model = await open()
    const { tokens } = await model.generate(PROMPT, options).result
    const again = await model.generate(PROMPT, options).result
    expect(again.usage.cachedTokens).toBeGreaterThan(0)
    expect(again.tokens).toEqual(tokens)
    expect((await model.generate(PROMPT, { ...options, promptLookup: true }).result).tokens).toEqual(tokens)
    const drafted = await open({ draftModel: EMBEDDED })
    expect((await drafted.generate(PROMPT, options).result).tokens).toEqual(tokens)
    const isolated = await open({ isolated: true })
    expect((await isolated.generate(PROMPT, options).result).tokens).toEqual(tokens)
  })

  test('counts the earlier turns of a chat session, its template, and the prefill', async () => {
    const model = await open()
    const chat = model.chatSession()
    await chat.generate('What is the capital of France?', { temp: 0 })
    const prompt = await tokensOf(
      model,
      await model.renderPrompt([...chat.messages, { role: 'user', content: 'And of Italy?' }]),
    )
    const options = { ...BANS, repeatLastN: 1000, penalizePrompt: true }
    const result = await chat.generate('And of Italy?', options).result
    expect(result.tokens).toEqual(likeliest(prompt, result, 1000))
    const prefilled = await model.chatSession().generate('Hello', { ...options, prefill: 'Hello there' })
      .result
    const [hello] = await model.tokenize('Hello')
    expect(prefilled.tokens).not.toContain(hello)
  })
})
