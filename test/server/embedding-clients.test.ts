import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import { OpenAIEmbeddings } from '@langchain/openai'
import { cosineSimilarity, embed, embedMany } from 'ai'
import OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Embed4All } from '../../src/index.ts'
import { createServer, type ModelServer } from '../../src/server/index.ts'
import { EMBEDDER, hasEmbedder } from '../support/models.ts'
import { tinyModel } from '../support/tiny-models.ts'

if (!hasEmbedder)
  console.warn('Tests on all-MiniLM-L6-v2 are skipped: run `npm run models:fetch` to have it.')

const KEY = 'a key'
const TEXTS = ['the cat sat', 'on the mat', '', 'the cat sat']

const folder = mkdtempSync(join(tmpdir(), 'gpt4all-embedding-clients-'))
const file = join(folder, 'vectors.gguf')
writeFileSync(file, tinyModel('bert'))

let embedder: Embed4All
let server: ModelServer
let baseURL: string
let expected: number[][]
beforeAll(async () => {
  embedder = await Embed4All.load(file, { nThreads: 1 })
  const { embeddings } = await embedder.embed(TEXTS, { prefix: '' })
  expected = embeddings.map((vector) => Array.from(vector, (number) => expect.closeTo(number, 6)))
  server = createServer({ vectors: embedder }, { apiKey: KEY })
  baseURL = `${(await server.listen({ port: 0 })).url}/v1`
})
afterAll(async () => {
  await server.close()
  await embedder.close()
  rmSync(folder, { recursive: true })
})

describe("OpenAI's client", () => {
  const client = () => new OpenAI({ baseURL, apiKey: KEY, maxRetries: 0 })

  // It asks for base64 unless it is told a format.
  test.each([undefined, 'float'] as const)('gets vectors in the format %s', async (encoding_format) => {
    const { data, usage } = await client().embeddings.create({
      model: 'vectors',
      input: TEXTS,
      ...(encoding_format && { encoding_format }),
    })
    expect(data.map(({ embedding }) => Array.from(embedding))).toEqual(expected)
    expect(data.map(({ index }) => index)).toEqual([0, 1, 2, 3])
    expect(usage.total_tokens).toBe(usage.prompt_tokens)
  })

  test('throws its own error classes', async () => {
    const ask = (options: object) =>
      client().embeddings.create({ model: 'vectors', input: 'abc', ...options })
    await expect(ask({ model: 'text-embedding-3-small' })).rejects.toThrow(OpenAI.NotFoundError)
    await expect(ask({ dimensions: 100_000 })).rejects.toMatchObject({ status: 400, param: 'dimensions' })
    await expect(
      client().chat.completions.create({ model: 'vectors', messages: [{ role: 'user', content: 'Hi' }] }),
    ).rejects.toThrow(OpenAI.BadRequestError)
  })
})

describe("Vercel's AI SDK", () => {
  const model = (id = 'vectors') =>
    createOpenAICompatible({ name: 'gpt4all', baseURL, apiKey: KEY }).embeddingModel(id)

  test('embeds one text', async () => {
    const { embedding, usage } = await embed({ model: model(), value: TEXTS[0]! })
    expect(embedding).toEqual(expected[0])
    expect(usage.tokens).toBeGreaterThan(0)
  })

  test('embeds many', async () => {
    const { embeddings } = await embedMany({ model: model(), values: TEXTS })
    expect(embeddings).toEqual(expected)
  })
})

describe('LangChain.js', () => {
  const embeddings = () => new OpenAIEmbeddings({ model: 'vectors', apiKey: KEY, configuration: { baseURL } })

  test('embeds documents and questions', async () => {
    expect(await embeddings().embedDocuments(TEXTS)).toEqual(expected)
    expect(await embeddings().embedQuery(TEXTS[1]!)).toEqual(expected[1])
  })
})

test.skipIf(!hasEmbedder)('all-MiniLM-L6-v2 finds the text that answers a question', async () => {
  await using real = await Embed4All.load(EMBEDDER, { nThreads: 1 })
  await using both = createServer({ minilm: real })
  const { url } = await both.listen({ port: 0 })
  const model = createOpenAICompatible({ name: 'gpt4all', baseURL: `${url}/v1` }).embeddingModel('minilm')
  const values = [
    'Cats sleep for most of the day.',
    'The train to Bern leaves at noon.',
    'Bread needs yeast.',
  ]
  const { embeddings } = await embedMany({ model, values })
  const { embedding } = await embed({ model, value: 'When does the train leave?' })
  const near = embeddings.map((one) => cosineSimilarity(one, embedding))
  expect(near.indexOf(Math.max(...near))).toBe(1)
  expect(embedding).toHaveLength(384)
})
