import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { EMBEDDED } from '../support/models.ts'
import { eventsOf, type Json, json, type Running, serve } from '../support/server.ts'

const GREEDY = { temperature: 0, repeat_penalty: 1 }
const messages = [{ role: 'user', content: 'Count from 1 to 5.' }]
const COUNTED = '1, 2, 3, 4, 5.'

let running: Running
beforeAll(async () => {
  running = await serve()
})
afterAll(() => running.close())

const chat = (body: object) =>
  running.post('/v1/chat/completions', { model: 'tiny', messages, ...GREEDY, ...body })
const complete = (body: object) =>
  running.post('/v1/completions', { model: 'tiny', prompt: 'The capital of France is', ...GREEDY, ...body })
const stream = async (response: Promise<Response>) => eventsOf(await (await response).text())

describe('POST /v1/chat/completions', () => {
  test("answers in OpenAI's format", async () => {
    const response = await chat({})
    expect(response.status).toBe(200)
    expect(response.headers.get('content-type')).toMatch(/^application\/json/)
    const answer = await json(response)
    expect(answer).toMatchObject({
      id: expect.stringMatching(/^chatcmpl-/),
      object: 'chat.completion',
      created: expect.any(Number),
      model: 'tiny',
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content: COUNTED, refusal: null },
          logprobs: null,
          finish_reason: 'stop',
        },
      ],
    })
    const { usage } = answer
    expect(usage.total_tokens).toBe(usage.prompt_tokens + usage.completion_tokens)
    const again = await json(chat({}))
    expect(again.usage.prompt_tokens_details.cached_tokens).toBeGreaterThan(0)
  })

  test('streams pieces that add up to the whole text, then finish reason, usage and [DONE]', async () => {
    const response = await chat({ stream: true, stream_options: { include_usage: true } })
    expect(response.headers.get('content-type')).toMatch(/^text\/event-stream/)
    const { events, isDone } = eventsOf(await response.text())
    expect(isDone).toBe(true)
    expect(new Set(events.map(({ id }) => id)).size).toBe(1)
    expect(events[0].choices[0].delta).toEqual({ role: 'assistant', content: '' })
    const choices = events.flatMap((event) => event.choices)
    expect(choices.map(({ delta }) => delta.content ?? '').join('')).toBe(COUNTED)
    expect(choices.map((choice) => choice.finish_reason).filter(Boolean)).toEqual(['stop'])
    expect(events.at(-1)).toMatchObject({ choices: [], usage: { completion_tokens: expect.any(Number) } })
    const without = await stream(chat({ stream: true }))
    expect(without.events.some(({ usage }) => usage)).toBe(false)
  })

  test('returns n choices with own indices and samples, and counts the prompt once', async () => {
    const story = [{ role: 'user', content: 'Tell me a story.' }]
    const asked = { n: 3, messages: story, temperature: 2, top_p: 1, seed: 7, max_tokens: 20 }
    const first = await json(chat(asked))
    expect(first.choices.map(({ index }: Json) => index)).toEqual([0, 1, 2])
    expect(new Set(first.choices.map(({ message }: Json) => message.content)).size).toBeGreaterThan(1)
    const one = await json(chat({ messages: story }))
    expect(first.usage.prompt_tokens).toBe(one.usage.prompt_tokens)
    const { events, isDone } = await stream(chat({ ...asked, stream: true }))
    expect(isDone).toBe(true)
    const indexes = events.flatMap((event) => event.choices).filter(({ finish_reason }) => finish_reason)
    expect(indexes.map(({ index }) => index).sort()).toEqual([0, 1, 2])
  })

  test('ends at max_tokens with "length", and at a stop string with "stop"', async () => {
    for (const name of ['max_tokens', 'max_completion_tokens']) {
      const { choices, usage } = await json(chat({ [name]: 3 }))
      expect(choices[0].finish_reason).toBe('length')
      expect(usage.completion_tokens).toBe(3)
    }
    for (const stop of ['3', ['x', '3']]) {
      const { choices } = await json(chat({ stop }))
      expect(choices[0]).toMatchObject({ finish_reason: 'stop', message: { content: '1, 2, ' } })
    }
  })

  test('reports log probabilities, whole and streamed, without changing the text', async () => {
    const asked = { logprobs: true, top_logprobs: 2 }
    const { choices } = await json(chat(asked))
    const { content } = choices[0].logprobs
    expect(content.map(({ token }: Json) => token).join('')).toBe(COUNTED)
    for (const { logprob, bytes, token, top_logprobs: top } of content) {
      expect(logprob).toBeLessThanOrEqual(0)
      expect(Buffer.from(bytes).toString()).toBe(token)
      expect(top).toHaveLength(2)
    }
    const { events } = await stream(chat({ ...asked, stream: true }))
    const streamed = events
      .flatMap((event) => event.choices)
      .flatMap((choice) => choice.logprobs?.content ?? [])
    expect(streamed.map(({ token }: Json) => token)).toEqual(content.map(({ token }: Json) => token))
  })

  test('applies every sampling parameter', async () => {
    const [{ message }] = (
      await json(
        chat({
          top_k: 40,
          top_p: 0.9,
          min_p: 0.01,
          repeat_penalty: 1.1,
          repeat_last_n: 32,
          presence_penalty: 0.5,
          frequency_penalty: 0.5,
          temperature: 0.8,
          seed: -5,
          max_tokens: 10,
        }),
      )
    ).choices
    expect(message.content).not.toBe('')
    const [token] = await running.model.tokenize('1')
    const banned = await json(chat({ logit_bias: { [token!]: -100 }, max_tokens: 4 }))
    expect(banned.choices[0].message.content).not.toMatch(/^1/)
    const seeded = { temperature: 2, top_k: 0, top_p: 1, max_tokens: 12, seed: 2 ** 40 + 3 }
    const texts = await Promise.all([chat(seeded), chat(seeded)].map(json))
    expect(texts[0].choices[0].message.content).toBe(texts[1].choices[0].message.content)
  })

  test('continues an answer that the last message begins', async () => {
    const begun = [...messages, { role: 'assistant', content: '1, 2, 3' }]
    const { choices } = await json(chat({ messages: begun }))
    expect(choices[0].message.content).toBe(', 4, 5.')
  })

  test('accepts text parts, a developer message, null values, and parameters without effect', async () => {
    const { choices } = await json(
      chat({
        messages: [
          { role: 'developer', content: 'Answer briefly.' },
          {
            role: 'user',
            content: [
              { type: 'text', text: 'Count from 1' },
              { type: 'text', text: 'to 5.' },
            ],
          },
        ],
        stop: null,
        seed: null,
        tools: [],
        tool_choice: 'none',
        response_format: { type: 'text' },
        user: 'somebody',
        store: false,
        max_tokens: 5,
      }),
    )
    expect(choices[0].message.content).not.toBe('')
  })

  test.each([
    ['tools', { tools: [{ type: 'function', function: { name: 'f' } }] }],
    ['response_format', { response_format: { type: 'json_object' } }],
    [
      'messages[0].content[0].type',
      { messages: [{ role: 'user', content: [{ type: 'image_url', image_url: {} }] }] },
    ],
    ['messages[0].role', { messages: [{ role: 'tool', content: '7', tool_call_id: 'x' }] }],
    [
      'messages[1].tool_calls',
      { messages: [...messages, { role: 'assistant', content: null, tool_calls: [{}] }] },
    ],
    ['audio', { audio: {} }],
  ])('refuses the unsupported parameter %s by name', async (param, body) => {
    const response = await chat(body)
    expect(response.status).toBe(400)
    const { error } = await json(response)
    expect(error).toMatchObject({ type: 'invalid_request_error', param, code: 'unsupported_parameter' })
    expect(error.message).toContain('not supported')
  })

  test.each([
    ['messages', { messages: [] }],
    ['messages', { messages: 'hello' }],
    ['messages', { messages: undefined }],
    ['messages[0].role', { messages: [{ role: 'boss', content: 'x' }] }],
    ['messages[0].content', { messages: [{ role: 'user', content: 7 }] }],
    ['temperature', { temperature: -1 }],
    ['temperature', { temperature: 'hot' }],
    ['top_p', { top_p: 1.5 }],
    ['n', { n: 0 }],
    ['n', { n: 1000 }],
    ['stop', { stop: 7 }],
    ['stop', { stop: ['x'.repeat(5000)] }],
    ['stop', { stop: Array.from({ length: 20 }, (_, i) => `${i}`.padEnd(4000)) }],
    ['stream', { stream: 'yes' }],
    ['max_tokens', { max_tokens: 1.5 }],
    ['logit_bias', { logit_bias: { 7: 1e9 } }],
    ['logit_bias', { logit_bias: [1, 2] }],
    ['top_logprobs', { top_logprobs: 2 }],
    ['top_logprobs', { logprobs: true, top_logprobs: 21 }],
  ])('refuses a bad "%s" by name: %o', async (param, body) => {
    const response = await chat(body)
    expect(response.status).toBe(400)
    const { error } = await json(response)
    expect(error.type).toBe('invalid_request_error')
    expect(error.param?.startsWith(param)).toBe(true)
    expect(error.message.length).toBeGreaterThan(10)
  })

  test('refuses a conversation that is too long before the stream begins', async () => {
    const long = [{ role: 'user', content: 'word '.repeat(5000) }]
    for (const stream of [true, false]) {
      const response = await chat({ messages: long, stream })
      expect(response.status).toBe(400)
      expect((await json(response)).error.code).toBe('context_length_exceeded')
    }
  })
})

