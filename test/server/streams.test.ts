import { connect } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { createServer } from '../../src/server/index.ts'
import { closeAll, eventsOf, json, open, type Running } from '../support/server.ts'

afterEach(closeAll)

const ENDLESS = { prompt: 'Once upon a time', max_tokens: 1900, logit_bias: {} as Record<number, number> }
/** Never ends by itself: without its end token. */
async function endless({ model }: Running): Promise<typeof ENDLESS> {
  const ends = (await model.tokenize('<|im_end|><|endoftext|>', { parseSpecial: true })).map((id) => [
    id,
    -100,
  ])
  return { ...ENDLESS, logit_bias: Object.fromEntries(ends) }
}
const idle = async ({ model }: Running) => {
  while (model.activity.running + model.activity.queued > 0) await new Promise(setImmediate)
}

describe('a client that goes away', () => {
  test.each([true, false])('stops its generation, and frees its place (streamed: %s)', async (stream) => {
    const one = await open()
    const leaving = new AbortController()
    const body = { ...(await endless(one)), stream }
    const init = { signal: leaving.signal, headers: { 'x-request-id': 'leaver' } }
    const response = one.post('/v1/completions', body, init)
    if (stream) await (await response).body!.getReader().read()
    else while (one.model.activity.running === 0) await new Promise(setImmediate)
    leaving.abort()
    await response.catch(() => {})
    const { status, completionTokens = 0 } = await one.logged(({ id }) => id === 'leaver')
    expect(status).toBe(499)
    if (stream) expect(completionTokens).toBeGreaterThan(0)
    await idle(one)
    const metrics = await (await one.get('/metrics')).text()
    expect(metrics).toContain(`gpt4all_completion_tokens_total{model="tiny"} ${completionTokens}\n`)
    expect((await one.post('/v1/completions', { prompt: 'Hello' })).status).toBe(200)
  })

  test('stops its generation if the server is part of another program too', async () => {
    const { model } = await open()
    const server = createServer({ tiny: model })
    const body = JSON.stringify({ prompt: 'Once upon a time', max_tokens: 1900, stream: true })
    const response = await server.fetch(
      new Request('http://localhost/v1/completions', { method: 'POST', body }),
    )
    const reader = response.body!.getReader()
    await reader.read()
    await reader.cancel()
    while (model.activity.running > 0) await new Promise(setImmediate)
    await server.close()
  })
})

describe('a client that reads slowly', () => {
  test('does not delay others, and gets the whole answer', async () => {
    const one = await open({}, { parallel: 1 })
    const asked = {
      prompt: 'Count from 1 to 20.',
      max_tokens: 400,
      stream: true,
      seed: 1,
      logit_bias: (await endless(one)).logit_bias,
    }
    const slow = await one.post('/v1/completions', asked)
    const reader = slow.body!.getReader()
    await reader.read()
    // Others are served meanwhile, on the one place there is.
    for (let i = 0; i < 3; i++)
      expect((await one.post('/v1/completions', { prompt: 'Hello' })).status).toBe(200)
    let text = ''
    for (let read = await reader.read(); !read.done; read = await reader.read())
      text += new TextDecoder().decode(read.value)
    const { events, isDone } = eventsOf(text)
    expect(isDone).toBe(true)
    expect(events.at(-1)?.choices[0].finish_reason).toBe('length')
  })

  test('loses its answer when it stops reading for stallTimeout', async () => {
    const { model } = await open()
    const lines: string[] = []
    const note = (line: string) => void lines.push(line)
    const logger = { debug() {}, info: note, warn() {}, error: note }
    const server = createServer({ tiny: model }, { stallTimeout: 50, logger })
    const body = JSON.stringify({ prompt: 'Once upon a time', max_tokens: 1900, stream: true })
    const response = await server.fetch(
      new Request('http://localhost/v1/completions', { method: 'POST', body }),
    )
    while (lines.length === 0) await new Promise(setImmediate)
    while (model.activity.running > 0) await new Promise(setImmediate)
    expect(eventsOf(await response.text()).isDone).toBe(false)
    const line = JSON.parse(lines.at(-1)!)
    expect(line).toMatchObject({ status: 499, promptTokens: expect.any(Number) })
    const metrics = await (await server.fetch(new Request('http://localhost/metrics'))).text()
    for (const kind of ['prompt', 'completion'])
      expect(metrics).toContain(`gpt4all_${kind}_tokens_total{model="tiny"} ${line[`${kind}Tokens`]}\n`)
    await server.close()
  })
})

