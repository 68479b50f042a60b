import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { get as httpGet } from 'node:http'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { GPT4All, type Logger } from '../../src/index.ts'
import { createServer } from '../../src/server/index.ts'
import { EMBEDDED } from '../support/models.ts'
import { oldFile } from '../support/old-files.ts'
import { closeAll, eventsOf, json, open, type Running, serve } from '../support/server.ts'

afterEach(closeAll)

let running: Running
const debugLines: string[] = []
beforeAll(async () => {
  const nothing = () => {}
  const logger: Logger = {
    debug: (line) => void debugLines.push(line),
    ...{ info: nothing, warn: nothing, error: nothing },
  }
  running = await serve({ defaults: { temp: 0, repeatPenalty: 1 }, logger })
})
afterAll(() => running.close())

const user = (content: unknown) => ({ role: 'user', content })
const COUNT = user('Count from 1 to 5.')
const COUNTED = '1, 2, 3, 4, 5.'

const chat = (body: object, one = running) =>
  one.post('/v1/chat/completions', { messages: [COUNT], max_tokens: 20, ...body })
const answer = async (body: object) => {
  const response = await chat(body)
  const said = await json(response)
  expect([response.status, said.error]).toEqual([200, undefined])
  return said.choices[0].message.content as string
}

describe('a conversation', () => {
  const system = { role: 'system', content: 'Be brief.' }
  const said = { role: 'assistant', content: 'Hello! How can I help you?' }
  test.each([
    ['begins with several system messages', [system, { ...system, role: 'developer' }, COUNT]],
    ['has a system message in the middle', [user('hello'), said, system, COUNT]],
    ['ends with a system message', [user('hello'), said, { role: 'system', content: COUNT.content }]],
    ['ends with a developer message', [user('hello'), { role: 'developer', content: COUNT.content }]],
    ['is a system message alone', [system]],
    ['begins with the assistant', [said, COUNT]],
    ['is an answer alone', [{ role: 'assistant', content: '1, 2,' }]],
    ['has two questions', [user('hello'), COUNT]],
  ])('that %s is answered', async (_, messages) => {
    expect(await answer({ messages })).not.toBe('')
  })

  test('that ends with a system message gets the next answer, not more of the last', async () => {
    const messages = [user('hello'), said, { role: 'system', content: COUNT.content }]
    const { usage } = await json(chat({ messages }))
    const prompt = await running.model.renderPrompt(messages as never)
    expect(prompt).toContain(COUNT.content)
    expect(usage.prompt_tokens).toBe(await running.model.countTokens(prompt))
  })

  test('gets the server its system prompt only if it has no system message anywhere', async () => {
    const one = await open({ systemPrompt: 'Speak like a pirate, always and everywhere.' })
    const tokens = async (messages: object[]) => (await json(chat({ messages }, one))).usage.prompt_tokens
    const ofModel = async (messages: object[]) => {
      const prompt = await one.model.renderPrompt(messages as never)
      return one.model.countTokens(prompt)
    }
    const own = [COUNT, system]
    expect(await tokens(own)).toBe(await ofModel(own))
  })
})

