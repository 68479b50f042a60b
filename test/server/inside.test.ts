import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createServer } from '../../src/server/index.ts'
import { json, type Running, serve } from '../support/server.ts'

let running: Running
beforeAll(async () => {
  running = await serve({}, { nCtx: 256 })
})
afterAll(() => running.close())

const post = (path: string, body: string | ReadableStream, init: RequestInit = {}) =>
  running.server.fetch(new Request(`http://localhost${path}`, { method: 'POST', body, ...init }))
const complete = (body: object, init: RequestInit = {}) =>
  post('/v1/completions', JSON.stringify({ prompt: 'Once upon a time', ...body }), init)

describe('server.fetch in another server', () => {
  test.each([undefined, null, {}, 'http://localhost/health', { url: 'http://localhost/health' }])(
    'refuses %j, which is not a request, with ERR_OPTION',
    async (request) => {
      const answering = running.server.fetch(request as unknown as Request)
      await expect(answering).rejects.toMatchObject({ code: 'ERR_OPTION', option: 'request' })
    },
  )

  test('answers 499 to a request that was aborted before it arrived', async () => {
    const response = await complete({}, { signal: AbortSignal.abort() })
    expect(response.status).toBe(499)
    expect((await json(response)).error.code).toBe('request_aborted')
  })

  test('answers 499 to a request that is aborted during its generation, and stops that', async () => {
    const giveUp = new AbortController()
    const logit_bias = { 0: -100, 2: -100 } // so that it never ends by itself
    const answering = complete({ max_tokens: 100_000, logit_bias }, { signal: giveUp.signal })
    while (running.model.activity.running === 0) await new Promise(setImmediate)
    giveUp.abort(new Error('enough'))
    const response = await answering
    expect(response.status).toBe(499)
    while (running.model.activity.running > 0) await new Promise(setImmediate)
    expect(await running.logged(({ status }) => status === 499)).not.toHaveProperty('error')
  })

  test.each([[5], ['text'], [{}]])('refuses a body that is a stream of %j, not of bytes', async (piece) => {
    const body = new ReadableStream({
      start(controller) {
        controller.enqueue(piece)
        controller.close()
      },
    })
    const response = await post('/v1/completions', body, { duplex: 'half' } as RequestInit)
    expect(response.status).toBe(400)
    expect((await json(response)).error.message).toContain('stream of bytes')
  })
})

describe('the error for a bad request', () => {
  test.each([
    ['/v1/completions', 'prompt', { prompt: 'word '.repeat(1000) }],
    ['/v1/chat/completions', 'messages', { messages: [{ role: 'user', content: 'word '.repeat(1000) }] }],
  ])('to %s that is too long names the parameter %s', async (path, param, body) => {
    for (const stream of [true, false]) {
      const response = await post(path, JSON.stringify({ ...body, stream }))
      expect((await json(response)).error).toMatchObject({ code: 'context_length_exceeded', param })
    }
  })

  test.each(['0012', '-1', '1e3'])('names the token id %s of its logit_bias', async (id) => {
    const response = await complete({ logit_bias: { [id]: 1 } })
    const { error } = await json(response)
    expect([response.status, error.param.replace(/\..*/, '')]).toEqual([400, 'logit_bias'])
  })
})

describe('listen()', () => {
  test('rejects with ERR_BUSY the second time, and with ERR_CLOSED after close()', async () => {
    const server = createServer(running.model)
    await server.listen({ port: 0 })
    await expect(server.listen({ port: 0 })).rejects.toMatchObject({ code: 'ERR_BUSY' })
    await server.close()
    await expect(server.listen({ port: 0 })).rejects.toMatchObject({
      code: 'ERR_CLOSED',
      message: 'The server is closed.',
    })
  })

  test.each([null, 4891, 'localhost'])(
    'rejects %j in place of options with ERR_OPTION, and so does close()',
    async (options) => {
      const server = createServer(running.model)
      const refused = { code: 'ERR_OPTION', option: 'options' }
      await expect(server.listen(options as unknown as object)).rejects.toMatchObject(refused)
      expect(() => server.close(options as unknown as object)).toThrow(expect.objectContaining(refused))
      await server.close()
    },
  )
})
