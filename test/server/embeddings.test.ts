import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Embed4All, GPT4All } from '../../src/index.ts'
import { createServer, type ModelServer } from '../../src/server/index.ts'
import { EMBEDDED } from '../support/models.ts'
import { type Json, json } from '../support/server.ts'
import { tinyModel } from '../support/tiny-models.ts'
import { until } from '../support/until.ts'

const folder = mkdtempSync(join(tmpdir(), 'gpt4all-embeddings-'))
const file = join(folder, 'vectors.gguf')
writeFileSync(file, tinyModel('bert'))
copyFileSync(EMBEDDED, join(folder, 'chat.gguf'))

let model: GPT4All
let embedder: Embed4All
let server: ModelServer
const lines: Json[] = []
beforeAll(async () => {
  model = await GPT4All.load(EMBEDDED, { nThreads: 1 })
  embedder = await Embed4All.load(file, { nThreads: 1 })
  const info = (line: string) => void lines.push(JSON.parse(line))
  const logger = { debug() {}, info, warn() {}, error: info }
  server = createServer({ tiny: model, vectors: embedder }, { logger })
})
afterAll(async () => {
  await server.close()
  await model.close()
  await embedder.close()
  rmSync(folder, { recursive: true })
})

const send = (to: ModelServer, path: string, body: object, init: RequestInit = {}) =>
  to.fetch(new Request(`http://localhost${path}`, { method: 'POST', body: JSON.stringify(body), ...init }))
const ask = (body: object, init?: RequestInit) => send(server, '/v1/embeddings', body, init)
const read = (to: ModelServer, path: string) => to.fetch(new Request(`http://localhost${path}`))
const vectorsOf = async (body: object): Promise<number[][]> => {
  const { data } = await json(ask(body))
  return data.map(({ embedding }: Json) => embedding)
}
/** The tokens of "abc": one letter that begins a word, two that do not. */
const ABC = [32, 7, 8]
/** What the vocabulary puts around a text. */
const [CLS, SEP] = [2, 3]

describe('/v1/embeddings', () => {
  test("answers with the library's vectors, in OpenAI's form", async () => {
    const texts = ['abc', 'hello world']
    const { embeddings, usage } = await embedder.embed(texts, { prefix: '' })
    const answer = await ask({ model: 'vectors', input: texts })
    expect(answer.headers.get('content-type')).toBe('application/json')
    expect(await json(answer)).toEqual({
      object: 'list',
      data: embeddings.map((vector, index) => ({
        object: 'embedding',
        index,
        embedding: [...vector].map((number) => expect.closeTo(number, 6)),
      })),
      model: 'vectors',
      usage: { prompt_tokens: usage.promptTokens, total_tokens: usage.promptTokens },
    })
  })

  test('takes a single text, and chooses the first embedding model where none is named', async () => {
    const { data, model } = await json(ask({ input: 'abc' }))
    expect([data.length, model]).toEqual([1, 'vectors'])
  })

  test('writes base64 of little-endian float32', async () => {
    const { data } = await json(ask({ input: 'abc', encoding_format: 'base64' }))
    const bytes = Buffer.from(data[0].embedding, 'base64')
    const [expected] = await vectorsOf({ input: 'abc', encoding_format: 'float' })
    expect(expected!.map((_, i) => bytes.readFloatLE(4 * i))).toEqual(expected!.map(Math.fround))
  })

  test('takes token ids, one list or several, with the tokens around a text or without', async () => {
    const [expected] = await vectorsOf({ input: 'abc' })
    const [one] = await vectorsOf({ input: ABC })
    const many = await vectorsOf({ input: [ABC, [CLS, ...ABC, SEP], 'abc'] })
    for (const vector of [one!, ...many])
      expect(vector).toEqual(expected!.map((number) => expect.closeTo(number, 6)))
    const { usage } = await json(ask({ input: [[CLS, ...ABC, SEP]] }))
    expect(usage.prompt_tokens).toBe(ABC.length)
  })

  test('cuts vectors to dimensions', async () => {
    const [whole] = await vectorsOf({ input: 'abc' })
    const [cut] = await vectorsOf({ input: 'abc', dimensions: 8 })
    const norm = Math.hypot(...whole!.slice(0, 8))
    expect(cut).toEqual(whole!.slice(0, 8).map((number) => expect.closeTo(number / norm, 5)))
  })

  test('puts a prefix before texts if the request has one', async () => {
    const { embedding } = await embedder.embed('abc', { prefix: 'query' })
    const [prefixed] = await vectorsOf({ input: 'abc', prefix: 'query' })
    expect(prefixed).toEqual([...embedding].map((number) => expect.closeTo(number, 6)))
  })

  test('embeds an empty text among others', async () => {
    expect(await vectorsOf({ input: ['abc', ''] })).toHaveLength(2)
  })

  test.each([
    ['no input', {}, 'input', 'missing_required_parameter'],
    ['an empty text', { input: '' }, 'input', 'invalid_value'],
    ['no texts', { input: [] }, 'input', 'invalid_value'],
    ['an empty list of ids', { input: [[]] }, 'input', 'invalid_type'],
    ['a number', { input: 1 }, 'input', 'invalid_type'],
    ['texts that are none', { input: ['abc', {}] }, 'input', 'invalid_type'],
    ['ids that are none', { input: [1.5] }, 'input', 'invalid_type'],
    ['ids outside the vocabulary', { input: [5, 100_000] }, 'input', 'invalid_value'],
    ['too many texts', { input: new Array(2049).fill('a') }, 'input', 'array_above_max_length'],
    ['another format', { input: 'a', encoding_format: 'int8' }, 'encoding_format', 'invalid_value'],
    ['no dimensions', { input: 'a', dimensions: 0 }, 'dimensions', 'invalid_value'],
    ['too many dimensions', { input: 'a', dimensions: 4096 }, 'dimensions', 'invalid_value'],
  ])('refuses %s, by name', async (_, body, param, code) => {
    const answer = await ask(body)
    expect(answer.status).toBe(400)
    const { error } = await json(answer)
    expect(error).toMatchObject({ type: 'invalid_request_error', param, code })
    expect(error.message).not.toContain('"text"')
  })

  test('takes fields without effect, unless the server is strict', async () => {
    const body = { input: 'abc', user: 'me', foo: 1 }
    expect((await ask(body)).status).toBe(200)
    const strict = createServer({ vectors: embedder }, { strict: true })
    expect((await send(strict, '/v1/embeddings', { input: 'abc', user: 'me' })).status).toBe(200)
    const refused = await send(strict, '/v1/embeddings', body)
    expect([refused.status, (await json(refused)).error.param]).toEqual([400, 'foo'])
    await strict.close()
  })

  test('ends when the client leaves', async () => {
    const leaving = new AbortController()
    class Watched extends Embed4All {
      override embedInputs(...args: Parameters<Embed4All['embedInputs']>) {
        leaving.abort()
        return super.embedInputs(...args)
      }
    }
    const watched = await Watched.load(file, { nThreads: 1 })
    const leavable = createServer({ watched })
    const input = Array.from({ length: 2000 }, (_, i) => `${i} `.repeat(100))
    const answer = await send(leavable, '/v1/embeddings', { input }, { signal: leaving.signal })
    expect(answer.status).toBe(499)
    expect((await send(leavable, '/v1/embeddings', { input: 'abc' })).status).toBe(200)
    await leavable.close()
    await watched.close()
  })

  test('is logged and counted', async () => {
    const { usage } = await json(ask({ input: 'abc' }))
    expect(lines.at(-1)).toMatchObject({ model: 'vectors', promptTokens: usage.prompt_tokens, status: 200 })
    const metrics = await (await read(server, '/metrics')).text()
    expect(metrics).toMatch(/^gpt4all_prompt_tokens_total\{model="vectors"\} \d+$/m)
    expect(metrics).toMatch(/^gpt4all_model_loaded\{model="vectors"\} 1$/m)
    expect(metrics).toMatch(/path="\/v1\/embeddings",status="200"/)
    expect((await json(read(server, '/health'))).loaded).toEqual(['tiny', 'vectors'])
  })
})

