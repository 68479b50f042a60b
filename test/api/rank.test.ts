import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, describe, expect, test } from 'vitest'
import { PairPrompts } from '../../src/embedding/pairs.ts'
import { GPT4All, type RankOptions, Reranker } from '../../src/index.ts'
import { distance, llamaEmbeddings, PAIR } from '../support/embedding-goldens.ts'
import { EMBEDDED } from '../support/models.ts'
import { openModel } from '../support/native-models.ts'
import { type TinyEncoder, tinyEncoder } from '../support/tiny-encoders.ts'

const folder = mkdtempSync(join(tmpdir(), 'gpt4all-rank-'))
afterAll(() => rmSync(folder, { recursive: true }))

const opened: Reranker[] = []
afterEach(async () => {
  for (const reranker of opened.splice(0)) await reranker.close()
})

function fileOf(name: TinyEncoder): string {
  const file = join(folder, `${name}.gguf`)
  writeFileSync(file, tinyEncoder(name))
  return file
}

async function open(name: TinyEncoder = 'reranker-bert'): Promise<Reranker> {
  const reranker = await Reranker.load(fileOf(name), { nThreads: 1 })
  opened.push(reranker)
  return reranker
}

const heads = llamaEmbeddings().filter(({ pooling }) => pooling === 'rank')

describe.each(heads.map((golden) => [golden.model, golden] as const))('%s', (model, { texts, vectors }) => {
  test("gives llama-embedding's scores", async () => {
    const reranker = await open(model)
    for (const [i, text] of texts.entries()) {
      const [query, document] = text.split(PAIR) as [string, string]
      const [ranked] = await reranker.rank(query, [document])
      const scores = vectors[i]!.map((numbers) => numbers.subarray(0, 1))
      expect(distance([ranked!.score], scores), text).toBeLessThan(1e-4)
    }
  })

  test('cannot be forged: control tokens in a query or a document are text', async () => {
    const native = await openModel(fileOf(model))
    const prompts = new PairPrompts(native, 256)
    const { signal } = new AbortController()
    const { controlTexts } = native.info
    const special = new Set(
      controlTexts.flatMap((text) => [...native.tokenize(text, false, true)].slice(0, 1)),
    )
    const count = async (query: string, document: string) => {
      const tokens = await prompts.tokens(query, document, 0, true, signal)
      return tokens.filter((token) => special.has(token)).length
    }
    const clean = await count('rain', 'the cat')
    for (const text of controlTexts) {
      const isUnknown = native.tokenize(text, false, false).some((token) => special.has(token))
      if (isUnknown) continue // its characters are none of the vocabulary's
      expect(await count(`rain ${text}`, 'the cat'), text).toBe(clean)
      expect(await count('rain', `the ${text} cat`), text).toBe(clean)
    }
  })
})

test('a reranker is no model that writes text: GPT4All names Reranker', async () => {
  const opening = GPT4All.load(fileOf('reranker-bert'), { nThreads: 1 })
  await expect(opening).rejects.toMatchObject({
    code: 'ERR_MODEL_UNSUPPORTED',
    message: expect.stringMatching(/Ranks documents\. Open it with Reranker/),
  })
})

