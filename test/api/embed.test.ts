import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, describe, expect, test } from 'vitest'
import { CancellationError, Embed4All, type EmbedOptions } from '../../src/index.ts'
import { cosine } from '../support/embedding-goldens.ts'
import { EMBEDDED } from '../support/models.ts'
import { recorder } from '../support/recorder.ts'
import { type TinyEncoder, tinyEncoder } from '../support/tiny-encoders.ts'

const folder = mkdtempSync(join(tmpdir(), 'gpt4all-embed-'))
afterAll(() => rmSync(folder, { recursive: true }))

const opened: Embed4All[] = []
afterEach(async () => {
  for (const embedder of opened.splice(0)) await embedder.close()
})

function fileOf(name: TinyEncoder, title?: string): string {
  const file = join(folder, `${name}${title ?? ''}.gguf`)
  writeFileSync(file, tinyEncoder(name, title))
  return file
}

/** A tiny BERT whose name says that it needs no prefix. */
async function open(options: Parameters<typeof Embed4All.load>[1] = {}): Promise<Embed4All> {
  const embedder = await Embed4All.load(fileOf('bert', 'all-MiniLM-L6-v2'), { nThreads: 1, ...options })
  opened.push(embedder)
  return embedder
}

const words = (count: number) => Array.from({ length: count }, (_, i) => `cat ${i}`).join(' ')

