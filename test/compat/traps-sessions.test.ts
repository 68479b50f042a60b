import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import {
  ChatSession,
  type CompletionProvider,
  createCompletion,
  type InferenceModel,
  loadModel,
} from '../../src/compat/index.ts'
import { CHAT_MODEL, type Gallery, makeGallery } from '../support/gallery.ts'

// As traps.test.ts, of sessions, of what is kept between calls, and of calls at once.

const GREEDY = { temp: 0, repeatPenalty: 1 } as const
const NAME = 'My name is Ada.'
const WHICH = 'What is my name?'
const MESSAGES = [
  { role: 'user' as const, content: NAME },
  { role: 'assistant' as const, content: 'Nice to meet you, Ada.' },
]

let gallery: Gallery
let model: InferenceModel

beforeAll(async () => {
  gallery = await makeGallery()
  model = await load()
})
afterEach(() => {
  model.activeChatSession = undefined as never
})
afterAll(async () => {
  model.dispose()
  await gallery.close()
})

async function load(options = {}): Promise<InferenceModel> {
  const one = await loadModel(CHAT_MODEL, {
    modelPath: gallery.models,
    modelConfigFile: gallery.catalog,
    ...options,
  })
  one.llm.setThreadCount(1)
  return one
}

async function say(provider: CompletionProvider, input: string, options = {}) {
  const { choices, usage } = await createCompletion(provider, input, { ...GREEDY, ...options })
  return { text: choices[0]!.message.content, past: usage.n_past_tokens, usage }
}

describe('nPast', () => {
  test('10. a model remembers nothing without it, and all of the last call with it', async () => {
    const first = await say(model, NAME)
    const second = await say(model, WHICH, { nPast: first.past })
    expect(second.text).toContain('Ada')
    expect(second.past).toBeGreaterThan(first.past)
    expect(second.usage.prompt_tokens).toBeLessThan(second.past - first.past)
    expect((await say(model, WHICH)).text).not.toContain('Ada')
  })

  test('10. a conversation rolls back to an earlier place and goes on from there', async () => {
    const chat = await model.createChatSession()
    const first = await say(chat, NAME)
    await say(chat, 'My name is Bob.')
    expect((await say(chat, WHICH, { nPast: first.past })).text).toContain('Ada')
    expect(chat.promptContext.nPast).toBeGreaterThan(first.past)
  })

  test('10. more than there is, and less than nothing, are errors', async () => {
    const chat = await model.createChatSession()
    const { past } = await say(chat, NAME)
    await expect(say(chat, WHICH, { nPast: past + 1 })).rejects.toThrow(
      `nPast cannot be greater than ${past}.`,
    )
    await expect(say(model, WHICH, { nPast: 1e6 })).rejects.toThrow(/^nPast cannot be greater than \d+\.$/)
    await expect(say(model, WHICH, { nPast: -1 })).rejects.toThrow('nPast must be a non-negative integer.')
    expect((await say(chat, WHICH)).text).toContain('Ada')
  })
})

describe('nPast that is no number', () => {
  test.for([undefined, null, Number.NaN])('10. %s begins anew', async (nPast) => {
    await say(model, NAME)
    expect((await say(model, WHICH, { nPast })).text).not.toContain('Ada')
  })
})

describe('chat sessions', () => {
  test('11. initialize() again reads the messages anew, not behind themselves', async () => {
    const chat = await model.createChatSession({ messages: [...MESSAGES] })
    const { nPast } = chat.promptContext
    expect(await chat.initialize()).toBeGreaterThan(0)
    expect(chat.promptContext.nPast).toBe(nPast)
    expect((await say(chat, WHICH)).text).toContain('Ada')
  })

  test('12. a second session makes the older one throw, until initialize() takes the turn back', async () => {
    const older = await model.createChatSession()
    await say(older, NAME)
    const newer = await model.createChatSession()
    expect(model.activeChatSession).toBe(newer)
    await expect(say(older, WHICH)).rejects.toThrow(
      'Chat session is not active. Create a new chat session or call initialize to continue.',
    )
    await older.initialize()
    expect(model.activeChatSession).toBe(older)
    expect((await say(older, WHICH)).text).toContain('Ada')
    await expect(say(newer, WHICH)).rejects.toThrow('not active')
  })

  test('13. a conversation goes on past the end of the context', async () => {
    const small = await load({ nCtx: 256 })
    const chat = await small.createChatSession()
    const pasts: number[] = []
    for (let i = 0; i < 12; i++) pasts.push((await say(chat, 'Write a poem about the sea.')).past)
    expect(Math.max(...pasts)).toBeLessThanOrEqual(256)
    expect(pasts.some((past, i) => i > 0 && past < pasts[i - 1]!)).toBe(true)
    expect(chat.messages).toHaveLength(24)
    small.dispose()
  })

  test('15. callbacks hear of messages that initialize() reads', async () => {
    const chat = new ChatSession(model, { messages: [...MESSAGES] })
    expect(chat.initialized).toBe(false)
    let tokens = 0
    const ingested = await chat.initialize({ onPromptToken: () => void tokens++ })
    expect(chat.initialized).toBe(true)
    expect(tokens).toBeGreaterThan(0)
    expect(ingested).toBeGreaterThanOrEqual(tokens)
  })

  test('messages join the conversation, and an array that ends with an answer gets an empty one', async () => {
    const chat = await model.createChatSession()
    const none = await createCompletion(chat, MESSAGES)
    expect(none.choices[0]!.message).toEqual({ role: 'assistant', content: '' })
    expect(none.usage.completion_tokens).toBe(0)
    expect(chat.messages).toEqual(MESSAGES)
    const asked = await createCompletion(chat, [{ role: 'user', content: WHICH }], GREEDY)
    expect(asked.choices[0]!.message.content).toContain('Ada')
    expect(chat.messages).toEqual([...MESSAGES, { role: 'user', content: WHICH }, asked.choices[0]!.message])
  })

  test('a call of the model between two turns does the session no harm', async () => {
    const chat = await model.createChatSession()
    await say(chat, NAME)
    await say(model, 'My name is Bob.')
    expect((await say(chat, WHICH)).text).toContain('Ada')
  })
})