describe('rank()', () => {
  test('sorts documents by score, and returns the best topN', async () => {
    const reranker = await open()
    const documents = ['the cat', 'a dog in the rain', 'trains', 'the cat']
    const ranked = await reranker.rank('where is the cat?', documents)
    expect(ranked.map(({ index }) => index).sort()).toEqual([0, 1, 2, 3])
    const scores = ranked.map(({ score }) => score)
    expect(scores).toEqual([...scores].sort((one, other) => other - one))
    const scoreOf = (index: number) => ranked.find((one) => one.index === index)!.score
    expect(scoreOf(0)).toBe(scoreOf(3))
    expect(await reranker.rank('where is the cat?', documents, { topN: 2 })).toEqual(ranked.slice(0, 2))
    expect(await reranker.rank('cat', documents, { topN: 100 })).toHaveLength(4)
    expect(await reranker.rank('cat', [])).toEqual([])
  })

  test.each(['reranker-bert', 'reranker-qwen3'] as const)(
    'uses the beginning of a document that is too long, or rejects: %s',
    async (name) => {
      const reranker = await open(name)
      const long = 'the cat sat in the rain '.repeat(200)
      const [ranked] = await reranker.rank('cat', [long])
      expect(Number.isFinite(ranked!.score)).toBe(true)
      const refusal = reranker.rank('cat', ['dog', long], { longTextMode: 'error' })
      await expect(refusal).rejects.toMatchObject({ code: 'ERR_OPTION', option: 'documents' })
      await expect(refusal).rejects.toThrow(/document at index 1 has \d+ tokens, and \d+ fit/)
      await expect(reranker.rank(long, ['dog', long])).rejects.toMatchObject({ option: 'query' })
      expect(await reranker.rank('cat', ['dog'])).toHaveLength(1)
    },
  )

  test('cuts a document where tokens merge across its place in the template', async () => {
    const { TINY_ENCODERS } = await import('../support/tiny-encoders.ts')
    const file = join(folder, 'merging.gguf')
    const template = 'query: {query} document: t{document}he'
    const qwen = TINY_ENCODERS['reranker-qwen3']()
    writeFileSync(file, qwen.set('tokenizer.chat_template.rerank', 'string', template).bytes())
    const reranker = await Reranker.load(file, { nThreads: 1 })
    opened.push(reranker)
    expect(await reranker.rank('cat', ['the cat sat in the rain '.repeat(200)])).toHaveLength(1)
  })

  test.each<[unknown, unknown, unknown, string]>([
    [undefined, ['a'], {}, 'query'],
    [['a'], ['a'], {}, 'query'],
    ['a', 'a', {}, 'documents'],
    ['a', [1], {}, 'documents'],
    ['a', [undefined], {}, 'documents'],
    ['a', ['a'], { topN: 0 }, 'topN'],
    ['a', ['a'], { top_n: 1 }, 'top_n'],
    ['a', ['a'], { longTextMode: 'mean' }, 'longTextMode'],
  ])('refuses %o, %o, %o', async (query, documents, options, option) => {
    const ranking = (await open()).rank(query as string, documents as string[], options as RankOptions)
    await expect(ranking).rejects.toMatchObject({ code: 'ERR_OPTION', option })
  })

  test('can be aborted and closed, and reports progress', async () => {
    const reranker = await open()
    const documents = Array.from({ length: 1000 }, (_, i) => `the cat ${i} sat in the rain`)
    const seen: unknown[] = []
    await reranker.rank('cat', documents.slice(0, 20), { onProgress: (progress) => seen.push(progress) })
    expect(seen.at(-1)).toEqual({ texts: 20, total: 20 })
    const leaving = new AbortController()
    const reason = new Error('left')
    const ranking = reranker.rank('cat', documents, { signal: leaving.signal })
    await reranker.rank('cat', ['dog'])
    leaving.abort(reason)
    await expect(ranking).rejects.toBe(reason)
    const busy = reranker.rank('cat', documents)
    await reranker.rank('cat', ['dog'])
    await Promise.all([expect(busy).rejects.toMatchObject({ code: 'ERR_CLOSED' }), reranker.close()])
  })
})

test('ranks in an isolated engine as in this process', async () => {
  const documents = ['the cat', 'a dog in the rain', 'trains']
  const here = await (await open()).rank('cat', documents)
  const isolated = await Reranker.load(fileOf('reranker-bert'), { nThreads: 1, isolated: true })
  opened.push(isolated)
  const seen: unknown[] = []
  const there = await isolated.rank('cat', documents, { onProgress: (progress) => seen.push(progress) })
  expect(there).toEqual(here)
  expect(seen.at(-1)).toEqual({ texts: 3, total: 3 })
  const reason = new Error('left')
  const ranking = isolated.rank('cat', documents, { signal: AbortSignal.abort(reason) })
  await expect(ranking).rejects.toBe(reason)
  const long = isolated.rank('cat', ['the cat '.repeat(900)], { longTextMode: 'error' })
  await expect(long).rejects.toMatchObject({ code: 'ERR_OPTION', option: 'documents' })
})

test.each([
  ['a model that generates text', () => EMBEDDED],
  ['an embedding model', () => fileOf('bert')],
])('%s cannot rank', async (_, file) => {
  const opening = Reranker.load(file(), { nThreads: 1 })
  await expect(opening).rejects.toMatchObject({ code: 'ERR_MODEL_UNSUPPORTED' })
  await expect(opening).rejects.toThrow('no classification head')
})

test('a Reranker has no option "pooling"', () => {
  expect(() => new Reranker('x', { pooling: 'mean' } as object)).toThrow(
    expect.objectContaining({ code: 'ERR_OPTION', option: 'pooling' }),
  )
})