describe('a stream that is refused', () => {
  test('leaves no timer that keeps the process alive', async () => {
    const { model } = await open()
    const server = createServer({ tiny: model })
    const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length
    const before = timers()
    const body = JSON.stringify({ prompt: 'a long story '.repeat(3000), stream: true })
    const { status } = await server.fetch(
      new Request('http://localhost/v1/completions', { method: 'POST', body }),
    )
    expect(status).toBe(400)
    expect(timers()).toBeLessThanOrEqual(before)
    await server.close()
  })
})

describe('close() of a server', () => {
  test('lets requests in progress finish, and accepts no more', async () => {
    const one = await open()
    const response = await one.post('/v1/completions', {
      prompt: 'Once upon a time',
      max_tokens: 60,
      stream: true,
    })
    const closing = one.server.close()
    const { isDone } = eventsOf(await response.text())
    expect(isDone).toBe(true)
    await closing
    await expect(one.get('/health')).rejects.toThrow()
    const late = await one.server.fetch(new Request('http://localhost/health'))
    expect(late.status).toBe(503)
    expect((await json(late)).error.code).toBe('shutting_down')
  })

  test('aborts requests that do not finish in time', async () => {
    const one = await open()
    const response = await one.post('/v1/completions', { ...(await endless(one)), stream: true })
    await one.server.close({ timeout: 50 })
    const { events, isDone } = eventsOf(await response.text())
    expect(isDone).toBe(false)
    expect(events.at(-1)).toMatchObject({ error: { code: 'shutting_down' } })
    expect(one.model.activity).toEqual({ running: 0, queued: 0 })
  })

  test('leaves the models open that were passed to the server', async () => {
    const one = await open()
    await one.server.close()
    expect(await one.model.generate('Hello', { maxTokens: 2 })).not.toBe('')
  })

  test.each([
    [
      'a body that never ends',
      'POST /v1/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000\r\n\r\n{"pro',
    ],
    ['a head that never ends', 'GET /health HTTP/1.1\r\nhost: loc'],
    ['a connection that is only kept', 'GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n'],
  ])('does not wait for %s', async (_, text) => {
    const one = await open()
    const socket = connect(Number(new URL(one.url).port), '127.0.0.1')
    socket.on('error', () => {})
    await new Promise<void>((resolve) => socket.write(text, () => resolve()))
    await one.get('/health')
    await one.server.close({ timeout: 50 })
    socket.destroy()
  })

  test('does not wait for a stream that is not read', async () => {
    const one = await open()
    const server = createServer({ tiny: one.model }, { stallTimeout: Number.POSITIVE_INFINITY })
    const body = JSON.stringify({ ...(await endless(one)), stream: true })
    await server.fetch(new Request('http://localhost/v1/completions', { method: 'POST', body }))
    await server.close({ timeout: 50 })
    expect(one.model.activity).toEqual({ running: 0, queued: 0 })
  })

  test('waits for requests without a limit with timeout: Infinity', async () => {
    const one = await open()
    const response = await one.post('/v1/completions', {
      prompt: 'Once upon a time',
      max_tokens: 60,
      stream: true,
    })
    const closing = one.server.close({ timeout: Number.POSITIVE_INFINITY })
    expect(eventsOf(await response.text()).isDone).toBe(true)
    await closing
    expect(() => one.server.close({ timeout: Number.NaN })).toThrow(RangeError)
    await expect(one.server.listen()).rejects.toThrow('closed')
  })
})