describe('embed()', () => {
  test('resolves with a vector of length 1 for each text, in their order, and counts tokens', async () => {
    const embedder = await open()
    const texts = ['the cat', 'a dog', 'rain']
    const { embeddings, usage } = await embedder.embed(texts)
    expect(embeddings).toHaveLength(3)
    for (const [i, text] of texts.entries()) {
      const { embedding } = await embedder.embed(text)
      expect(embedding).toBeInstanceOf(Float32Array)
      expect(embedding).toHaveLength(embedder.dimensionality!)
      expect(cosine(embedding, embeddings[i]!)).toBeGreaterThan(0.99999)
      expect(Math.hypot(...embedding)).toBeCloseTo(1, 5)
    }
    const counts = await Promise.all(texts.map((text) => embedder.countTokens(text)))
    expect(usage.promptTokens).toBe(counts.reduce((sum, count) => sum + count, 0))
  })

  test('gives equal texts equal vectors, each an array of its own', async () => {
    const { embeddings, usage } = await (await open()).embed(['rain', 'cat', 'rain'])
    expect(embeddings[2]).toEqual(embeddings[0])
    expect(embeddings[2]!.buffer).not.toBe(embeddings[0]!.buffer)
    expect(embeddings[0]!.buffer.byteLength).toBe(embeddings[0]!.byteLength)
    expect(usage.promptTokens % 3).toBe(0)
  })

  test('reads the texts as they are when it is called', async () => {
    const embedder = await open()
    const texts = ['rain', 'cat']
    const embedding = embedder.embed(texts)
    texts[0] = 'dog'
    texts.length = 1
    expect((await embedding).embeddings).toEqual((await embedder.embed(['rain', 'cat'])).embeddings)
  })

  test.each([
    ['an empty text in an array', ''],
    ['white space', ' \n\t '],
    ['half a character', '\ud800'],
    ['a zero byte', 'a\0b'],
    ['an emoji', '\u{1f408}\u200d\u2b1b'],
    ['a megabyte', 'the cat sat in the rain. '.repeat(40_000)],
  ])('takes %s', async (_, text) => {
    const embedder = await open()
    const longTextMode = text.length > 1000 ? 'truncate' : 'mean'
    const { embeddings } = await embedder.embed([text, 'cat'], { longTextMode })
    for (const vector of embeddings) expect(Math.hypot(...vector)).toBeCloseTo(1, 5)
  })

  test.each<[unknown, string]>([
    [undefined, 'text must not be undefined or empty'],
    [null, 'text must not be undefined or empty'],
    ['', 'text must not be undefined or empty'],
    [[], 'text must not be undefined or empty'],
    [3, 'a string or an array of strings'],
    [['cat', 3], 'a string or an array of strings'],
    [['cat', undefined], 'a string or an array of strings'],
    [new Set(['cat']), 'a string or an array of strings'],
  ])('refuses %o', async (text, message) => {
    const embedding = (await open()).embed(text as string)
    await expect(embedding).rejects.toMatchObject({ code: 'ERR_OPTION', option: 'text' })
    await expect(embedding).rejects.toThrow(message)
  })

  test.each<[Record<string, unknown>, string]>([
    [{ prefix: 3 }, 'prefix'],
    [{ prefix: 'query' }, 'prefix'],
    [{ dimensionality: 0 }, 'dimensionality'],
    [{ dimensionality: 1.5 }, 'dimensionality'],
    [{ dimensionality: '32' }, 'dimensionality'],
    [{ dimensionality: 33 }, 'dimensionality'],
    [{ longTextMode: 'cut' }, 'longTextMode'],
    [{ atlas: 1 }, 'atlas'],
    [{ signal: {} }, 'signal'],
    [{ onProgress: 'x' }, 'onProgress'],
    [{ cancelCallback: true }, 'cancelCallback'],
    [{ long_text_mode: 'mean' }, 'long_text_mode'],
  ])('refuses the option %o by name', async (options, option) => {
    const embedding = (await open()).embed('cat', options as EmbedOptions)
    await expect(embedding).rejects.toMatchObject({ code: 'ERR_OPTION', option })
  })

  test("rejects a text that is too long in the mode 'error', and says how long it is", async () => {
    const embedder = await open()
    const embedding = embedder.embed(['cat', words(200)], { longTextMode: 'error' })
    await expect(embedding).rejects.toThrow(
      /length of text at index 1 is \d+ tokens which exceeds limit of 254/,
    )
    expect((await embedder.embed(words(20), { longTextMode: 'error' })).embedding).toHaveLength(32)
  })

  test('asks for a prefix where the model is unknown, and then takes any', async () => {
    const embedder = await Embed4All.load(fileOf('bert', 'unheard of'), { nThreads: 1 })
    opened.push(embedder)
    await expect(embedder.embed('cat')).rejects.toThrow('unknown model unheard of, specify a prefix')
    const [none, some] = [
      await embedder.embed('cat', { prefix: '' }),
      await embedder.embed('cat', { prefix: 'query' }),
    ]
    expect(cosine(none.embedding, some.embedding)).toBeLessThan(0.9999)
    expect(some.usage).toEqual(none.usage)
  })

  test('shares batches between calls: a short text need not wait for a thousand others', async () => {
    const embedder = await open()
    let isOver = false
    const many = embedder.embed(Array.from({ length: 3000 }, (_, i) => words(20 + (i % 10)) + i))
    many.then(() => {
      isOver = true
    })
    expect((await embedder.embed('cat')).embedding).toHaveLength(32)
    expect(isOver).toBe(false)
    await many
  })

  test('reports progress, and the end of it', async () => {
    const seen: unknown[] = []
    const texts = Array.from({ length: 50 }, (_, i) => `cat ${i}`)
    await (await open()).embed([...texts, 'cat 0'], { onProgress: (progress) => seen.push(progress) })
    expect(seen.at(-1)).toEqual({ texts: 51, total: 51 })
  })

  test('rejects with what a callback throws, or rejects with', async () => {
    const embedder = await open()
    const error = new Error('of the program')
    const throws = () => {
      throw error
    }
    for (const callback of [throws, () => Promise.reject(error)]) {
      await expect(embedder.embed(['cat', 'dog'], { onProgress: callback })).rejects.toBe(error)
      await expect(
        embedder.embed('cat', { cancelCallback: callback as unknown as () => boolean }),
      ).rejects.toBe(error)
    }
    expect((await embedder.embed('cat')).embedding).toHaveLength(32)
  })

  test('asks the cancel callback once, before anything is computed, with the tokens of each batch', async () => {
    const embedder = await open()
    const asked: unknown[][] = []
    const cancelCallback = (...given: unknown[]) => asked.push(given) > 1
    const texts = ['cat', words(100), 'dog']
    await embedder.embed(texts, { cancelCallback })
    await expect(embedder.embed(texts, { cancelCallback })).rejects.toThrow(CancellationError)
    await expect(embedder.embed(texts, { cancelCallback })).rejects.toMatchObject({
      code: 'ERR_CANCELLED',
      message: 'operation was canceled',
    })
    expect(asked).toHaveLength(3)
    const [batches, backend] = asked[0] as [number[], string]
    expect(backend).toBe('cpu')
    expect(batches.every((tokens) => tokens > 0 && tokens <= 256)).toBe(true)
  })

  test('computes nothing after an abort while the cancel callback waits', async () => {
    const embedder = await open()
    const leaving = new AbortController()
    const reason = new Error('left')
    let answer = (_: boolean) => {}
    const cancelCallback = () =>
      new Promise<boolean>((resolve) => {
        answer = resolve
        leaving.abort(reason)
      })
    const texts = Array.from({ length: 300 }, (_, i) => words(30) + i)
    const embedding = embedder.embed(texts, { cancelCallback, signal: leaving.signal })
    await expect(embedding).rejects.toBe(reason)
    answer(false)
    await new Promise(setImmediate)
    const before = process.cpuUsage()
    await embedder.embed('cat') // behind all that is waiting
    const { user } = process.cpuUsage(before)
    const all = process.cpuUsage()
    await embedder.embed(texts)
    expect(user).toBeLessThan(process.cpuUsage(all).user / 2)
  })

  test('rejects with the reason of its signal at once, and leaves the calls of others alone', async () => {
    const embedder = await open()
    const texts = Array.from({ length: 2000 }, (_, i) => words(30) + i)
    const leaving = new AbortController()
    const reason = new Error('left')
    const mine = embedder.embed(texts, { signal: leaving.signal })
    const other = embedder.embed(texts.slice(0, 200).map((text) => `${text} other`))
    await embedder.embed('cat') // something has been computed
    leaving.abort(reason)
    await expect(mine).rejects.toBe(reason)
    expect((await other).embeddings).toHaveLength(200)
    await expect(embedder.embed('cat', { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
  })

  test('rejects with ERR_CLOSED when the model is closed meanwhile, and afterwards', async () => {
    const embedder = await open()
    const busy = embedder.embed(Array.from({ length: 2000 }, (_, i) => words(30) + i))
    await embedder.embed('cat')
    const closing = embedder.close()
    await expect(busy).rejects.toMatchObject({ code: 'ERR_CLOSED' })
    await closing
    await expect(embedder.embed('cat')).rejects.toMatchObject({ code: 'ERR_CLOSED' })
    await embedder.close()
  })

  test('does not fail for the text of another call whose vector is not numbers', async () => {
    const { TINY_ENCODERS } = await import('../support/tiny-encoders.ts')
    const file = join(folder, 'spoilt.gguf')
    const spoilt = TINY_ENCODERS.bert().set('general.name', 'string', 'all-MiniLM-L6-v2')
    writeFileSync(file, spoilt.spoil('token_embd.weight', 1).bytes()) // what is unknown
    const embedder = await Embed4All.load(file, { nThreads: 1, tryFirst: false })
    opened.push(embedder)
    const ends = await Promise.allSettled([
      embedder.embed('cat'),
      embedder.embed('\u{1f408}'),
      embedder.embed('dog'),
    ])
    expect(ends.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect((ends[1] as PromiseRejectedResult).reason).toMatchObject({ code: 'ERR_DECODE' })
  })
})

describe('embedAll()', () => {
  test('yields each text with its vector, in order, and reads texts as it needs them', async () => {
    const embedder = await open()
    let read = 0
    async function* texts() {
      for (; read < 2000; ) yield `cat ${read++ % 700}`
    }
    let index = 0
    for await (const one of embedder.embedAll(texts())) {
      expect([one.index, one.text]).toEqual([index, `cat ${index % 700}`])
      expect(one.embedding).toHaveLength(32)
      expect(one.promptTokens).toBeGreaterThan(0)
      expect(read - index).toBeLessThanOrEqual(400)
      index++
    }
    expect(index).toBe(2000)
  })

  test('ends its source when the loop is left, and passes on what the source throws', async () => {
    const embedder = await open()
    let isEnded = false
    function* texts() {
      try {
        for (;;) yield 'cat'
      } finally {
        isEnded = true
      }
    }
    for await (const { index } of embedder.embedAll(texts())) if (index === 3) break
    expect(isEnded).toBe(true)

    const error = new Error('of the source')
    async function* failing() {
      yield 'cat'
      throw error
    }
    const all = async (from: AsyncIterable<string>) => {
      for await (const _ of embedder.embedAll(from));
    }
    await expect(all(failing())).rejects.toBe(error)
    expect((await embedder.embed('cat')).embedding).toHaveLength(32)
  })

  test('embeds what has come where the next text is late, and can be aborted meanwhile', async () => {
    const embedder = await open()
    const leaving = new AbortController()
    const reason = new Error('left')
    async function* texts() {
      yield 'cat'
      yield 'dog'
      await new Promise(() => {}) // never more
    }
    const all = embedder.embedAll(texts(), { signal: leaving.signal })
    expect((await all.next()).value).toMatchObject({ index: 0, text: 'cat' })
    expect((await all.next()).value).toMatchObject({ index: 1, text: 'dog' })
    const next = all.next()
    leaving.abort(reason)
    await expect(next).rejects.toBe(reason)
  })

  test('yields what came before an error of its source', async () => {
    const embedder = await open()
    const error = new Error('of the source')
    async function* texts() {
      yield 'cat'
      yield 'dog'
      throw error
    }
    const seen: string[] = []
    const all = async () => {
      for await (const { text } of embedder.embedAll(texts())) seen.push(text)
    }
    await expect(all()).rejects.toBe(error)
    expect(seen).toEqual(['cat', 'dog'])
  })

  test('names texts by their place among all, and rejects with what an async onProgress rejects with', async () => {
    const { logger, lines } = recorder()
    const embedder = await open({ logger })
    const texts = Array.from({ length: 300 }, (_, i) => (i === 150 ? ' ' : `cat ${i}`))
    for await (const _ of embedder.embedAll(texts));
    expect(lines.filter((line) => line.includes('no tokens'))).toEqual([
      'the text at index 150 has no tokens',
    ])
    const error = new Error('of the program')
    const all = async () => {
      for await (const _ of embedder.embedAll(texts, { onProgress: () => Promise.reject(error) as never }));
    }
    await expect(all()).rejects.toBe(error)
  })

  test('knows how many texts there are where they are an array', async () => {
    const embedder = await open()
    const totals = new Set<number | undefined>()
    const onProgress = ({ total }: { total: number | undefined }) => void totals.add(total)
    for await (const _ of embedder.embedAll(['cat', 'dog', 'rain'], { onProgress }));
    expect([...totals]).toEqual([3])
    totals.clear()
    for await (const _ of embedder.embedAll(new Set(['cat', 'dog', 'rain']), { onProgress }));
    expect([...totals]).toEqual([undefined, 3])
  })

  test.each([[undefined], ['cat'], [3], [{}], [[3]]])('refuses %o', async (texts) => {
    const all = (await open()).embedAll(texts as unknown as string[])
    await expect(all.next()).rejects.toMatchObject({ code: 'ERR_OPTION' })
  })
})

describe('a model that makes embeddings', () => {
  test('is opened by the first call, and shown by name', async () => {
    const embedder = new Embed4All(fileOf('bert', 'all-MiniLM-L6-v2'), { nThreads: 1 })
    opened.push(embedder)
    expect([embedder.dimensionality, embedder.config, embedder.backend]).toEqual([
      undefined,
      undefined,
      undefined,
    ])
    await embedder.embed('cat')
    expect([embedder.dimensionality, embedder.backend, embedder.threadCount]).toEqual([32, 'cpu', 1])
    expect(embedder.config).toMatchObject({ architecture: 'bert', name: 'all-MiniLM-L6-v2' })
    expect(String((await import('node:util')).inspect(embedder))).toContain("state: 'open'")
  })

  test('is no model that generates text, unless a pooling is given', async () => {
    const opening = Embed4All.load(EMBEDDED, { nThreads: 1 })
    await expect(opening).rejects.toMatchObject({ code: 'ERR_MODEL_UNSUPPORTED' })
    await expect(opening).rejects.toThrow('pooling')
    const embedder = await Embed4All.load(EMBEDDED, { nThreads: 1, pooling: 'mean' })
    opened.push(embedder)
    const { embeddings } = await embedder.embed(['the cat', 'the dog'], { prefix: '' })
    expect(cosine(embeddings[0]!, embeddings[1]!)).toBeLessThan(1)
  })

  test('is no reranker', async () => {
    const opening = Embed4All.load(fileOf('reranker-bert'), { nThreads: 1 })
    await expect(opening).rejects.toMatchObject({ code: 'ERR_MODEL_UNSUPPORTED' })
    await expect(opening).rejects.toThrow('Reranker')
  })

  test.each([
    ['parallel', 2],
    ['draftModel', 'x.gguf'],
    ['deterministic', true],
    ['kvType', 'q8_0'],
    ['pooling', 'rank'],
    ['nope', 1],
  ])('refuses the option %s', (option, value) => {
    expect(() => new Embed4All('x.gguf', { [option]: value })).toThrow(
      expect.objectContaining({ code: 'ERR_OPTION', option }),
    )
  })

  test('warns of few dimensions and of texts without tokens', async () => {
    const { logger, lines } = recorder()
    const embedder = await Embed4All.load(fileOf('nomic-bert', 'nomic-embed-text-v1.5'), {
      nThreads: 1,
      logger,
    })
    opened.push(embedder)
    const { embedding } = await embedder.embed('cat', { dimensionality: 16 })
    expect(embedding).toHaveLength(16)
    await embedder.embed([' '])
    expect(lines.join('\n')).toMatch(/Dimensionality 16 is less than the suggested minimum of 64/)
    expect(lines.join('\n')).toMatch(/the text at index 0 has no tokens/)
  })

  test('logs what llama.cpp warns of in vocabularies without an end token as a detail', async () => {
    const { logger, lines } = recorder()
    const warnings: string[] = []
    await open({ logger: { ...logger, warn: (line) => void warnings.push(line) }, tryFirst: false })
    expect(warnings).toEqual([])
    expect(lines.length).toBeGreaterThan(0)
  })

  test('takes another number of threads while it computes', async () => {
    const embedder = await open()
    const busy = embedder.embed(Array.from({ length: 200 }, (_, i) => words(20) + i))
    embedder.setThreadCount(2)
    expect(embedder.threadCount).toBe(2)
    expect((await busy).embeddings).toHaveLength(200)
  })
})
