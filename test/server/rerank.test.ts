import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createCohere } from '@ai-sdk/cohere'
import { rerank } from 'ai'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Embed4All, type RankedDocument, Reranker } from '../../src/index.ts'
import { createServer, type ModelServer } from '../../src/server/index.ts'
import { type Json, json } from '../support/server.ts'
import { tinyEncoder } from '../support/tiny-encoders.ts'

const KEY = 'a key'
const QUERY = 'where is the cat?'
const DOCUMENTS = ['the cat', 'a dog in the rain', 'trains', 'the cat sat']

const folder = mkdtempSync(join(tmpdir(), 'gpt4all-rerank-'))
const file = (name: string) => join(folder, `${name}.gguf`)
writeFileSync(file('ranker'), tinyEncoder('reranker-bert'))
writeFileSync(file('vectors'), tinyEncoder('bert'))

let reranker: Reranker
let embedder: Embed4All
let server: ModelServer
let url: string
let ranked: readonly RankedDocument[]
const lines: Json[] = []
beforeAll(async () => {
  reranker = await Reranker.load(file('ranker'), { nThreads: 1 })
  embedder = await Embed4All.load(file('vectors'), { nThreads: 1 })
  ranked = await reranker.rank(QUERY, DOCUMENTS)
  const info = (line: string) => void lines.push(JSON.parse(line))
  const logger = { debug: info, info, warn() {}, error: info }
  server = createServer({ vectors: embedder, ranker: reranker }, { apiKey: KEY, logger })
  url = (await server.listen({ port: 0 })).url
})
afterAll(async () => {
  await server.close()
  await reranker.close()
  await embedder.close()
  rmSync(folder, { recursive: true })
})

const ask = (body: object, path = '/v1/rerank', to = server) =>
  to.fetch(
    new Request(`http://localhost${path}`, {
      method: 'POST',
      body: JSON.stringify(body),
      headers: { authorization: `Bearer ${KEY}` },
    }),
  )
const ASKED = { query: QUERY, documents: DOCUMENTS }
const results = () => ranked.map(({ index, score }) => ({ index, relevance_score: expect.closeTo(score, 5) }))

