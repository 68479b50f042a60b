import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { MEMORY_PER_BODY, MEMORY_PER_BYTE } from '../../src/server/body/room.ts'
import { createServer } from '../../src/server/index.ts'
import { seeded } from '../support/gguf-writer.ts'
import { closeAll, json, open, type Running, serve } from '../support/server.ts'

const sockets: Socket[] = []
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  await closeAll()
})

/** Bytes to a server, and what it answers. */
async function dial({ url }: Pick<Running, 'url'>) {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  sockets.push(socket)
  await once(socket, 'connect')
  let text = ''
  socket.on('data', (data) => {
    text += data
  })
  const isOver = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  return {
    socket,
    send: (bytes: string | Uint8Array) => void socket.write(bytes),
    /** Status and body of the answer, once it is there. */
    async answer(): Promise<{ status: number; head: string; body: string }> {
      for (;;) {
        const [head = '', body] = text.split('\r\n\r\n')
        const length = Number(/^content-length: (\d+)/im.exec(head)?.[1])
        if (body !== undefined && Buffer.byteLength(body) >= length)
          return { status: Number(/^HTTP\/1\.1 (\d+)/.exec(head)?.[1]), head, body }
        await Promise.race([once(socket, 'data'), isOver])
        if (socket.destroyed && text === '') throw new Error('no answer')
      }
    },
    isOver,
  }
}

const head = (headers: string, path = '/v1/completions') =>
  `POST ${path} HTTP/1.1\r\nhost: localhost\r\n${headers}\r\n\r\n`
const asked = { prompt: 'The capital of France is — “so they say” 😀', max_tokens: 3, temperature: 0 }
const bytes = Buffer.from(JSON.stringify(asked))
const chunk = (piece: Uint8Array) =>
  Buffer.concat([Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from('\r\n')])

/** Cut into pieces of `size()` bytes. */
function pieces(whole: Buffer, size: () => number): Buffer[] {
  const cut: Buffer[] = []
  for (let at = 0; at < whole.length; ) {
    const length = size()
    cut.push(whole.subarray(at, at + length))
    at += length
  }
  return cut
}

describe('a body', () => {
  const random = seeded(1)
  test.each([
    ['of one-byte chunks', () => 1],
    ['of chunks of any size', () => 1 + Math.floor(random() * 40)],
    ['in one chunk', () => 1e6],
  ])('%s gets the answer of a whole body, even if characters are split', async (_, size) => {
    const one = await open()
    const whole = await json(one.post('/v1/completions', asked))
    const { send, answer } = await dial(one)
    send(head('transfer-encoding: chunked'))
    for (const piece of pieces(bytes, size)) send(chunk(piece))
    send('0\r\n\r\n')
    const { status, body } = await answer()
    expect(status).toBe(200)
    expect(JSON.parse(body).choices).toEqual(whole.choices)
  })

  test('of one-byte pieces is read by server.fetch too', async () => {
    const { model, post } = await open()
    const whole = await json(post('/v1/completions', asked))
    const server = createServer({ tiny: model })
    const body = new ReadableStream({
      start(controller) {
        for (const byte of bytes) controller.enqueue(Uint8Array.of(byte))
        controller.close()
      },
    })
    const init = { method: 'POST', body, duplex: 'half' } as RequestInit
    const response = await server.fetch(new Request('http://localhost/v1/completions', init))
    expect((await json(response)).choices).toEqual(whole.choices)
    await server.close()
  })

  test('that has not arrived after bodyTimeout gets 408, and its connection ends', async () => {
    const one = await open({ bodyTimeout: 20 })
    const { send, answer, isOver } = await dial(one)
    send(`${head('content-length: 1000')}{"prompt":`)
    const { status, body } = await answer()
    expect(status).toBe(408)
    expect(JSON.parse(body).error).toMatchObject({
      type: 'invalid_request_error',
      code: 'body_timeout',
      message: expect.stringContaining('20 ms'),
    })
    await isOver
    const server = createServer(one.model, { bodyTimeout: 20 })
    let isCancelled = false
    const endless = new ReadableStream({
      cancel() {
        isCancelled = true
      },
    })
    const init = { method: 'POST', body: endless, duplex: 'half' } as RequestInit
    const response = await server.fetch(new Request('http://localhost/v1/completions', init))
    expect(response.status).toBe(408)
    expect(isCancelled).toBe(true)
    await server.close()
  })

  test('whose client disconnects in the middle frees its memory at once', async () => {
    const one = await open({ maxBodyBytes: 10_000, bodyMemory: MEMORY_PER_BODY + 40_000 })
    const { send, socket } = await dial(one)
    send(`${head('content-length: 9000\r\nx-request-id: leaver')}{"prompt":"`)
    send(' '.repeat(8000))
    while ((await one.post('/v1/completions', asked)).status !== 429);
    socket.destroy()
    expect((await one.logged(({ id }) => id === 'leaver')).status).toBe(499)
    expect((await one.post('/v1/completions', asked)).status).toBe(200)
  })

  test('fits if its bytes do, whatever its Content-Length announces', async () => {
    const one = await open({ maxBodyBytes: 100_000, bodyMemory: 3 * MEMORY_PER_BODY + 4 * 100_000 })
    const told = await Promise.all([dial(one), dial(one)])
    for (const { send } of told) send(`${head('content-length: 100000')}{`)
    expect((await one.post('/v1/completions', asked)).status).toBe(200)
  })
})