describe('fields that the server does not know', () => {
  const strange = {
    'the body': { top_a: 0.1, cache_prompt: true, samplers: ['top_k'] },
    'a message': { messages: [{ ...COUNT, id: 'msg_1', timestamp: 1 }] },
    'a part of a message': {
      messages: [user([{ type: 'text', text: COUNT.content, cache_control: { type: 'ephemeral' } }])],
    },
    stream_options: { stream_options: { include_usage: true, chunked: true } },
    chat_template_kwargs: { chat_template_kwargs: { add_vision_id: false } },
  }
  test.each(Object.entries(strange))('have no effect in %s', async (_, body) => {
    expect(await answer(body)).toBe(COUNTED)
  })

  test('are named in one debug line for each request', async () => {
    debugLines.length = 0
    const body = { ...strange['the body'], messages: strange['a message'].messages, 'a secret name': 1 }
    await (await running.post('/v1/chat/completions', { ...body, max_tokens: 1 })).text()
    const lines = debugLines.filter((line) => line.includes('withoutEffect')).map((line) => JSON.parse(line))
    expect(lines).toHaveLength(1)
    expect(lines[0]).toMatchObject({ path: '/v1/chat/completions' })
    expect(lines[0].withoutEffect).toEqual([
      ...['top_a', 'cache_prompt', 'samplers', 'messages[0].id', 'messages[0].timestamp'],
    ])
  })

  test.each([
    ['logit_bias', { logit_bias: { 99999999: 1 } }],
    ['top_a', strange['the body']],
    ['messages[0].id', strange['a message']],
    ['messages[0].content[0].cache_control', strange['a part of a message']],
    ['stream_options.chunked', strange.stream_options],
    ['chat_template_kwargs.add_vision_id', strange.chat_template_kwargs],
    ['thinking.budget_tokens', { thinking: { type: 'disabled', budget_tokens: 100 } }],
    ['reasoning.summary', { reasoning: { effort: 'none', summary: 'auto' } }],
  ])('are refused with the option strict: %s', async (param, body) => {
    const response = await chat(body, await open({ strict: true }))
    expect(response.status).toBe(400)
    const { error } = await json(response)
    expect(error).toMatchObject({ param })
    expect(error.code).toMatch(/unknown_parameter|invalid_value/)
  })

  test('are not refused by a strict server where they are known names without effect', async () => {
    const one = await open({ strict: true })
    const body = {
      user: 'x',
      store: true,
      metadata: {},
      repetition_penalty: 1.1,
      n_predict: 3,
      messages: [COUNT],
    }
    const response = await one.post('/v1/chat/completions', body)
    expect((await json(response)).usage.completion_tokens).toBeLessThanOrEqual(3)
  })
})

describe('names of other servers', () => {
  test.each(['n_predict', 'num_predict', 'max_new_tokens', 'max_length'])(
    '%s limits the answer',
    async (name) => {
      const { usage } = await json(running.post('/v1/chat/completions', { messages: [COUNT], [name]: 3 }))
      expect(usage.completion_tokens).toBe(3)
    },
  )

  test("do not replace OpenAI's", async () => {
    const { usage } = await json(chat({ n_predict: 9, max_tokens: 2 }))
    expect(usage.completion_tokens).toBe(2)
  })

  test.each(['stop_sequences', 'stopping_strings'])('%s ends the answer', async (name) => {
    expect(await answer({ [name]: ['3'] })).toBe('1, 2, ')
  })

  test.each([
    ['repetition_penalty', 'x'],
    ['rep_pen', 'x'],
    ['stopping_strings', 5],
    ['random_seed', 1e30],
  ])('are the names in what is said of a bad %s', async (name, value) => {
    const response = await chat({ [name]: value })
    const { error } = await json(response)
    expect([response.status, error.param]).toEqual([400, name])
    expect(error.message).toContain(`"${name}" must be`)
  })

  test('repetition_penalty changes the text as repeat_penalty does', async () => {
    const repeated = await answer({ repeat_penalty: 50, max_tokens: 10 })
    expect(await answer({ repetition_penalty: 50, max_tokens: 10 })).toBe(repeated)
    expect(repeated).not.toBe(await answer({ max_tokens: 10 }))
  })
})

