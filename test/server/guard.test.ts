import { connect } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { createServer } from '../../src/server/index.ts'
import { closeAll, json, open, type Running, serve } from '../support/server.ts'

afterEach(closeAll)

/** What the server answers to these bytes. */
async function raw(url: string, text: string | Buffer): Promise<string> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  socket.end(text)
  const chunks: Buffer[] = []
  for await (const chunk of socket) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}

const statusOf = (answer: string) => Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1])
const get = (url: string, headers: Record<string, string>) =>
  raw(
    url,
    `GET /v1/models HTTP/1.1\r\n${Object.entries({ connection: 'close', ...headers })
      .map(([name, value]) => `${name}: ${value}\r\n`)
      .join('')}\r\n`,
  )

describe('a request to the server', () => {
  let open1: Running
  beforeAll(async () => {
    open1 = await serve({ allowedHosts: ['models.example'], corsOrigins: ['https://app.example'] })
  })
  afterAll(() => open1.close())

  test.each([
    ['localhost', 200],
    ['LOCALHOST:4891', 200],
    ['app.localhost:80', 200],
    ['127.0.0.1', 200],
    ['192.168.1.7:4891', 200],
    ['[::1]:4891', 200],
    ['models.example', 200],
    ['evil.example', 403],
    ['localhost.evil.example', 403],
    ['127.0.0.1.evil.example:4891', 403],
    ['1.2.3.4.5', 400],
  ])('with the Host header %s gets %d', async (host, status) => {
    expect(statusOf(await get(open1.url, { host }))).toBe(status)
  })

  test.each([
    ['http://localhost:4891', 200],
    ['https://app.example', 200],
    ['https://app.example.evil.example', 403],
    ['https://evil.example', 403],
    ['http://localhost:3000', 403],
    ['null', 403],
    ['file://', 403],
  ])('with the Origin header %s gets %d', async (origin, status) => {
    const answer = await get(open1.url, { host: 'localhost:4891', origin })
    expect(statusOf(answer)).toBe(status)
    const allowed = /^access-control-allow-origin: (.*)\r$/im.exec(answer)?.[1]
    expect(allowed).toBe(origin === 'https://app.example' ? origin : undefined)
  })

  test('of a browser that asks beforehand (preflight) gets 204 or 403 by its origin', async () => {
    const ask = (origin: string) =>
      fetch(`${open1.url}/v1/chat/completions`, {
        method: 'OPTIONS',
        headers: { origin, 'access-control-request-headers': 'authorization,content-type' },
      })
    const allowed = await ask('https://app.example')
    expect(allowed.status).toBe(204)
    expect(allowed.headers.get('access-control-allow-headers')).toBe('authorization,content-type')
    expect((await ask('https://evil.example')).status).toBe(403)
  })
})

describe('API keys', () => {
  test('are required, and each of several is accepted', async () => {
    const { get, url } = await open({ apiKey: ['first', 'second'] })
    for (const authorization of ['Bearer first', 'bearer second', 'Bearer  first '])
      expect((await get('/v1/models', { authorization })).status).toBe(200)
    for (const authorization of ['Bearer third', 'Bearer ', 'Basic first', 'first', 'Bearer first second'])
      expect((await get('/v1/models', { authorization })).status).toBe(401)
    const without = await get('/v1/models')
    expect(without.status).toBe(401)
    expect(without.headers.get('www-authenticate')).toBe('Bearer')
    expect((await json(without)).error).toMatchObject({
      type: 'authentication_error',
      code: 'invalid_api_key',
    })
    expect((await get('/metrics')).status).toBe(401)
    expect((await get('/health')).status).toBe(200)
    expect((await fetch(`${url}/v1/chat/completions`, { method: 'POST', body: 'x' })).status).toBe(401)
  })

  test('are needed to listen on other hosts than this machine, unless allowAnyone is set', async () => {
    const { model } = await open()
    for (const host of ['0.0.0.0', '::', '192.168.1.7', 'example.org']) {
      const server = createServer(model)
      await expect(server.listen({ host, port: 0 })).rejects.toMatchObject({
        code: 'ERR_OPTION',
        option: 'host',
      })
      await server.close()
    }
    for (const options of [{ apiKey: 'x' }, { allowAnyone: true }]) {
      const server = createServer(model, options)
      const { port } = await server.listen({ host: '0.0.0.0', port: 0 })
      expect(port).toBeGreaterThan(0)
      await server.close()
    }
  })
})

