import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Embed4All, type EmbedSyncOptions } from '../../src/index.ts'
import { recorder } from '../support/recorder.ts'
import { tinyEncoder } from '../support/tiny-encoders.ts'

const folder = mkdtempSync(join(tmpdir(), 'gpt4all-embed-sync-'))
const file = join(folder, 'bert.gguf')
const { lines, logger } = recorder()
let embedder: Embed4All
beforeAll(async () => {
  writeFileSync(file, tinyEncoder('bert', 'all-MiniLM-L6-v2'))
  embedder = await Embed4All.load(file, { nThreads: 1, logger })
})
afterAll(async () => {
  await embedder.close()
  rmSync(folder, { recursive: true })
})

const words = (count: number) => Array.from({ length: count }, (_, i) => `cat ${i}`).join(' ')

function expectClose(one: Float32Array, other: Float32Array): void {
  expect(one).toHaveLength(other.length)
  for (const [i, number] of one.entries()) expect(number).toBeCloseTo(other[i]!, 4)
}

describe('embedSync()', () => {
  test.each<[string, readonly string[], EmbedSyncOptions]>([
    ['one text', ['the cat'], {}],
    ['texts that are equal', ['rain', 'cat', 'rain'], {}],
    ['texts without tokens', ['cat', '', ' '], {}],
    ['a text in pieces', [words(500)], {}],
    ['a text that is cut', [words(500)], { longTextMode: 'truncate' }],
    ['more texts than one batch has', Array.from({ length: 300 }, (_, i) => `a text about ${i}`), {}],
    ['as Nomic Atlas does', ['a', words(20)], { atlas: true }],
    ['no prefix', ['a dog'], { prefix: '' }],
  ])('returns what embed() resolves with: %s', async (_, texts, options) => {
    const now = embedder.embedSync(texts, options)
    const later = await embedder.embed(texts, options)
    expect(now.usage).toEqual(later.usage)
    expect(now.embeddings).toHaveLength(texts.length)
    for (const [i, vector] of now.embeddings.entries()) expectClose(vector, later.embeddings[i]!)
  })

  test('returns the vector of a single text as "embedding" too', () => {
    const { embedding, embeddings } = embedder.embedSync('the cat')
    expect(embedding).toBe(embeddings[0])
  })

  test('gives equal texts arrays of their own', () => {
    const { embeddings } = embedder.embedSync(['rain', 'rain'])
    expect(embeddings[0]!.buffer).not.toBe(embeddings[1]!.buffer)
  })

  test('goes between the batches of a call that is under way, which is none the worse', async () => {
    const texts = Array.from({ length: 400 }, (_, i) => `a text about ${i}`)
    const later = embedder.embed(texts)
    const { embedding } = embedder.embedSync(texts[0]!)
    const { embeddings } = await later
    expectClose(embedding, embeddings[0]!)
    expect(embeddings).toHaveLength(400)
  })

  test('warns of texts without tokens', () => {
    lines.length = 0
    embedder.embedSync([''])
    expect(lines.join()).toContain('the text at index 0 has no tokens')
  })

  test.each<[string, unknown, unknown, RegExp]>([
    ['no text', undefined, {}, /text must not be undefined or empty/],
    ['no texts', [], {}, /text must not be undefined or empty/],
    ['a number', 3, {}, /string/],
    ['an option that needs the event loop', 'a', { signal: new AbortController().signal }, /event loop/],
    ['an unknown option', 'a', { prefixes: 'b' }, /Unknown option "prefixes"/],
    ['a dimensionality of 0', 'a', { dimensionality: 0 }, /Dimensionality must be undefined or a positive/],
    ['a prefix that the model does not know', 'a', { prefix: 'query' }, /not a valid task type/],
  ])('throws ERR_OPTION for %s', (_, text, options, message) => {
    const call = () => embedder.embedSync(text as string, options as EmbedSyncOptions)
    expect(call).toThrow(message)
    expect(call).toThrow(expect.objectContaining({ code: 'ERR_OPTION' }))
  })

  test('throws before the model is open, after it is closed, and where another process computes', async () => {
    const named = new Embed4All(file, { nThreads: 1 })
    expect(() => named.embedSync('a')).toThrow(/not open yet/)
    await named.open()
    expect(named.embedSync('a').embedding).toHaveLength(named.dimensionality!)
    await named.close()
    expect(() => named.embedSync('a')).toThrow(expect.objectContaining({ code: 'ERR_CLOSED' }))
    const isolated = await Embed4All.load(file, { nThreads: 1, isolated: true })
    expect(() => isolated.embedSync('a')).toThrow(/another process/)
    await isolated.close()
  })
})