describe('values that ask for nothing', () => {
  test.each([
    [{ max_tokens: -1 }],
    [{ max_tokens: null, max_completion_tokens: -1 }],
    [{ max_tokens: -2 }],
    [{ max_tokens: 2 ** 63 }],
    [{ max_completion_tokens: 1e20 }],
    [{ top_k: 1e30 }],
    [{ top_k: -1 }],
    [{ repeat_last_n: -1 }],
    [{ stop: '' }],
    [{ stop: [] }],
    [{ stop: ['', null] }],
    [{ stop: Array.from({ length: 5000 }, (_, i) => `stop ${i}`) }],
    [{ logit_bias: [] }],
    [{ logit_bias: { 50256: -100, 12: '0' } }],
    [{ logit_bias: [[12, 0]] }],
    [{ top_p: -1, min_p: -1 }],
    [{ logit_bias: {} }],
    [{ seed: -1 }],
    [{ seed: 2 ** 63 }],
    [{ seed: 1.8446744073709552e19 }],
    [{ seed: -(2 ** 70) }],
    [{ tools: [], tool_choice: 'auto' }],
    [{ tools: [{ type: 'function', function: { name: 'f' } }], tool_choice: 'none' }],
    [{ tools: null, tool_choice: null, functions: null, function_call: null }],
    [{ response_format: { type: 'text' } }],
    [{ response_format: null, modalities: ['text'], audio: null, prediction: null }],
    [{ grammar: '', json_schema: null, guided_json: null, images: [] }],
    [{ logprobs: false, top_logprobs: 0 }],
    [{ logprobs: 0 }],
    [{ reasoning_effort: null, reasoning: null, thinking: null, think: null, enable_thinking: null }],
    [{ chat_template_kwargs: null, stream_options: null, stream: null, n: null }],
    [{ temperature: null, top_p: null, min_p: null, presence_penalty: null, frequency_penalty: null }],
    [{ model: null, user: null, metadata: null, store: null, service_tier: null }],
    [{ model: '' }],
  ])('are taken for nothing: %o', async (body) => {
    expect(await answer(body)).toBe(COUNTED)
  })

  test('let a completion continue as long as it likes', async () => {
    const whole = await json(running.post('/v1/completions', { prompt: 'Once upon a time', max_tokens: -1 }))
    expect(whole.usage.completion_tokens).toBeGreaterThan(16)
  })

  test.each([
    [{ prompt: null }],
    [{ logprobs: false }],
    [{ suffix: null, best_of: null, echo: null }],
    [{ best_of: 2, n: 2 }],
  ])('are taken for nothing in a completion: %o', async (body) => {
    const response = await running.post('/v1/completions', { prompt: 'Hello', max_tokens: 2, ...body })
    expect(response.status).toBe(200)
  })

  test('let equal requests have different seeds: -1 means a random one', async () => {
    const hot = { temperature: 50, top_k: 0, top_p: 1, max_tokens: 12 }
    const texts = await Promise.all(Array.from({ length: 6 }, () => answer({ ...hot, seed: -1 })))
    expect(new Set(texts).size).toBeGreaterThan(1)
  })

  test('large seeds are seeds', async () => {
    const hot = { temperature: 50, top_k: 0, top_p: 1, max_tokens: 12 }
    const texts = await Promise.all([2 ** 60, 2 ** 60].map((seed) => answer({ ...hot, seed })))
    expect(texts[0]).toBe(texts[1])
  })
})

test('answers of the server are taken back as messages', async () => {
  const { choices } = await json(chat({ logprobs: true, top_logprobs: 1 }))
  const streamed = eventsOf(await (await chat({ stream: true })).text()).events
  const deltas = Object.assign({}, ...streamed.map((event) => event.choices[0].delta))
  for (const message of [choices[0].message, choices[0], { ...deltas, content: COUNTED }]) {
    const own = 'role' in message ? message : { ...message.message, ...choices[0] }
    const text = await answer({ messages: [COUNT, own, user('Count from 1 to 3.')] })
    expect(text).not.toBe('')
  }
})

test('content may be null in an answer, or have parts of several kinds', async () => {
  const parts = [
    { type: 'thinking', thinking: 'Well.' },
    { type: 'output_text', text: 'Hi!', annotations: [] },
    'Yes?',
  ]
  const refusal = [{ type: 'refusal', refusal: 'No.' }]
  for (const content of [null, undefined, parts, refusal, []])
    expect(await answer({ messages: [user('hello'), { role: 'assistant', content }, COUNT] })).not.toBe('')
  const { error } = await json(chat({ messages: [user(null)] }))
  expect(error).toMatchObject({ param: 'messages[0].content', code: 'invalid_type' })
})