describe('the memory of all bodies', () => {
  const each = 10_000
  const roomFor = (count: number) => count * (MEMORY_PER_BODY + MEMORY_PER_BYTE * each)

  test('is limited: a body that does not fit gets 429 with Retry-After, and fits once there is room', async () => {
    const one = await open({ maxBodyBytes: each, bodyMemory: roomFor(3) })
    const held = await Promise.all(Array.from({ length: 3 }, () => dial(one)))
    for (const { send } of held) send(`${head(`content-length: ${each}`)}{"prompt":"${' '.repeat(each - 12)}`)
    // All three are read before others ask for the room that the last of them needs.
    for (let i = 0; i < 5; i++) await one.get('/health')
    while ((await one.post('/v1/completions', asked)).status !== 429);
    const refused = await one.post('/v1/completions', asked)
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
    expect((await json(refused)).error).toMatchObject({ type: 'rate_limit_error', code: 'bodies_full' })
    expect((await one.get('/health')).status).toBe(200)
    held[0]!.send('"')
    expect((await held[0]!.answer()).status).toBe(400)
    expect((await one.post('/v1/completions', asked)).status).toBe(200)
  })

  test('is held until the requests are answered', async () => {
    const one = await open({ maxBodyBytes: each, bodyMemory: roomFor(1) }, { parallel: 2 })
    const eos = await one.model.tokenize('<|im_end|><|endoftext|>', { parseSpecial: true })
    const unending = {
      prompt: 'Once',
      max_tokens: 1900,
      logit_bias: Object.fromEntries(eos.map((id) => [id, -100])),
    }
    const leaving = new AbortController()
    const padded = { ...unending, stream: true, user: ' '.repeat(9000) }
    const stream = await one.post('/v1/completions', padded, { signal: leaving.signal })
    await stream.body!.getReader().read()
    expect((await one.post('/v1/completions', asked)).status).toBe(429)
    leaving.abort()
    while ((await one.post('/v1/completions', asked)).status !== 200);
  })

  test('is at least enough for one body of maxBodyBytes', async () => {
    const one = await open()
    const bad = () => createServer(one.model, { maxBodyBytes: each, bodyMemory: roomFor(1) - 1 })
    expect(bad).toThrow(expect.objectContaining({ code: 'ERR_OPTION', option: 'bodyMemory' }))
    expect(() => createServer(one.model, { bodyTimeout: 0 })).toThrow(/bodyTimeout/)
    await createServer(one.model, { maxBodyBytes: 2 ** 30 }).close()
  })
})

describe('an error that does not depend on the body', () => {
  const told = 'content-length: 1000'
  test.each([
    ['no key', told, 401],
    ['another origin', `${told}\r\nauthorization: Bearer key\r\norigin: https://evil.example`, 403],
    ['a body that is too long', 'content-length: 5000000\r\nauthorization: Bearer key', 413],
    ['an encoded body', `${told}\r\nauthorization: Bearer key\r\ncontent-encoding: gzip`, 415],
  ])('is answered before the body arrives: %s', async (_, headers, status) => {
    const one = await open({ apiKey: 'key' })
    const { send, answer } = await dial(one)
    send(head(headers))
    expect((await answer()).status).toBe(status)
  })

  test('is answered before the body arrives: a full queue', async () => {
    const one = await open({ maxQueue: 0 }, { parallel: 1 })
    const eos = await one.model.tokenize('<|im_end|><|endoftext|>', { parseSpecial: true })
    const logit_bias = Object.fromEntries(eos.map((id) => [id, -100]))
    const leaving = new AbortController()
    const unending = { prompt: 'Once', max_tokens: 1900, logit_bias, stream: true }
    const stream = await one.post('/v1/completions', unending, { signal: leaving.signal })
    await stream.body!.getReader().read()
    const { send, answer } = await dial(one)
    send(head(told))
    const { status, body, head: headers } = await answer()
    expect(status).toBe(429)
    expect(headers).toMatch(/^retry-after: \d/im)
    expect(JSON.parse(body).error.code).toBe('queue_full')
    leaving.abort()
  })
})

