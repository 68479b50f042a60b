import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import { AIMessage, HumanMessage, SystemMessage } from '@langchain/core/messages'
import { ChatOpenAI } from '@langchain/openai'
import { generateText, streamText } from 'ai'
import OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { eventsOf, type Running, serve } from '../support/server.ts'

const QUESTION = 'Count from 1 to 5.'
const COUNTED = '1, 2, 3, 4, 5.'
const KEY = 'a key'

let running: Running
let baseURL: string
beforeAll(async () => {
  running = await serve({ apiKey: KEY, defaults: { temp: 0, repeatPenalty: 1 } })
  baseURL = `${running.url}/v1`
})
afterAll(() => running.close())

describe("OpenAI's client", () => {
  const client = () => new OpenAI({ baseURL, apiKey: KEY, maxRetries: 0 })
  const messages = [{ role: 'user', content: QUESTION }] as const

  test('chats', async () => {
    const answer = await client().chat.completions.create({ model: 'tiny', messages: [...messages] })
    expect(answer.choices[0]?.message.content).toBe(COUNTED)
    expect(answer.usage?.completion_tokens).toBeGreaterThan(5)
  })

  test('streams', async () => {
    const stream = await client().chat.completions.create({
      model: 'tiny',
      messages: [...messages],
      stream: true,
      stream_options: { include_usage: true },
    })
    let text = ''
    let tokens = 0
    for await (const { choices, usage } of stream) {
      text += choices[0]?.delta.content ?? ''
      tokens = usage?.completion_tokens ?? 0
    }
    expect(text).toBe(COUNTED)
    expect(tokens).toBeGreaterThan(5)
  })

  test('completes texts, whole and streamed', async () => {
    const asked = { model: 'tiny', prompt: 'The capital of France is', max_tokens: 3 }
    const whole = await client().completions.create(asked)
    expect(whole.choices[0]?.text).toBe(' Paris')
    let text = ''
    for await (const { choices } of await client().completions.create({ ...asked, stream: true }))
      text += choices[0]?.text ?? ''
    expect(text).toBe(' Paris')
  })

  test('lists the models', async () => {
    const { data } = await client().models.list()
    expect(data.map(({ id }) => id)).toEqual(['tiny'])
    expect((await client().models.retrieve('tiny')).id).toBe('tiny')
  })

  test('throws its own error classes', async () => {
    const wrong = new OpenAI({ baseURL, apiKey: 'another', maxRetries: 0 })
    await expect(wrong.models.list()).rejects.toThrow(OpenAI.AuthenticationError)
    const ask = (options: object) =>
      client().chat.completions.create({ model: 'tiny', messages: [...messages], ...options })
    await expect(ask({ model: 'gpt-4o' })).rejects.toThrow(OpenAI.NotFoundError)
    await expect(ask({ tools: [{ type: 'function', function: { name: 'f' } }] })).rejects.toThrow(
      OpenAI.BadRequestError,
    )
    await expect(ask({ temperature: -1 })).rejects.toMatchObject({ status: 400, param: 'temperature' })
  })

  test('stops the generation when it leaves a stream', async () => {
    const stream = await client().chat.completions.create({
      model: 'tiny',
      messages: [{ role: 'user', content: 'Tell me a story.' }],
      stream: true,
    })
    for await (const _ of stream) break
    while (running.model.activity.running > 0) await new Promise(setImmediate)
  })
})

describe("Vercel's AI SDK", () => {
  const model = () =>
    createOpenAICompatible({ name: 'local', baseURL, apiKey: KEY, includeUsage: true })('tiny')

  test('generates', async () => {
    const { text, usage, finishReason } = await generateText({
      model: model(),
      messages: [{ role: 'user', content: QUESTION }],
      maxRetries: 0,
    })
    expect(text).toBe(COUNTED)
    expect(finishReason).toBe('stop')
    expect(usage.outputTokens).toBeGreaterThan(5)
  })

  test('streams', async () => {
    const { textStream, usage } = streamText({ model: model(), prompt: QUESTION, maxRetries: 0 })
    let text = ''
    for await (const piece of textStream) text += piece
    expect(text).toBe(COUNTED)
    expect((await usage).outputTokens).toBeGreaterThan(5)
  })
})

describe("LangChain's ChatOpenAI", () => {
  const model = () =>
    new ChatOpenAI({ model: 'tiny', apiKey: KEY, maxRetries: 0, configuration: { baseURL } })

  test('invokes, with a conversation', async () => {
    const answer = await model().invoke([
      new SystemMessage('You are a helpful assistant.'),
      new HumanMessage('hello'),
      new AIMessage('Hello! How can I help you?'),
      new HumanMessage(QUESTION),
    ])
    expect(answer.content).toBe(COUNTED)
    expect(answer.usage_metadata).toMatchObject({ output_tokens: expect.any(Number) })
  })

  test('streams', async () => {
    let text = ''
    for await (const chunk of await model().stream(QUESTION)) text += chunk.content
    expect(text).toBe(COUNTED)
  })
})

describe('curl', () => {
  const curl = async (more: object) => {
    const body = JSON.stringify({ messages: [{ role: 'user', content: QUESTION }], ...more })
    const args = ['-sS', '-N', '-H', `authorization: Bearer ${KEY}`, '-d', body]
    return (await promisify(execFile)('curl', [...args, `${baseURL}/chat/completions`])).stdout
  }

  test('chats without a content type', async () => {
    expect(JSON.parse(await curl({})).choices[0].message.content).toBe(COUNTED)
  })

  test('streams', async () => {
    const { events, isDone } = eventsOf(await curl({ stream: true }))
    expect(isDone).toBe(true)
    expect(events.map(({ choices }) => choices[0].delta.content ?? '').join('')).toBe(COUNTED)
  })
})