test.each([
  [{ reasoning_effort: 'none' }],
  [{ enable_thinking: false }],
  [{ think: false }],
  [{ thinking: { type: 'disabled' } }],
  [{ reasoning: { effort: 'none' } }],
  [{ reasoning: { enabled: false } }],
  [{ chat_template_kwargs: { enable_thinking: false } }],
  [{ chat_template_kwargs: { thinking: false } }],
])('%o switches thinking off', async (body) => {
  const chatTemplate = `{% for m in messages %}{{ m.content }}{% endfor %}{% if enable_thinking %}, thinking of many things{% endif %}:`
  const one = await open({ chatTemplate })
  const tokens = async (more: object) => (await json(chat(more, one))).usage.prompt_tokens
  expect(await tokens(body)).toBeLessThan(await tokens({}))
})

describe('what a request promises itself and would not get is refused by name', () => {
  test.each([
    ['tools', { tools: [{ type: 'function', function: { name: 'f' } }] }],
    ['functions', { functions: [{ name: 'f' }] }],
    ['tool_choice', { tool_choice: 'required' }],
    ['response_format', { response_format: { type: 'json_schema', json_schema: { name: 'x', schema: {} } } }],
    ['grammar', { grammar: 'root ::= "a"' }],
    ['json_schema', { json_schema: { type: 'object' } }],
    ['guided_json', { guided_json: { type: 'object' } }],
    ['guided_choice', { guided_choice: ['a', 'b'] }],
    ['structured_outputs', { structured_outputs: { regex: 'a' } }],
    ['format', { format: 'json' }],
    ['images', { images: ['aGVsbG8='] }],
    ['messages[0].images', { messages: [{ ...COUNT, images: ['aGVsbG8='] }] }],
    [
      'messages[0].content[0].type',
      { messages: [user([{ type: 'image_url', image_url: { url: 'data:' } }])] },
    ],
    ['messages[0].content[0].type', { messages: [user([{ type: 'input_audio', input_audio: {} }])] }],
    ['modalities', { modalities: ['text', 'audio'] }],
    ['web_search_options', { web_search_options: {} }],
    ['documents', { documents: [{ text: 'x' }] }],
  ])('%s', async (param, body) => {
    const response = await chat(body)
    expect(response.status).toBe(400)
    expect((await json(response)).error).toMatchObject({ param, code: 'unsupported_parameter' })
  })
})

describe('a path', () => {
  test.each([
    '/v1/chat/completions',
    '/chat/completions',
    '/v1/chat/completions/',
    '//v1/chat/completions',
    '/v1//chat/completions',
    '/v1/v1/chat/completions',
  ])('%s takes chats', async (path) => {
    const response = await running.post(path, { messages: [COUNT], max_tokens: 1 })
    expect(response.status).toBe(200)
  })

  test.each([
    '/v1/models',
    '/models',
    '/v1/models/',
    '/v1/models/tiny',
    '/models/tiny/',
    '/v1/health',
    '/metrics/',
  ])('%s can be read', async (path) => expect((await running.get(path)).status).toBe(200))

  test.each(['/v2/models', '/chat', '/v1/chat', '/api/models', '/models/tiny/x'])(
    '%s does not exist',
    async (path) => expect((await running.get(path)).status).toBe(404),
  )

  test('needs a key however it is written', async () => {
    const one = await open({ apiKey: 'key' })
    for (const path of ['/v1/models', '//models', '/models/', '/v1/v1/models', '/v1//metrics'])
      expect((await one.get(path)).status).toBe(401)
  })
})

/** The status of a request whose Host header is `host`: fetch() does not let one choose. */
function statusFor(host: string, { url }: Running, headers: Record<string, string> = {}): Promise<number> {
  return new Promise((resolve, reject) => {
    const asked = httpGet(`${url}/v1/models`, { headers: { host, ...headers } }, (response) => {
      response.resume()
      resolve(response.statusCode!)
    })
    asked.on('error', reject)
  })
}

