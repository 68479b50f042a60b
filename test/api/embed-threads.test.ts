import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, describe, expect, test } from 'vitest'
import { Embed4All, Reranker } from '../../src/index.ts'
import { cosine } from '../support/embedding-goldens.ts'
import { TINY_ENCODERS, tinyEncoder } from '../support/tiny-encoders.ts'

const folder = mkdtempSync(join(tmpdir(), 'gpt4all-embed-threads-'))
const file = join(folder, 'bert.gguf')
const ranker = join(folder, 'ranker.gguf')
writeFileSync(file, tinyEncoder('bert', 'all-MiniLM-L6-v2'))
writeFileSync(ranker, tinyEncoder('reranker-bert'))
afterAll(() => rmSync(folder, { recursive: true }))

const opened: { close(): Promise<void> }[] = []
afterEach(async () => {
  for (const model of opened.splice(0)) await model.close()
})

async function open(nThreads = 3): Promise<Embed4All> {
  const embedder = await Embed4All.load(file, { nThreads })
  opened.push(embedder)
  return embedder
}

/** Texts of 1 to 60 words, far more than one batch for each thread. */
const texts = (count: number, name = 'cat') =>
  Array.from({ length: count }, (_, i) => `${name} ${i} `.repeat(1 + ((i * 7) % 30)))

// Many batches are computed side by side, with one thread each.
describe('with several threads', () => {
  test('many texts get the vectors that each gets alone, in their order', async () => {
    const [embedder, alone] = [await open(), await open(1)]
    const many = texts(600)
    const { embeddings, usage } = await embedder.embed(many)
    let tokens = 0
    for (const [i, text] of many.entries()) {
      const one = await alone.embed(text)
      tokens += one.usage.promptTokens
      expect(cosine(embeddings[i]!, one.embedding), text).toBeGreaterThan(0.99999)
    }
    expect(usage.promptTokens).toBe(tokens)
  })

  test('callers at once get their own vectors, also while the number of threads changes', async () => {
    const embedder = await open()
    const sets = Array.from({ length: 6 }, (_, i) => texts(150, `dog${i}`))
    const expected = await Promise.all(sets.map((set) => embedder.embed(set[149]!)))
    const busy = Promise.all(sets.map((set) => embedder.embed(set)))
    for (const count of [1, 2, 4, 1, 3]) {
      embedder.setThreadCount(count)
      await embedder.embed('a text between')
    }
    for (const [i, { embeddings }] of (await busy).entries())
      expect(cosine(embeddings[149]!, expected[i]!.embedding)).toBeGreaterThan(0.99999)
  })

  test('a call that is aborted leaves the others alone', async () => {
    const embedder = await open()
    const reasons = Array.from({ length: 4 }, (_, i) => new Error(`reason ${i}`))
    const aborted = reasons.map(async (reason) => {
      const controller = new AbortController()
      const onProgress = () => controller.abort(reason)
      const call = embedder.embed(texts(2000, reason.message), { signal: controller.signal, onProgress })
      await expect(call).rejects.toBe(reason)
    })
    const { embeddings } = await embedder.embed(texts(300))
    expect(embeddings).toHaveLength(300)
    await Promise.all(aborted)
    for (const [i, vector] of (await embedder.embed(texts(300))).embeddings.entries())
      expect(cosine(vector, embeddings[i]!)).toBeGreaterThan(0.99999)
  })

  test('close() gives up all batches', async () => {
    const embedder = await open()
    const calls = ['cat', 'dog'].map((name) =>
      expect(embedder.embed(texts(5000, name))).rejects.toMatchObject({ code: 'ERR_CLOSED' }),
    )
    await embedder.embed('first')
    await embedder.close()
    await Promise.all(calls)
  })

  test('long texts among short ones, of which only the first context takes any', async () => {
    const long = join(folder, 'nomic.gguf')
    const model = TINY_ENCODERS['nomic-bert']().set('nomic-bert.context_length', 'u32', 2048)
    writeFileSync(long, model.bytes())
    const embedder = await Embed4All.load(long, { nThreads: 3 })
    opened.push(embedder)
    const many = texts(300).map((text, i) => (i % 40 === 5 ? text.repeat(60) : text))
    const sets = [many, texts(200), many.filter((text) => text.length > 2000)]
    const together = await Promise.all(sets.map((set) => embedder.embed(set, { prefix: '' })))
    for (const [i, { embeddings }] of together.entries())
      for (const at of [0, 5, embeddings.length - 1]) {
        const { embedding } = await embedder.embed(sets[i]![at]!, { prefix: '' })
        expect(cosine(embeddings[at]!, embedding)).toBeGreaterThan(0.99999)
      }
  })

  test('documents are ranked as with one thread', async () => {
    const rankers = [
      await Reranker.load(ranker, { nThreads: 3 }),
      await Reranker.load(ranker, { nThreads: 1 }),
    ]
    opened.push(...rankers)
    const [many, one] = await Promise.all(rankers.map((model) => model.rank('where is the cat?', texts(300))))
    const byIndex = (ranked: typeof many) => [...ranked!].sort((a, b) => a.index - b.index)
    for (const [i, { score }] of byIndex(one).entries()) expect(byIndex(many)[i]!.score).toBeCloseTo(score, 3)
  })
})