describe('a server of both kinds of models', () => {
  test('lists both', async () => {
    const { data } = await json(read(server, '/v1/models'))
    expect(data.map(({ id }: Json) => id)).toEqual(['tiny', 'vectors'])
  })

  test.each([
    ['/v1/chat/completions', { model: 'vectors', messages: [{ role: 'user', content: 'Hi' }] }, 'vectors'],
    ['/v1/completions', { model: 'vectors', prompt: 'Hi' }, 'vectors'],
    ['/v1/embeddings', { model: 'tiny', input: 'Hi' }, 'tiny'],
  ])('%s refuses a model of the other kind, by name', async (path, body, name) => {
    const answer = await send(server, path, body)
    const { error } = await json(answer)
    expect(answer.status).toBe(400)
    expect(error).toMatchObject({ param: 'model', code: 'unsupported_model' })
    expect(error.message).toContain(`"${name}"`)
  })

  test('answers chats without a model with the first that writes text', async () => {
    const both = createServer({ vectors: embedder, tiny: model })
    const answer = await send(both, '/v1/completions', { prompt: 'Hi', max_tokens: 1 })
    expect((await json(answer)).model).toBe('tiny')
    await both.close()
  })
})

describe('a folder with both kinds of models', () => {
  const open = (options = {}) =>
    createServer({}, { modelPath: folder, modelOptions: { nThreads: 1, parallel: 2 }, ...options })

  test('opens each for what it is, one after the other where only one may be loaded', async () => {
    const both = open({ maxModels: 1 })
    const loaded = async () => (await json(read(both, '/health'))).loaded
    expect((await json(read(both, '/v1/models'))).data.map(({ id }: Json) => id)).toEqual(['chat', 'vectors'])
    const embedded = await json(send(both, '/v1/embeddings', { model: 'vectors.gguf', input: 'abc' }))
    expect([embedded.model, embedded.data.length, await loaded()]).toEqual(['vectors', 1, ['vectors']])
    const written = await json(send(both, '/v1/completions', { model: 'chat', prompt: 'Hi', max_tokens: 1 }))
    expect([written.model, await loaded()]).toEqual(['chat', ['chat']])
    expect((await json(send(both, '/v1/embeddings', { input: 'abc' }))).model).toBe('vectors')
    await both.close()
  })

  test('refuses what a model does not do without opening it', async () => {
    const both = open()
    const messages = [{ role: 'user', content: 'Hi' }]
    expect((await send(both, '/v1/chat/completions', { model: 'vectors', messages })).status).toBe(400)
    expect((await send(both, '/v1/embeddings', { model: 'chat', input: 'Hi' })).status).toBe(400)
    expect((await json(read(both, '/health'))).loaded).toEqual([])
    await both.close()
  })

  test('unloads an embedding model that is idle', async () => {
    const both = open({ idleTimeout: 0 })
    await json(send(both, '/v1/embeddings', { model: 'vectors', input: 'abc' }))
    await until(async () => expect((await json(read(both, '/health'))).loaded).toEqual([]))
    await both.close()
  })
})

test('a server without an embedding model says so', async () => {
  const chats = createServer(model)
  const answer = await send(chats, '/v1/embeddings', { input: 'abc' })
  expect(answer.status).toBe(404)
  expect((await json(answer)).error.message).toContain('No model here makes embeddings')
  await chats.close()
})
