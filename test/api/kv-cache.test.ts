import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { KvType, ModelOptions } from '../../src/index.ts'
import { GPT4All } from '../../src/index.ts'
import { EMBEDDED } from '../support/models.ts'
import { tinyModel } from '../support/tiny-models.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gpt4all-kv-'))
})
afterAll(() => rm(folder, { recursive: true }))

async function withModel<T>(options: ModelOptions, use: (model: GPT4All) => Promise<T>): Promise<T> {
  const model = await GPT4All.load(EMBEDDED, { nThreads: 1, ...options })
  return use(model).finally(() => model.close())
}

const TYPES: readonly KvType[] = ['f16', 'bf16', 'f32', 'q8_0', 'q5_1', 'q5_0', 'q4_1', 'q4_0', 'iq4_nl']
const QUESTIONS = ['What is the capital of France?', 'And of Italy?']

describe('kvType', () => {
  test.each(TYPES)('%s gives a sensible conversation that uses its cache', async (kvType) => {
    await withModel({ kvType }, (model) =>
      model.withChatSession(async (chat) => {
        const first = await chat.generate(QUESTIONS[0]!, { temp: 0, maxTokens: 12 })
        const { text, usage } = await chat.generate(QUESTIONS[1]!, { temp: 0, maxTokens: 12 }).result
        expect(first).toMatch(/^The capital of France is/)
        expect(text).toMatch(/^The capital of/)
        expect(usage.cachedTokens).toBeGreaterThan(10)
      }),
    )
  })

  test.each<ModelOptions>([
    { kvType: { k: 'q8_0' } },
    { kvType: { v: 'q8_0' } },
    { kvType: { k: 'q8_0', v: 'q8_0' }, flashAttention: true },
    { kvType: { k: 'q8_0' }, flashAttention: false },
    { flashAttention: true },
    { flashAttention: false },
  ])('%o gives an answer', async (options) => {
    const ask = (model: GPT4All) =>
      model.generate('The capital of France is', { temp: 0, maxTokens: 3, repeatPenalty: 1 })
    expect(await withModel(options, ask)).toMatch(/^ Paris/)
  })

  test.each<ModelOptions>([{ kvType: 'q8_0' }, { kvType: 'q4_0' }, { kvType: 'bf16' }])(
    '%o lets a conversation that outgrows its context continue',
    async (options) => {
      await withModel({ ...options, nCtx: 128 }, (model) =>
        model.withChatSession(async (chat) => {
          for (let turn = 0; turn < 6; turn++) {
            const { usage } = await chat.generate(QUESTIONS[turn % 2]!, { temp: 0, maxTokens: 12 }).result
            expect(usage.completionTokens).toBeGreaterThan(0)
          }
        }),
      )
    },
  )

  test('lets displaced conversations come back from memory', async () => {
    await withModel({ kvType: 'q8_0', parallel: 1 }, async (model) => {
      const chats = [model.chatSession(), model.chatSession()]
      for (const chat of chats) await chat.generate(QUESTIONS[0]!, { temp: 0, maxTokens: 12 })
      const { usage } = await chats[0]!.generate(QUESTIONS[1]!, { temp: 0, maxTokens: 12 }).result
      expect(usage.cachedTokens).toBeGreaterThan(10)
    })
  })

  test("is refused before the weights are read if the model's heads cannot hold it, with a suggestion", async () => {
    const path = join(folder, 'narrow.gguf')
    await writeFile(path, tinyModel('llama'))
    const narrow = (options: ModelOptions) => GPT4All.load(path, { nThreads: 1, ...options })
    await expect(narrow({ kvType: 'q8_0' })).rejects.toMatchObject({
      code: 'ERR_MODEL_UNSUPPORTED',
      path,
      message: `${path} has keys of 8 numbers a head, which q8_0 cannot keep in blocks of 32: choose f16, bf16 or f32 as kvType.k.`,
    })
    const values = narrow({ kvType: { v: 'q4_0' } })
    await expect(values).rejects.toThrow(/values of 8 numbers a head, .* as kvType\.v\./)
    await expect(GPT4All.estimateMemory(path, { kvType: 'q8_0' })).rejects.toMatchObject({
      code: 'ERR_MODEL_UNSUPPORTED',
    })
    for (const kvType of ['f16', 'bf16', 'f32'] as const) await (await narrow({ kvType })).close()
  })

  test('with quantized values is refused without flash attention', () => {
    const make = () => new GPT4All(EMBEDDED, { kvType: 'q8_0', flashAttention: false })
    expect(make).toThrow(expect.objectContaining({ code: 'ERR_OPTION', option: 'kvType' }))
    expect(make).toThrow(/values of f16, bf16 or f32 without flashAttention/)
  })
})