describe('POST /v1/completions', () => {
  test('continues the prompt, by 16 tokens unless max_tokens is set', async () => {
    const { object, choices, usage } = await json(complete({ prompt: 'Once upon a time' }))
    expect(object).toBe('text_completion')
    expect(choices[0].text).not.toBe('')
    expect(usage.completion_tokens).toBeLessThanOrEqual(16)
    expect((await json(complete({ max_tokens: 3 }))).choices[0].text).toBe(' Paris')
  })

  test('streams the text that it returns whole', async () => {
    const whole = await json(complete({}))
    const { events, isDone } = await stream(complete({ stream: true }))
    expect(isDone).toBe(true)
    const texts = events.flatMap((event) => event.choices).map(({ text }) => text)
    expect(texts.join('')).toBe(whole.choices[0].text)
  })

  test('accepts several prompts, token ids, n and echo', async () => {
    const ids = await running.model.tokenize('The capital of France is')
    const prompts = ['The capital of Italy is', 'The capital of France is']
    const several = await json(complete({ prompt: prompts, n: 2, max_tokens: 3, echo: true }))
    const texts = several.choices.map(({ text }: Json) => text)
    expect(texts).toHaveLength(4)
    expect(texts[0]).toMatch(/^The capital of Italy is Rom/)
    expect(texts[3]).toBe('The capital of France is Paris')
    expect((await json(complete({ prompt: ids, max_tokens: 3 }))).choices[0].text).toBe(' Paris')
    const { events } = await stream(complete({ echo: true, max_tokens: 3, stream: true }))
    expect(
      events
        .flatMap((event) => event.choices)
        .map(({ text }) => text)
        .join(''),
    ).toBe('The capital of France is Paris')
  })

  test('reports log probabilities in the older format', async () => {
    const { choices } = await json(complete({ max_tokens: 3, logprobs: 2 }))
    const { tokens, token_logprobs: own, top_logprobs: top, text_offset: offsets } = choices[0].logprobs
    expect(tokens.join('')).toBe(' Paris')
    expect(own).toHaveLength(3)
    expect(Object.keys(top[0])).toContain(tokens[0])
    expect(offsets[0]).toBe(0)
    expect(offsets[1]).toBe(tokens[0].length)
  })

  test('reports one log probability for each token, whole and streamed', async () => {
    for (const more of [
      { stop: [' Paris'] },
      { stop: 'is' },
      { prompt: 'Say it with emoji: I love cats', temperature: 2, seed: 3 },
    ]) {
      const asked = { max_tokens: 12, logprobs: 1, ...more }
      const { choices, usage } = await json(complete(asked))
      const { tokens, text_offset: offsets } = choices[0].logprobs
      expect(tokens).toHaveLength(usage.completion_tokens)
      expect(Math.max(...offsets)).toBeLessThanOrEqual(choices[0].text.length + 12)
      const { events } = await stream(complete({ ...asked, stream: true }))
      const streamed = events.flatMap((event) => event.choices[0].logprobs?.tokens ?? [])
      expect(streamed).toEqual(tokens)
    }
  })

  test.each([
    ['prompt', { prompt: 7 }],
    ['prompt', { prompt: [] }],
    ['prompt', { prompt: [[1, 2], 'x', {}] }],
    ['prompt', { prompt: [99999999] }],
    ['suffix', { suffix: 'x' }],
    ['best_of', { best_of: 3 }],
    ['echo', { echo: true, logprobs: 1 }],
  ])('refuses a bad "%s" by name: %o', async (param, body) => {
    const response = await complete(body)
    expect(response.status).toBe(400)
    expect((await json(response)).error.param).toBe(param)
  })
})