describe('the limit on parts of JSON', () => {
  const list = (count: number, piece: (i: number) => string) =>
    Array.from({ length: count }, (_, i) => piece(i)).join()
  const chat = '"messages":[{"role":"user","content":"Hi"}],"max_tokens":1'
  const shapes: readonly (readonly [string, string])[] = [
    ['nested arrays', `{${chat},"metadata":${'['.repeat(1e5)}${']'.repeat(1e5)}}`],
    ['arrays that never end', `{"messages":${'['.repeat(1e5)}`],
    ['nested objects', `{${chat},"metadata":${'{"a":'.repeat(1e5)}1${'}'.repeat(1e5)}}`],
    ['names', `{${chat},${list(30_000, (i) => `"k${i}":0`)}}`],
    ['names of one message', `{"messages":[{"role":"user",${list(30_000, (i) => `"k${i}":0`)}}]}`],
    ['objects', `{${chat},"metadata":[${list(30_000, (i) => `{"k${i}":0}`)}]}`],
    ['texts', `{${chat},"stop":[${list(30_000, (i) => `"${i}"`)}]}`],
    ['numbers', `{${chat},"metadata":[${list(300_000, () => '1')}]}`],
    ['words', `{${chat},"metadata":[${list(300_000, () => 'null')}]}`],
    ['messages', `{"messages":[${list(30_000, () => '{"role":"user","content":""}')}]}`],
    ['token ids', `{"logit_bias":{${list(30_000, (i) => `"${i}":0`)}},${chat}}`],
  ]
  let shared: Running
  beforeAll(async () => {
    shared = await serve()
  })
  afterAll(() => shared.close())

  test.each(shapes)('refuses a body while it arrives: %s', async (_, text) => {
    const response = await shared.post('/v1/chat/completions', text)
    expect(response.status).toBe(400)
    const { error } = await json(response)
    expect(error).toMatchObject({ type: 'invalid_request_error', code: 'too_complex' })
    expect(error.message).toMatch(/^The body has more than \d+ /)
  })

  test('does not count the contents of long strings', async () => {
    const { post } = shared
    const user = `{[,"\\${'[{",\\'.repeat(20_000)}`
    const body = { messages: [{ role: 'user', content: 'Hi' }], max_tokens: 1, user }
    expect((await post('/v1/chat/completions', body)).status).toBe(200)
  })

  test('allows a chat of maxMessages messages with several parts each', async () => {
    const { post } = await open({ maxMessages: 2000 })
    const content = [
      { type: 'text', text: 'a' },
      { type: 'text', text: 'b' },
    ]
    const messages = Array.from({ length: 2000 }, (_, i) => ({ role: i % 2 ? 'user' : 'assistant', content }))
    const response = await post('/v1/chat/completions', { messages })
    expect((await json(response)).error.code).toBe('context_length_exceeded')
  })

  test('does not prevent the error that names the first wrong part just within it', async () => {
    const { post } = await open({ strict: true })
    const names = `{${chat},${list(15_000, (i) => `"k${i}":0`)}}`
    expect((await json(post('/v1/chat/completions', names))).error.param).toBe('k0')
    const messages = `{"messages":[${list(1001, () => '{"role":"user","content":""}')}]}`
    expect((await json(post('/v1/chat/completions', messages))).error.message).toContain('1000 are accepted')
    const ids = `{"prompt":[${list(150_000, () => '4000000')}]}`
    expect((await json(post('/v1/completions', ids))).error.message).toContain('vocabulary')
    const prompts = `{"prompt":[${list(9000, () => '[1]')}]}`
    expect((await json(post('/v1/completions', prompts))).error.param).toBe('prompt')
  })
})
