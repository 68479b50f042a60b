import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, describe, expect, test } from 'vitest'
import { Embed4All, GPT4All } from '../../src/index.ts'
import { architectureModel } from '../support/architectures.ts'
import { EMBEDDED, EMBEDDER, hasEmbedder, hasReal, REAL } from '../support/models.ts'

/**
 * The tests of the GPT4All Python package (gpt4all/tests/test_gpt4all.py and test_embed_timings.py, 2.8.2), by their
 * names and in their order. Where they take models of gigabytes, small ones of the same architectures have those names
 * here. What they print is checked. test_download_model is in test/api/embedder-files.test.ts, beside the list that it
 * needs.
 */
const folder = mkdtempSync(join(tmpdir(), 'gpt4all-python-tests-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const ORCA = 'orca-mini-3b-gguf2-q4_0.gguf'
const LLAMA_7B = 'mistral-7b-openorca.Q4_0.gguf'
const MINI_LM = 'all-MiniLM-L6-v2.gguf2.f16.gguf'
symlinkSync(hasReal ? REAL : EMBEDDED, join(folder, ORCA))
symlinkSync(EMBEDDED, join(folder, LLAMA_7B))
if (hasEmbedder) symlinkSync(EMBEDDER, join(folder, MINI_LM))
for (const [name, architecture] of [
  ['gpt4all-falcon-q4_0.gguf', 'falcon'],
  ['nous-hermes-llama2-13b.Q4_0.gguf', 'llama'],
  ['mpt-7b-chat-q4_0.gguf', 'mpt'],
  ['replit-code-v1_5-3b-q4_0.gguf', 'mpt'],
] as const)
  writeFileSync(join(folder, name), architectureModel(architecture, ['position_embd.weight']).bytes())

const opened: { close(): Promise<void> }[] = []
afterEach(async () => {
  for (const one of opened.splice(0)) await one.close()
})

async function load(name: string, options: object = {}): Promise<GPT4All> {
  const model = await GPT4All.load(name, { modelPath: folder, nThreads: 1, ...options })
  opened.push(model)
  return model
}

function embedder(): Embed4All {
  const made = new Embed4All(undefined, { modelPath: folder, nThreads: 1 })
  opened.push(made)
  return made
}

const asked = (model: GPT4All) =>
  model.currentChatSession?.messages.filter(({ role }) => role === 'user').map(({ content }) => content)

test('test_inference', async () => {
  // Equal texts before and after others were evaluated are what `deterministic` promises.
  const model = await load(ORCA, { deterministic: true })
  const output1 = await model.generate('hello', { topK: 1 })

  await model.withChatSession(async () => {
    await model.generate('hello', { topK: 1 })
    await model.generate('write me a short poem', { topK: 1 })
    await model.generate('thank you', { topK: 1 })
    expect(asked(model)).toEqual(['hello', 'write me a short poem', 'thank you'])
  })

  const output2 = await model.generate('hello', { topK: 1 })
  expect(output1).toBe(output2)

  const tokens: string[] = []
  for await (const token of model.generate('hello', { streaming: true })) tokens.push(token)
  expect(tokens.length).toBeGreaterThan(0)

  await model.withChatSession(async () => {
    await model.generate('hello', { topK: 1, streaming: true })
    await model.generate('write me a poem about dogs', { topK: 1, streaming: true })
    expect(asked(model)).toEqual(['hello', 'write me a poem about dogs'])
  })
})

test.each([
  ['orca_3b', ORCA],
  ['falcon', 'gpt4all-falcon-q4_0.gguf'],
  ['llama_7b', LLAMA_7B],
  ['llama_13b', 'nous-hermes-llama2-13b.Q4_0.gguf'],
  ['mpt', 'mpt-7b-chat-q4_0.gguf'],
  ['replit', 'replit-code-v1_5-3b-q4_0.gguf'],
])('test_inference_long_%s', async (_, name) => {
  const model = await load(name)
  const longInput = Array.from({ length: 40 }, () => 'hello how are you').join(' ')
  await model.withChatSession(async () => {
    await model.generate(longInput, { nBatch: 512 })
    expect(asked(model)).toEqual([longInput])
  })
})

test('test_inference_hparams, without the space at the end, which is a token of its own in this vocabulary', async () => {
  const model = await load(LLAMA_7B)
  const output = await model.generate('The capital of france is', { maxTokens: 3 })
  expect(output).toContain('Paris')
})

test.each([
  ['falcon', 'gpt4all-falcon-q4_0.gguf'],
  ['mpt', 'mpt-7b-chat-q4_0.gguf'],
])('test_inference_%s', async (_, name) => {
  const model = await load(name)
  const output = await model.generate('hello', { seed: 1 })
  expect(output).toBeTypeOf('string')
  expect(output.length).toBeGreaterThan(0)
})

describe.runIf(hasEmbedder)('with all-MiniLM-L6-v2', () => {
  test('test_embedding', async () => {
    const text = `${'The quick brown fox jumps over the lazy dog '.repeat(55)}The quick brown fox`
    const { embedding } = await embedder().embed(text)
    expect(embedding).toHaveLength(384)
  })

  test('test_empty_embedding', async () => {
    await expect(embedder().embed('')).rejects.toThrow(TypeError)
  })

  test('test_embed_timings', async () => {
    const model = embedder()
    for (let power = 6; power <= 13; power++) {
      const { embedding, usage } = await model.embed('foo bar '.repeat(2 ** power))
      expect(embedding).toHaveLength(384)
      // Windows of 510 tokens share 8 with the one before.
      const words = 2 ** (power + 1)
      expect(usage.promptTokens - words).toBe(8 * Math.floor(Math.max(0, words - 9) / 502))
    }
  })
})