describe('the limits of the server', () => {
  test('apply to the body, the messages, the choices and the answer', async () => {
    const { post } = await open({ maxBodyBytes: 2000, maxMessages: 3, maxChoices: 2, maxTokens: 4 })
    const user = { role: 'user', content: 'Count from 1 to 20.' }
    const chat = (body: object) => post('/v1/chat/completions', body)
    expect((await chat({ messages: [{ role: 'user', content: 'x'.repeat(2000) }] })).status).toBe(413)
    const chunked = new ReadableStream({
      start(controller) {
        for (let i = 0; i < 100; i++) controller.enqueue(new TextEncoder().encode(' '.repeat(100)))
        controller.close()
      },
    })
    const init = { method: 'POST', body: chunked, duplex: 'half' } as RequestInit
    expect((await post('/v1/chat/completions', '', init)).status).toBe(413)
    const turn = [user, { role: 'assistant', content: '1' }]
    expect((await chat({ messages: [...turn, ...turn, user] })).status).toBe(400)
    expect((await chat({ messages: [user], n: 3 })).status).toBe(400)
    const { usage } = await json(chat({ messages: [user], max_tokens: 1000 }))
    expect(usage.completion_tokens).toBe(4)
  })

  test('apply to the queue: a request that does not fit gets 429 with Retry-After', async () => {
    const { post } = await open({ maxQueue: 1 }, { parallel: 1 })
    const ask = () => post('/v1/completions', { prompt: 'Once upon a time', max_tokens: 100 })
    const answers = await Promise.all(Array.from({ length: 6 }, ask))
    const statuses = answers.map(({ status }) => status)
    expect(statuses.filter((status) => status === 200).length).toBeGreaterThanOrEqual(2)
    const refused = answers.filter(({ status }) => status === 429)
    expect(refused.length).toBeGreaterThan(0)
    expect(statuses.every((status) => status === 200 || status === 429)).toBe(true)
    for (const answer of refused) {
      expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0)
      expect((await json(answer)).error).toMatchObject({ type: 'rate_limit_error', code: 'queue_full' })
    }
    expect((await ask()).status).toBe(200)
  })
})

describe('the log of the server', () => {
  test('has a line for each request, without prompts and answers', async () => {
    const { post, lines, logged } = await open()
    const prompt = 'The secret word is swordfish.'
    const ask = (stream: boolean, id: string) =>
      post('/v1/completions', { prompt, stream }, { headers: { 'x-request-id': id } })
    for (const stream of [false, true]) await (await ask(stream, `stream-${stream}`)).text()
    for (const id of ['stream-false', 'stream-true']) {
      const line = await logged((one) => one.id === id)
      expect(line).toMatchObject({ method: 'POST', path: '/v1/completions', status: 200, model: 'tiny' })
      expect(line.completionTokens).toBeGreaterThan(0)
    }
    const bodies = [
      'swordfish',
      { prompt: 'x', stop: 'swordfish\ud800' },
      { messages: 'swordfish' },
      { prompt: 'x', logit_bias: { swordfish: 1 } },
    ]
    for (const body of bodies) expect((await post('/v1/completions', body)).status).toBe(400)
    expect(JSON.stringify(lines)).not.toContain('swordfish')
    expect(lines.filter(({ status }) => status === 400)).toHaveLength(bodies.length)
  })

  test('has prompts and answers with logPrompts', async () => {
    const { post, logged } = await open({ logPrompts: true })
    await (await post('/v1/completions', { prompt: 'swordfish', max_tokens: 3 })).text()
    const { prompt, answers } = await logged(({ path }) => path === '/v1/completions')
    expect(prompt).toBe('swordfish')
    expect(answers).toHaveLength(1)
  })
})

describe('a request that is not valid HTTP', () => {
  test.each([
    ['no Host header', 'GET /health HTTP/1.1\r\n\r\n', 400],
    ['an invalid Host header', 'GET /health HTTP/1.1\r\nhost: a b\r\n\r\n', 400],
    [
      'an Expect header',
      'GET /health HTTP/1.1\r\nhost: localhost\r\nexpect: a miracle\r\nconnection: close\r\n\r\n',
      417,
    ],
    ['garbage', 'hello there\r\n\r\n', 400],
    ['a header that is too long', `GET / HTTP/1.1\r\nx: ${'y'.repeat(100_000)}\r\n\r\n`, 431],
    [
      'a negative Content-Length',
      'POST /v1/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: -5\r\n\r\n',
      400,
    ],
  ])('gets an error in the format of the API: %s', async (_, text, status) => {
    const { url, get } = await open()
    const answer = await raw(url, text)
    expect(statusOf(answer)).toBe(status)
    expect(Object.keys(JSON.parse(answer.split('\r\n\r\n')[1]!).error)).toContain('message')
    expect((await get('/health')).status).toBe(200)
  })
})