describe('/v1/rerank', () => {
  test("answers with the library's scores, the best first, in Jina's form", async () => {
    const answer = await json(ask({ model: 'ranker', ...ASKED }))
    expect(answer).toEqual({
      id: expect.any(String),
      model: 'ranker',
      object: 'list',
      usage: { prompt_tokens: expect.any(Number), total_tokens: answer.usage.prompt_tokens },
      results: results(),
      meta: { tokens: { input_tokens: answer.usage.prompt_tokens } },
    })
  })

  test('counts the tokens of query and document together, for each document', async () => {
    const { usage } = await json(ask({ query: 'abc', documents: ['abc'] }))
    const twice = await json(ask({ query: 'abc', documents: ['abc', 'abc'] }))
    expect(usage.prompt_tokens).toBe(9) // [CLS] a b c [SEP] a b c [SEP]
    expect(twice.usage.prompt_tokens).toBe(18)
  })

  test.each(['/rerank', '/v1/reranking', '/reranking', '/v2/rerank', '/v1/rerank/'])(
    'is at %s too',
    async (path) => {
      expect((await json(ask(ASKED, path))).results).toEqual(results())
    },
  )

  test('returns the best top_n, and the documents as they were sent', async () => {
    const documents = DOCUMENTS.map((text, id) => ({ text, id }))
    const best = { top_n: 2, return_documents: true }
    const asObjects = await json(ask({ ...ASKED, documents, ...best }))
    expect(asObjects.results.map(({ document }: Json) => document)).toEqual(
      ranked.slice(0, 2).map(({ index }) => documents[index]),
    )
    const asTexts = await json(ask({ ...ASKED, ...best }))
    expect(asTexts.results[0].document).toEqual({ text: DOCUMENTS[ranked[0]!.index] })
  })

  test('answers texts in the form of Text Embeddings Inference', async () => {
    const plain = await json(ask({ query: QUERY, texts: DOCUMENTS }))
    const scored = ranked.map(({ index, score }) => ({ index, score: expect.closeTo(score, 5) }))
    expect(plain).toEqual(scored)
    const texts = await json(ask({ query: QUERY, texts: DOCUMENTS, return_text: true, raw_scores: false }))
    expect(texts).toEqual(scored.map((one) => ({ ...one, text: DOCUMENTS[one.index] })))
  })

  test('cuts documents that are too long, or refuses them with truncate: false', async () => {
    const documents = ['the cat '.repeat(500)]
    expect((await json(ask({ query: QUERY, documents }))).results).toHaveLength(1)
    const answer = await ask({ query: QUERY, documents, truncate: false })
    expect(answer.status).toBe(400)
    expect((await json(answer)).error).toMatchObject({
      param: 'documents',
      message: expect.stringMatching(/^The document at index 0 has \d+ tokens/),
    })
  })

  test.each([
    ['no query', { documents: ['a'] }, 'query', 'missing_required_parameter'],
    ['a query that is no text', { query: ['a'], documents: ['a'] }, 'query', 'invalid_type'],
    ['a query that is too long', { query: 'cat '.repeat(9999), documents: ['a'] }, 'query', 'invalid_value'],
    ['no documents', { query: 'a' }, 'documents', 'missing_required_parameter'],
    ['null for documents', { query: 'a', documents: null }, 'documents', 'missing_required_parameter'],
    ['an empty array', { query: 'a', documents: [] }, 'documents', 'invalid_value'],
    ['a single text', { query: 'a', documents: 'a' }, 'documents', 'invalid_type'],
    ['a document without a text', { query: 'a', documents: ['a', {}] }, 'documents[1]', 'invalid_type'],
    ['texts beside documents', { query: 'a', documents: ['a'], texts: ['b'] }, 'texts', 'invalid_value'],
    ['texts that are none', { query: 'a', texts: [1] }, 'texts[0]', 'invalid_type'],
    [
      'too many documents',
      { query: 'a', documents: new Array(2049).fill('') },
      'documents',
      'array_above_max_length',
    ],
    ['none of them', { query: 'a', documents: ['a'], top_n: 0 }, 'top_n', 'invalid_value'],
    ['a model that makes embeddings', { ...ASKED, model: 'vectors' }, 'model', 'unsupported_model'],
  ])('refuses %s, by name', async (_, body, param, code) => {
    const answer = await ask(body)
    expect(answer.status).toBe(400)
    expect((await json(answer)).error).toMatchObject({ param, code })
  })

  test('counts and logs the tokens, and tells of fields without effect', async () => {
    lines.length = 0
    const { usage } = await json(ask({ ...ASKED, rank_fields: ['text'] }))
    expect(lines).toContainEqual(expect.objectContaining({ withoutEffect: ['rank_fields'] }))
    expect(lines).toContainEqual(
      expect.objectContaining({
        path: '/v1/rerank',
        status: 200,
        model: 'ranker',
        promptTokens: usage.prompt_tokens,
      }),
    )
    expect(JSON.stringify(lines)).not.toContain('the cat')
  })

  test('chats and embeddings are not for a reranker', async () => {
    for (const [path, body] of [
      ['/v1/embeddings', { input: 'a' }],
      ['/v1/chat/completions', { messages: [{ role: 'user', content: 'Hi' }] }],
    ] as const) {
      const { error } = await json(ask({ model: 'ranker', ...body }, path))
      expect(error.message).toMatch(/^"ranker" ranks documents\. Ask it at \/v1\/rerank/)
    }
  })
})

test('a folder serves rerankers and embedding models side by side', async () => {
  await using both = createServer({}, { modelPath: folder, modelOptions: { nThreads: 1 }, maxModels: 2 })
  expect(await json(ask(ASKED, '/v1/rerank', both))).toMatchObject({ model: 'ranker', results: results() })
  const { model, data } = await json(ask({ input: 'the cat' }, '/v1/embeddings', both))
  expect([model, data.length]).toEqual(['vectors', 1])
  const { data: models } = await json(both.fetch(new Request('http://localhost/v1/models')))
  expect(models.map(({ id, purpose }: Json) => [id, purpose])).toEqual([
    ['ranker', 'ranking'],
    ['vectors', 'embeddings'],
  ])
})

test("Vercel's AI SDK ranks with its provider for Cohere", async () => {
  const model = createCohere({ baseURL: `${url}/v1`, apiKey: KEY }).reranking('ranker')
  const { ranking } = await rerank({ model, query: QUERY, documents: DOCUMENTS, topN: 2 })
  expect(ranking.map(({ originalIndex, score, document }) => ({ originalIndex, score, document }))).toEqual(
    ranked.slice(0, 2).map(({ index, score }) => ({
      originalIndex: index,
      score: expect.closeTo(score, 5),
      document: DOCUMENTS[index],
    })),
  )
})