describe('the routes of the server', () => {
  test('GET /v1/models lists the models, and GET /v1/models/{id} returns one', async () => {
    const { object, data } = await json(running.get('/v1/models'))
    expect(object).toBe('list')
    expect(data).toEqual([
      {
        id: 'tiny',
        object: 'model',
        created: expect.any(Number),
        owned_by: 'gpt4all-ts',
        purpose: 'text',
        context_length: 2048,
      },
    ])
    expect(await json(running.get('/v1/models/tiny'))).toEqual(data[0])
    const missing = await running.get('/v1/models/other')
    expect(missing.status).toBe(404)
    expect((await json(missing)).error.code).toBe('model_not_found')
  })

  test('answer 404 and the available models to an unknown model, and use the only one by default', async () => {
    const response = await chat({ model: 'gpt-4o' })
    expect(response.status).toBe(404)
    expect((await json(response)).error).toMatchObject({
      code: 'model_not_found',
      param: 'model',
      message: expect.stringContaining('"tiny"'),
    })
    expect((await chat({ model: undefined })).status).toBe(200)
  })

  test('GET /health and GET /metrics report the loaded models and what they generated', async () => {
    expect(await json(running.get('/health'))).toEqual({ status: 'ok', loaded: ['tiny'] })
    await (await chat({ max_tokens: 2 })).text()
    const text = await (await running.get('/metrics')).text()
    expect(text).toMatch(/^# HELP gpt4all_requests_total/m)
    expect(text).toMatch(/^gpt4all_requests_total\{path="\/v1\/chat\/completions",status="200"\} \d+/m)
    expect(text).toMatch(/^gpt4all_completion_tokens_total\{model="tiny"\} [1-9]/m)
    expect(text).toMatch(/^gpt4all_generations_running\{model="tiny"\} 0/m)
  })

  test('accept a model by its file name, and count the prompt of several choices once', async () => {
    expect((await json(running.get('/v1/models/tiny.gguf'))).id).toBe('tiny')
    const promptTokens = async () => {
      const text = await (await running.get('/metrics')).text()
      return Number(/^gpt4all_prompt_tokens_total\{model="tiny"\} (\d+)/m.exec(text)?.[1] ?? 0)
    }
    const before = await promptTokens()
    const { usage } = await json(chat({ n: 3, max_tokens: 2 }))
    expect((await promptTokens()) - before).toBe(usage.prompt_tokens)
  })

  test.each([
    ['/', 'GET'],
    ['/health', 'GET'],
    ['/metrics', 'GET'],
    ['/v1/models', 'GET'],
    ['/v1/models/tiny', 'GET'],
    ['/v1/models/other', 'GET'],
    ['/v1/completions', 'POST'],
    ['/v1/embeddings', 'POST'],
    ['/v1/chat/completions', 'POST'],
  ])('%s answers 405 with an Allow header to every method but %s', async (path, allowed) => {
    for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'].filter((one) => one !== allowed)) {
      const response = await fetch(running.url + path, { method })
      expect([method, response.status, response.headers.get('allow')]).toEqual([
        method,
        405,
        allowed === 'GET' ? 'GET, HEAD' : allowed,
      ])
    }
  })

  test('unknown paths get 404, wrong methods 405, both with an error in the same form', async () => {
    for (const [method, path, status] of [
      ['GET', '/v2/models', 404],
      ['GET', '/v1/models/tiny/more', 404],
      ['POST', '/../etc/passwd', 404],
      ['GET', '/v1/chat/completions', 405],
      ['DELETE', '/v1/models', 405],
    ] as const) {
      const response = await fetch(running.url + path, { method })
      expect(response.status).toBe(status)
      const { error } = await json(response)
      expect(Object.keys(error).sort()).toEqual(['code', 'message', 'param', 'type'])
    }
  })

  test('answer with the request id of the request if that is plain, or else a new one', async () => {
    const own = await running.get('/health', { 'x-request-id': 'abc-123' })
    expect(own.headers.get('x-request-id')).toBe('abc-123')
    const strange = await running.get('/health', { 'x-request-id': 'a b"c' })
    expect(strange.headers.get('x-request-id')).toMatch(/^req_[0-9a-f]{32}$/)
  })
})

test('both endpoints refuse a prompt that is empty once it is rendered', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'gpt4all-empty-'))
  const modelConfigFile = join(folder, 'config.json')
  await writeFile(modelConfigFile, JSON.stringify([{ filename: basename(EMBEDDED), promptTemplate: '{0}' }]))
  const bare = await serve({}, { modelConfigFile })
  const empty = [{ role: 'user', content: '' }]
  for (const stream of [true, false]) {
    for (const [path, body] of [
      ['/v1/chat/completions', { messages: empty, stream }],
      ['/v1/completions', { prompt: '', stream }],
    ] as const) {
      const response = await bare.post(path, body)
      expect(response.status).toBe(400)
      expect((await json(response)).error).toMatchObject({ type: 'invalid_request_error', param: 'prompt' })
    }
  }
  await bare.close()
  await rm(folder, { recursive: true })
})
