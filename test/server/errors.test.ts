import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { json, type Running, serve } from '../support/server.ts'

let running: Running
beforeAll(async () => {
  running = await serve({ maxBodyBytes: 20_000, maxChoices: 4, maxMessages: 3 }, { nCtx: 256 })
})
afterAll(() => running.close())

const user = { role: 'user', content: 'Hello' }

describe('the code of an error', () => {
  test.each([
    ['missing_required_parameter', {}],
    ['missing_required_parameter', { messages: [{ role: 'user' }] }],
    ['invalid_type', { messages: [user], temperature: 'hot' }],
    ['invalid_type', { messages: 'Hello' }],
    ['invalid_value', { messages: [user], temperature: -1 }],
    ['invalid_value', { messages: [{ ...user, role: 'owner' }] }],
    ['invalid_value', { messages: [user], top_logprobs: 2 }],
    ['invalid_value', { messages: [user], logit_bias: { 7: 101 } }],
    ['integer_above_max_value', { messages: [user], n: 5 }],
    ['array_above_max_length', { messages: [user, user, user, user] }],
    ['unsupported_parameter', { messages: [user], tools: [{}] }],
    ['invalid_json', '{'],
    ['invalid_json', ''],
    ['body_too_large', { messages: [{ ...user, content: 'x'.repeat(30_000) }] }],
  ])('is %s for %o', async (code, body) => {
    const { error } = await json(running.post('/v1/chat/completions', body))
    expect(error).toMatchObject({ type: 'invalid_request_error', code })
  })

  test('is method_not_supported or unsupported_media_type, before the body is read', async () => {
    expect((await json(running.get('/v1/completions'))).error.code).toBe('method_not_supported')
    const init = { headers: { 'content-encoding': 'gzip' } }
    const encoded = running.post('/v1/chat/completions', 'x', init)
    expect((await json(encoded)).error.code).toBe('unsupported_media_type')
  })
})

describe('the message of an error', () => {
  test('has no advice for the operator, which is in the log', async () => {
    const long = { messages: [{ ...user, content: 'word '.repeat(2000) }] }
    for (const [id, advice, body, headers] of [
      ['long', /larger nCtx/, long, {}],
      ['large', /maxBodyBytes/, { messages: [{ ...user, content: 'x'.repeat(30_000) }] }, {}],
      ['origin', /corsOrigins/, { messages: [user] }, { origin: 'https://elsewhere.example' }],
    ] as const) {
      const init = { headers: { 'x-request-id': id, ...headers } }
      const { error } = await json(running.post('/v1/chat/completions', body, init))
      expect(error.message).not.toMatch(advice)
      expect(error.message).not.toMatch(/\boption\b/)
      expect((await running.logged((line) => line.id === id)).advice).toMatch(advice)
    }
  })

  test.each([
    [
      'the exact number of tokens if the prompt was tokenized',
      'word '.repeat(300),
      /^The prompt has \d+ tokens;/,
    ],
    [
      'a lower bound if its length alone is too much',
      'x'.repeat(15_000),
      /^The prompt has at least \d+ tokens;/,
    ],
  ])('has %s', async (_, content, pattern) => {
    const { error } = await json(
      running.post('/v1/chat/completions', { messages: [{ role: 'user', content }] }),
    )
    expect(error).toMatchObject({
      code: 'context_length_exceeded',
      message: expect.stringMatching(pattern),
    })
  })

  test('names the parameters of the request, not the options of the library', async () => {
    const body = { messages: [user], logit_bias: { '0012': 1 } }
    const { error } = await json(running.post('/v1/chat/completions', body))
    expect(error.message).toContain('logit_bias')
    expect(error.message).not.toContain('logitBias')
  })
})

test('a system prompt and a template of the server apply to chats without their own', async () => {
  const chatTemplate = '{% for m in messages %}{{ m.role }} {{ m.content }} {% endfor %}'
  const one = await serve({ systemPrompt: 'Be brief.', chatTemplate, logPrompts: true })
  const tokens = async (text: string) => (await one.model.tokenize(text, { addSpecial: true })).length
  const own = { role: 'system', content: 'Be very long and polite.' }
  for (const [messages, prompt] of [
    [[user], 'system Be brief. user Hello '],
    [[own, user], 'system Be very long and polite. user Hello '],
  ] as const) {
    const { usage } = await json(one.post('/v1/chat/completions', { messages, max_tokens: 1 }))
    expect(usage.prompt_tokens).toBe(await tokens(prompt))
  }
  await one.close()
})