describe('a Host header', () => {
  test.each([
    'host.docker.internal:4891',
    'gpu-box.local',
    'models.corp.internal',
    'nas.lan',
    'nas.home.arpa',
    'localhost.localdomain',
    'localhost.',
    hostname(),
  ])('%s cannot be public, and is allowed', async (host) => {
    expect(await statusFor(host, running)).toBe(200)
  })

  test.each(['local', 'internal.example', 'local.example', 'xlocal', 'evil.example'])(
    '%s may be public, and is not',
    async (host) => expect(await statusFor(host, running)).toBe(host === 'local' ? 200 : 403),
  )

  test('may be any with a valid key, and does not replace one', async () => {
    const one = await open({ apiKey: 'key' })
    const authorization = 'Bearer key'
    expect(await statusFor('models.example', one, { authorization })).toBe(200)
    expect(await statusFor('models.example', one, { authorization: 'Bearer wrong' })).toBe(401)
    expect(await statusFor('models.example', one)).toBe(401)
    expect(await statusFor('localhost', one, { authorization, origin: 'https://evil.example' })).toBe(403)
  })

  test('is compared with allowedHosts by its name', async () => {
    const allowedHosts = ['mybox:4891', 'http://models.example/', '*.farm.example']
    const one = await open({ allowedHosts })
    for (const host of ['mybox', 'mybox:80', 'MODELS.example', 'a.farm.example', 'b.a.farm.example:4891'])
      expect(await statusFor(host, one)).toBe(200)
    for (const host of ['farm.example', 'mybox.example', 'xmodels.example'])
      expect(await statusFor(host, one)).toBe(403)
  })
})

test('origins may be given with a *', async () => {
  const one = await open({ corsOrigins: ['app://*', 'http://localhost:*', 'https://*.app.example'] })
  for (const origin of ['app://obsidian.md', 'http://localhost:5173', 'https://eu.app.example'])
    expect(await statusFor('localhost', one, { origin })).toBe(200)
  for (const origin of ['http://localhost.evil.example:80', 'https://app.example.evil.example', 'apps://x'])
    expect(await statusFor('localhost', one, { origin })).toBe(403)
})

describe('comments of a stream that has nothing to send yet', () => {
  const first = async (one: Running, inLine: number) => {
    // The only place is taken, and others stand in line, so this one waits.
    const long = { stream: true, max_tokens: 2000, logit_bias: { 2: -100 }, temperature: 1.5 }
    const before = Array.from({ length: inLine }, () => chat(long, one))
    const waiting = await chat({ stream: true, max_tokens: 1 }, one)
    const reader = waiting.body!.getReader()
    const { value } = await reader.read()
    for (const response of await Promise.all(before)) await response.body!.cancel()
    await reader.cancel()
    return new TextDecoder().decode(value)
  }

  test('come every pingInterval', async () => {
    expect(await first(await open({ pingInterval: 10 }, { parallel: 1 }), 30)).toMatch(/^: /)
  }, 30_000)

  test('never come with Infinity', async () => {
    expect(await first(await open({ pingInterval: Infinity }, { parallel: 1, nCtx: 512 }), 3)).toMatch(
      /^data: /,
    )
  }, 30_000)
})

test('models of a folder are those that localModels() finds no problem with', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'gpt4all-usable-'))
  const server = createServer({}, { modelPath: folder, modelOptions: { nThreads: 1 } })
  try {
    const { readFile } = await import('node:fs/promises')
    await writeFile(join(folder, 'good.gguf'), await readFile(EMBEDDED))
    await writeFile(join(folder, 'old.bin'), oldFile('v3-Q4_0.bin'))
    await writeFile(join(folder, 'other.bin'), 'no model')
    await writeFile(join(folder, 'broken.gguf'), 'no model')
    const usable = (await GPT4All.localModels(folder)).filter(({ problem }) => !problem)
    const { data } = await json(server.fetch(new Request('http://localhost/v1/models')))
    expect(data.map(({ id }: { id: string }) => id)).toEqual(['good', 'old.bin'])
    expect(usable.map(({ filename }) => filename)).toEqual(['good.gguf', 'old.bin'])
    const body = JSON.stringify({ model: 'old.bin', prompt: 'Hello', max_tokens: 1 })
    const asked = new Request('http://localhost/v1/completions', { method: 'POST', body })
    expect((await server.fetch(asked)).status).toBe(200)
  } finally {
    await server.close()
    await rm(folder, { recursive: true })
  }
})