describe('calls at once', () => {
  test('16. calls of one model are answered side by side, each with its own conversation', async () => {
    const about = (name: string) =>
      createCompletion(
        model,
        [
          { role: 'user', content: `My name is ${name}.` },
          { role: 'assistant', content: `Nice to meet you, ${name}.` },
          { role: 'user', content: WHICH },
        ],
        GREEDY,
      )
    const names = ['Ada', 'Bob', 'Ada', 'Bob']
    const answers = await Promise.all(names.map(about))
    for (const [i, { choices }] of answers.entries()) expect(choices[0]!.message.content).toContain(names[i])
  })

  test('the tokens of a session are those of the model that a call may go on from', async () => {
    const chat = await model.createChatSession()
    const { past } = await say(chat, NAME)
    expect((await say(model, WHICH, { nPast: past })).text).toContain('Ada')
  })

  test('turns of a session, and its initialize(), come in the order in which they are begun', async () => {
    const chat = new ChatSession(model, { systemPrompt: 'Answer in upper case.' })
    const [ingested, { past, usage }] = await Promise.all([chat.initialize(), say(chat, NAME)])
    expect(past).toBe(ingested + usage.total_tokens)
    const [first, second] = await Promise.all([say(chat, 'Hello.'), say(chat, WHICH)])
    expect(second.past).toBeGreaterThan(first.past)
    expect(second.text.toUpperCase()).toContain('ADA')
  })

  test('a turn that fails leaves the session as it was', async () => {
    const small = await load({ nCtx: 128 })
    const chat = await small.createChatSession()
    await say(chat, NAME)
    const { nPast } = chat.promptContext
    await expect(say(chat, 'word '.repeat(400))).rejects.toMatchObject({ code: 'ERR_CONTEXT_OVERFLOW' })
    expect(chat.promptContext.nPast).toBe(nPast)
    expect((await say(chat, WHICH)).text).toContain('Ada')
    small.dispose()
  })

  test('a header comes once before a session, and its conversation stays', async () => {
    const chat = await model.createChatSession()
    const options = { promptHeader: '### Header', nPredict: 12 }
    const first = await say(chat, NAME, options)
    const second = await say(chat, WHICH, options)
    expect(second.past).toBeGreaterThan(first.past)
    expect(second.text).toContain('Ada')
  })

  test.each([
    [null],
    [{ role: 'user' }],
    [{ role: 'user', content: null }],
    [{ role: 'tool', content: 'x' }],
    [{ role: 'user', content: [{ type: 'text', text: 'x' }] }],
  ])('messages that are none are refused: %j', async (message) => {
    const input = [message, { role: 'user', content: 'Hi' }] as never
    await expect(createCompletion(model, input)).rejects.toThrow('A message must have')
    const chat = await model.createChatSession()
    await expect(createCompletion(chat, input)).rejects.toThrow('A message must have')
    expect(chat.messages).toEqual([])
  })

  test('16. two models answer side by side', async () => {
    const other = await load()
    const [first, second] = await Promise.all([say(model, NAME), say(other, NAME)])
    expect(first.text).toBe(second.text)
    other.dispose()
  })
})

describe('dispose()', () => {
  test('17. returns at once, may be called twice, and what comes later rejects', async () => {
    const other = await load()
    const chat = await other.createChatSession()
    await say(chat, NAME)
    expect(other.dispose()).toBeUndefined()
    other.dispose()
    other.llm.dispose()
    await expect(say(other, NAME)).rejects.toThrow()
    await expect(say(chat, NAME)).rejects.toThrow()
    expect(chat.messages).toHaveLength(2)
  })
})
