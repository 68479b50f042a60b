import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type ContextOverflowError, GPT4All } from '../../src/index.ts'
import { EMBEDDED } from '../support/models.ts'

const GREEDY = { temp: 0, maxTokens: 8 } as const
const PROMPT = 'Once upon a time'

let model: GPT4All
beforeAll(async () => {
  model = await GPT4All.load(EMBEDDED, { nCtx: 256, nThreads: 1 })
})
afterAll(() => model.close())

describe('token ids as a prompt', () => {
  test('give the same answer as their text', async () => {
    const ids = await model.tokenize(PROMPT, { addSpecial: true })
    const { text, usage } = await model.generate(ids, GREEDY).result
    expect(text).toBe(await model.generate(PROMPT, GREEDY))
    expect(usage.promptTokens).toBe(ids.length)
  })

  test('are evaluated unchanged, even if their text has other tokens', async () => {
    const [a, b] = await Promise.all([model.tokenize('th'), model.tokenize('e')])
    expect(await model.tokenize('the')).not.toEqual([...a, ...b])
    expect((await model.generate([...a, ...b], GREEDY).result).usage.promptTokens).toBe(a.length + b.length)
  })

  test('are copied at the moment of the call', async () => {
    const ids = await model.tokenize(PROMPT, { addSpecial: true })
    const generation = model.generate(ids, GREEDY)
    ids.length = 0
    expect((await generation.result).usage.promptTokens).toBeGreaterThan(0)
  })

  test.each([[[1.5]], [['1']], [[Number.NaN]], [new Set([1])]])(
    'are refused at once if they are invalid: %j',
    (ids) => {
      expect(() => model.generate(ids as number[])).toThrow(expect.objectContaining({ code: 'ERR_OPTION' }))
    },
  )

  test.each([[[-1]], [[2 ** 31]], [[1_000_000]]])(
    'are refused if the vocabulary does not have them: %j',
    async (ids) => {
      await expect(model.generate(ids)).rejects.toMatchObject({ code: 'ERR_OPTION' })
    },
  )

  test('are refused if there are too many', async () => {
    await expect(model.generate(Array(300).fill(5))).rejects.toMatchObject({
      code: 'ERR_CONTEXT_OVERFLOW',
      promptTokens: 300,
    })
  })
})

describe('a text that cannot fit', () => {
  const huge = 'word '.repeat(1_000_000)

  test('is refused by its length, with the least number of tokens it has', async () => {
    const failure = (await model.generate(huge).catch((error: unknown) => error)) as ContextOverflowError
    expect(failure).toMatchObject({ code: 'ERR_CONTEXT_OVERFLOW', contextSize: 256, maxPromptTokens: 252 })
    expect(failure.message).toContain('at least')
    expect(failure.promptTokens).toBeLessThan((await model.tokenize(huge)).length)
  })

  test('in a chat is refused too, and leaves the chat as it was', async () => {
    const chat = model.chatSession()
    await expect(chat.generate(huge)).rejects.toMatchObject({ code: 'ERR_CONTEXT_OVERFLOW' })
    expect(chat.messages).toEqual([])
    expect(await chat.generate('Hello', GREEDY)).not.toBe('')
  })

  test('among older messages is dropped with them', async () => {
    const messages = Array.from({ length: 40 }, (_, i) => ({
      role: i % 2 ? ('assistant' as const) : ('user' as const),
      content: i === 4 ? huge : `message ${i}`,
    }))
    const chat = model.chatSession({ messages })
    const { text, dropped } = await chat.generate('Hello', GREEDY).result
    expect(text).not.toBe('')
    expect(dropped.some(({ content }) => content === huge)).toBe(true)
  })
})

describe('an empty prompt', () => {
  test('is refused if the model adds no start token', async () => {
    await expect(model.generate('', GREEDY)).rejects.toMatchObject({ code: 'ERR_OPTION' })
    await expect(model.generate([], GREEDY)).rejects.toMatchObject({ code: 'ERR_OPTION' })
  })

  test.each([
    ['a template that leaves out what is said', { chatTemplate: '{# nothing #}' }, 'Hello'],
    ['a pattern around an empty message', { promptTemplate: '{0}' }, ''],
  ])('is refused in a chat: %s', async (_, template, message) => {
    const chat = model.chatSession(template)
    await expect(chat.generate(message, GREEDY)).rejects.toMatchObject({ code: 'ERR_OPTION' })
    expect(chat.messages).toEqual([])
  })
})
