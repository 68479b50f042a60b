import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { Embed4All, type Embeddings, type EmbedOptions } from '../../src/index.ts'
import {
  type Call,
  cosine,
  distance,
  gpt4allMiniLm,
  gpt4allTiny,
  llamaEmbeddings,
  OTHER_TOKENS,
  type Outcome,
  sentenceTransformersMiniLm,
} from '../support/embedding-goldens.ts'
import { EMBEDDER, hasEmbedder } from '../support/models.ts'
import { recorder } from '../support/recorder.ts'
import { tinyEncoder } from '../support/tiny-encoders.ts'

const folder = mkdtempSync(join(tmpdir(), 'gpt4all-embed-'))
afterAll(() => rmSync(folder, { recursive: true }))

const opened: Embed4All[] = []
afterEach(async () => {
  for (const embedder of opened.splice(0)) await embedder.close()
})

async function open(...args: Parameters<typeof Embed4All.load>): Promise<Embed4All> {
  const embedder = await Embed4All.load(args[0], { nThreads: 1, ...args[1] })
  opened.push(embedder)
  return embedder
}

function optionsOf({ prefix, dimensionality, long_text_mode, atlas }: Call): EmbedOptions {
  return { prefix, dimensionality, longTextMode: long_text_mode as EmbedOptions['longTextMode'], atlas }
}

/** The same call here, and what it did. */
async function repeat(embedder: Embed4All, { call }: Outcome) {
  const asked: unknown[] = []
  const cancelCallback = (...given: unknown[]) => {
    asked.push(given)
    return call.cancel!
  }
  const options = { ...optionsOf(call), ...(call.cancel !== undefined && { cancelCallback }) }
  try {
    const { embeddings, usage } = await embedder.embed(call.text as string[], options)
    return { embeddings, tokens: usage.promptTokens, asked }
  } catch (error) {
    return { error: error as Error, asked }
  }
}

async function expectSame(embedder: Embed4All, outcome: Outcome, lines: string[]) {
  lines.length = 0
  const { embeddings, tokens, error, asked } = await repeat(embedder, outcome)
  if (outcome.error) {
    // None is called undefined here, and what is valid is listed.
    const message = outcome.error.message.replace('None', 'undefined')
    expect(error?.message.startsWith(message)).toBe(true)
    if (outcome.error.type === 'CancellationError') expect(error?.name).toBe('CancellationError')
    else expect(error).toMatchObject({ code: 'ERR_OPTION' })
    return
  }
  expect(error).toBeUndefined()
  expect(tokens).toBe(outcome.tokens)
  expect(embeddings).toHaveLength(outcome.vectors!.length)
  for (const [i, vector] of outcome.vectors!.entries())
    expect(cosine(embeddings![i]!, vector)).toBeGreaterThan(0.9999)
  for (const warning of outcome.warnings ?? []) expect(lines).toContain(warning)
  expect(asked).toHaveLength(outcome.batches?.length ?? 0)
}

if (!hasEmbedder) test.skip('all-MiniLM-L6-v2 is not here: npm run models:fetch', () => {})

describe.runIf(hasEmbedder)('all-MiniLM-L6-v2', () => {
  const { texts } = gpt4allMiniLm()
  const given = texts.map(({ text }) => text)
  let cut: Embeddings
  beforeAll(async () => {
    const embedder = await open(EMBEDDER)
    cut = await embedder.embed(given, { longTextMode: 'truncate' })
  })

  test("gives GPT4All's vectors of 200 texts, whole and truncated, and its token counts", async () => {
    const embedder = await open(EMBEDDER)
    const whole = await embedder.embed(given)
    for (const [i, { name, vector, tokens, truncated }] of texts.entries()) {
      if (OTHER_TOKENS.has(name)) continue // llama.cpp of today reads these languages otherwise
      expect(cosine(whole.embeddings[i]!, vector), name).toBeGreaterThanOrEqual(0.9999)
      expect(cosine(cut.embeddings[i]!, truncated.vector), name).toBeGreaterThanOrEqual(0.9999)
      if (i % 10 > 0) continue
      const alone = await embedder.embed([given[i]!])
      expect(alone.usage.promptTokens, name).toBe(tokens)
    }
  })

  test("gives sentence-transformers' vectors where both read the same tokens", async () => {
    const same = sentenceTransformersMiniLm().filter(({ same, name }) => same && !OTHER_TOKENS.has(name))
    for (const { name, vector } of same) {
      const i = texts.findIndex((text) => text.name === name)
      expect(cosine(cut.embeddings[i]!, vector), name).toBeGreaterThanOrEqual(0.9995)
    }
    expect(same.length).toBeGreaterThan(150)
  })

  test('gives the same vectors one at a time, in one call, and to eight callers at once', async () => {
    const embedder = await open(EMBEDDER)
    const some = given.slice(0, 80)
    const { embeddings } = await embedder.embed(some)
    const eight = await Promise.all(
      Array.from({ length: 8 }, (_, i) => embedder.embed(some.slice(10 * i, 10 * i + 10))),
    )
    const shared = eight.flatMap((one) => one.embeddings)
    for (const [i, text] of some.entries()) {
      const alone = await embedder.embed([text])
      expect(cosine(alone.embeddings[0]!, embeddings[i]!)).toBeGreaterThanOrEqual(0.99999)
      expect(cosine(shared[i]!, embeddings[i]!)).toBeGreaterThanOrEqual(0.99999)
    }
  })

  test('answers calls as GPT4All does: options, errors, warnings, cancelling', async () => {
    const { logger, lines } = recorder()
    const embedder = await open(EMBEDDER, { logger })
    // Two calls mean something else here: an error for long texts is a mode, and half a character is U+FFFD.
    const calls = gpt4allMiniLm().calls.filter(
      ({ call, error }) => call.long_text_mode !== 'error' && error?.type !== 'UnicodeEncodeError',
    )
    for (const outcome of calls) await expectSame(embedder, outcome, lines)
    expect(calls.length).toBeGreaterThan(20)
  })
})

describe('a tiny nomic-bert', () => {
  test.each(gpt4allTiny().map((golden, i) => [golden.name, golden.context, i] as const))(
    'called %s, with nCtx %i, answers calls as GPT4All does (%i)',
    async (name, nCtx, i) => {
      const file = join(folder, `${i}.gguf`)
      writeFileSync(file, tinyEncoder('nomic-bert', name))
      const { logger, lines } = recorder()
      const embedder = await open(file, { nCtx, logger })
      for (const outcome of gpt4allTiny()[i]!.calls) await expectSame(embedder, outcome, lines)
    },
  )
})

describe('a tiny model of each architecture', () => {
  const embedding = llamaEmbeddings().filter(({ pooling }) => pooling !== 'rank')
  test.each(embedding.map((golden) => [golden.model, golden] as const))(
    "%s gives llama-embedding's vectors",
    async (model, { texts, vectors, pooling }) => {
      const file = join(folder, `${model}.gguf`)
      writeFileSync(file, tinyEncoder(model))
      const embedder = await open(file)
      const together = await embedder.embed(texts, { prefix: '' })
      for (const [i, expected] of vectors.entries()) {
        const { embedding } = await embedder.embed(texts[i]!, { prefix: '' })
        expect(distance(embedding, expected), `${pooling} ${i}`).toBeLessThan(1e-4)
        // llama.cpp itself computes several texts otherwise than one.
        expect(cosine(together.embeddings[i]!, embedding)).toBeGreaterThan(0.99999)
      }
    },
  )
})
