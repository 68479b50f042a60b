import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { NativeEmbedder, NativeEmbedderParams, NativeModel } from '../../src/native/contract.ts'
import { cosine } from '../support/embedding-goldens.ts'
import { EMBEDDER, hasEmbedder, hasReal, REAL } from '../support/models.ts'
import { binding, folder, openModel } from '../support/native-models.ts'
import { TINY_ENCODERS, type TinyEncoder, tinyEncoder } from '../support/tiny-encoders.ts'

const PARAMS: NativeEmbedderParams = {
  batchSize: 256,
  sequences: 64,
  threads: 1,
  batchThreads: 1,
  poll: 0,
  flashAttention: 'auto',
  keyType: 'f16',
  valueType: 'f16',
  adapterScales: [],
  pooling: 'file',
}

const argumentError = expect.objectContaining({ code: 'ERR_ARGUMENT' })

async function openTiny(name: TinyEncoder): Promise<NativeModel> {
  const file = join(folder, `${name}.gguf`)
  writeFileSync(file, tinyEncoder(name))
  return openModel(file)
}

const create = (model: NativeModel, params: Partial<NativeEmbedderParams> = {}) =>
  binding.Embedder.create(model, { ...PARAMS, ...params })

/** Texts of these lengths. */
function batchOf(...lengths: number[]): [Int32Array, Int32Array] {
  const tokens = Int32Array.from(
    { length: lengths.reduce((sum, one) => sum + one, 0) },
    (_, i) => 5 + (i % 20),
  )
  return [tokens, Int32Array.from(lengths)]
}

let bert: NativeModel
let embedder: NativeEmbedder
beforeAll(async () => {
  bert = await openTiny('bert')
  embedder = await create(bert)
})

type Loose = Record<string, (...values: unknown[]) => unknown>

describe('a wrong argument throws ERR_ARGUMENT, and the embedder still works:', () => {
  test.each<[string, unknown, unknown]>([
    ['no tokens', undefined, Int32Array.of(1)],
    ['tokens in an array', [1, 2], Int32Array.of(2)],
    ['a token that the vocabulary does not have', Int32Array.of(1_000_000), Int32Array.of(1)],
    ['a token below 0', Int32Array.of(-1), Int32Array.of(1)],
    ['no lengths', Int32Array.of(5), undefined],
    ['no text', Int32Array.of(), Int32Array.of()],
    ['an empty text', Int32Array.of(5), Int32Array.of(0, 1)],
    ['a length below 0', Int32Array.of(5), Int32Array.of(-1, 2)],
    ['fewer tokens than their lengths', Int32Array.of(5, 6), Int32Array.of(3)],
    ['more tokens than their lengths', Int32Array.of(5, 6), Int32Array.of(1)],
    ['more tokens than a batch has', ...batchOf(200, 200)],
    ['more texts than a batch has', ...batchOf(...new Array<number>(65).fill(1))],
  ])('%s', async (_, tokens, lengths) => {
    expect(() => (embedder as unknown as Loose).embed!(tokens, lengths)).toThrow(argumentError)
    expect(() => (embedder as unknown as Loose).embedNow!(tokens, lengths)).toThrow(argumentError)
    expect(await embedder.embed(...batchOf(3))).toHaveLength(32)
  })

  test.each<[string, Partial<Record<keyof NativeEmbedderParams, unknown>>]>([
    ['no batch', { batchSize: 0 }],
    ['no texts', { sequences: 0 }],
    ['more texts than llama.cpp takes', { sequences: 257 }],
    ['another pooling', { pooling: 'most' }],
    ['no pooling', { pooling: undefined }],
    ['no threads', { threads: 0 }],
    ['scales of adapters that are not there', { adapterScales: [1] }],
  ])('%s', (_, params) => {
    expect(() => create(bert, params as Partial<NativeEmbedderParams>)).toThrow(argumentError)
  })

  test('a model that is none, and a model that is closed', async () => {
    expect(() => create({} as NativeModel)).toThrow(argumentError)
    const closed = await openTiny('bert-cls')
    closed.close()
    expect(() => create(closed)).toThrow(expect.objectContaining({ code: 'ERR_CLOSED' }))
  })

  test('an embedder that JavaScript makes by itself, and methods of others', async () => {
    const Class = embedder.constructor as new () => object
    expect(() => new Class()).toThrow(argumentError)
    const { embed } = embedder as unknown as Loose
    for (const other of [{}, bert, await openTiny('nomic-bert')])
      expect(() => embed!.call(other, ...batchOf(3))).toThrow()
  })
})

describe('an embedder', () => {
  test('has positions for no more tokens than the model was trained with', async () => {
    const large = await create(bert, { batchSize: 1024 })
    expect(large.info.longest).toBe(256)
    expect(() => large.embed(...batchOf(257))).toThrow(argumentError)
    expect(await large.embed(...batchOf(256, 256))).toHaveLength(64)
    await large.close()
  })

  test.each(Object.keys(TINY_ENCODERS) as TinyEncoder[])(
    'gives each text of a batch the vector that it has alone: %s',
    async (name) => {
      const model = await openTiny(name)
      const one = await create(model)
      const { vectorSize } = one.info
      const [tokens, lengths] = batchOf(40, 3, 60, 1, 25)
      const together = await one.embed(tokens, lengths)
      let at = 0
      for (const [i, length] of lengths.entries()) {
        const alone = await one.embed(tokens.slice(at, at + length), Int32Array.of(length))
        const vector = together.subarray(i * vectorSize, (i + 1) * vectorSize)
        if (vectorSize > 2) expect(cosine(alone, vector)).toBeGreaterThan(0.9999)
        else expect(Math.abs(alone[0]! - vector[0]!)).toBeLessThan(0.01)
        at += length
      }
      await one.close()
    },
  )

  test('gives the same vectors at once, behind the batches that were asked for before', async () => {
    const one = await create(bert)
    const [tokens, lengths] = batchOf(40, 3)
    const before = one.embed(...batchOf(200))
    expect(one.embedNow(tokens, lengths)).toEqual(await one.embed(tokens, lengths))
    expect(await before).toHaveLength(one.info.vectorSize)
    await one.close()
    expect(() => one.embedNow(tokens, lengths)).toThrow(expect.objectContaining({ code: 'ERR_CLOSED' }))
  })

  test('gives up a batch at once that was asked for before, and not the one that the thread waits for', async () => {
    const one = await create(bert)
    const given = one.embed(...batchOf(250)).catch((error: { code: string }) => error.code)
    one.abort()
    expect(one.embedNow(...batchOf(5))).toHaveLength(one.info.vectorSize)
    expect(['ERR_ABORTED', undefined]).toContain(await given)
    await one.close()
  })

  test.skipIf(!hasReal)('takes no memory for logits, which nobody reads', async () => {
    const one = await create(await openModel(REAL), { batchSize: 1024, pooling: 'last' })
    await one.embed(...batchOf(8)) // touches the weights
    const before = process.memoryUsage().rss
    await one.embed(...batchOf(1024))
    // 1,024 tokens times 49,152 floats are 192 MiB, which llama.cpp computes, and copies.
    expect((process.memoryUsage().rss - before) / 2 ** 20).toBeLessThan(150)
    await one.close()
  })

  test('keeps nothing of earlier batches: a decoder whose texts share cells', async () => {
    const model = await openTiny('qwen3')
    const one = await create(model, { batchSize: 64 })
    const before = await one.embed(...batchOf(64))
    for (let i = 0; i < 3; i++) await one.embed(...batchOf(30, 30))
    expect(await one.embed(...batchOf(64))).toEqual(before)
    await one.close()
  })

  test('pools as it is asked to, and says how', async () => {
    for (const pooling of ['none', 'mean', 'cls', 'last'] as const) {
      const one = await create(bert, { pooling })
      expect(one.info.pooling).toBe(pooling)
      await one.close()
    }
    const [none, last] = [await create(bert, { pooling: 'none' }), await create(bert, { pooling: 'last' })]
    expect(await none.embed(...batchOf(9, 4))).toEqual(await last.embed(...batchOf(9, 4)))
    await none.close()
    await last.close()
  })

  test('rejects with ERR_ABORTED when it is aborted, and goes on', async () => {
    const one = await create(bert)
    const running = Array.from({ length: 20 }, () => one.embed(...batchOf(200)))
    one.abort()
    const ends = await Promise.allSettled(running)
    const aborted = ends.filter((end) => end.status === 'rejected')
    expect(aborted.length).toBeGreaterThan(0)
    for (const end of aborted) expect(end.reason).toMatchObject({ code: 'ERR_ABORTED' })
    expect(await one.embed(...batchOf(3))).toHaveLength(32)
    await one.close()
  })

  test('closes while it computes, once, and then refuses', async () => {
    const one = await create(bert)
    const running = Array.from({ length: 20 }, () => one.embed(...batchOf(200)))
    const ends = Promise.allSettled(running)
    await Promise.all([one.close(), one.close()])
    for (const end of await ends)
      if (end.status === 'rejected') expect(end.reason).toMatchObject({ code: 'ERR_CLOSED' })
    expect(() => one.embed(...batchOf(3))).toThrow(expect.objectContaining({ code: 'ERR_CLOSED' }))
    one.abort()
  })

  test('rejects with ERR_LOGITS where a vector is not numbers, and goes on', async () => {
    const file = join(folder, 'spoilt-bert.gguf')
    writeFileSync(file, TINY_ENCODERS.bert().spoil('token_embd.weight', 7).bytes())
    const one = await create(await openModel(file))
    const lengths = Int32Array.of(2)
    await expect(one.embed(Int32Array.of(5, 7), lengths)).rejects.toMatchObject({ code: 'ERR_LOGITS' })
    await expect(one.embed(Int32Array.of(5, 6), lengths)).resolves.toHaveLength(32)
    await one.close()
  })
})

const [GGML, ...OWN] = binding.kernels()

if (OWN.length === 0 || !hasEmbedder)
  test.skip('kernels for many columns are not tested: this build has none, or all-MiniLM-L6-v2 is not here', () => {})

describe.runIf(OWN.length > 0 && hasEmbedder)('kernels of our own for many columns', () => {
  const each = OWN.flatMap((kernels) => [1, 2].map((threads) => [kernels, threads] as const))
  afterEach(() => void binding.useKernels(OWN.at(-1)!))

  test.each(each)("%s are as exact as ggml's, with %i threads", async (kernels, threads) => {
    const model = await openModel(EMBEDDER)
    const one = await create(model, { batchSize: 512, threads, batchThreads: threads })
    const [tokens, lengths] = batchOf(200, 24, 1, 31, 64, 2, 190)
    const text = tokens.map((token, i) => 1000 + ((token * 997 + i * 7919) % 28_000))
    binding.useKernels(GGML!)
    const expected = await one.embed(text, lengths)
    binding.useKernels(kernels)
    const own = await one.embed(text, lengths)
    for (let i = 0; i < lengths.length; i++) {
      const part = (all: Float32Array) => all.subarray(384 * i, 384 * (i + 1))
      expect(cosine(part(own), part(expected))).toBeGreaterThan(0.99999)
    }
    expect(await one.embed(text, lengths)).toEqual(own) // with weights that are packed by now
    await one.close()
  })

  test('are shared by contexts of one model, which pack its weights together', async () => {
    const model = await openModel(EMBEDDER)
    const batch = batchOf(60, 30)
    const [first, ...others] = await Promise.all(
      [1, 1, 2, 1].map((threads) => create(model, { threads, batchThreads: threads })),
    )
    const all = await Promise.all([first!, ...others].map((one) => one.embed(...batch)))
    for (const vectors of all) expect(vectors).toEqual(all[0])
    await first!.close()
    for (const one of others) expect(await one.embed(...batch)).toEqual(all[0])
    await Promise.all(others.map((one) => one.close()))
  })

  test('go on while other embedders are opened and closed', async () => {
    const model = await openModel(EMBEDDER)
    const one = await create(model, { batchSize: 512 })
    const batch = batchOf(60, 30)
    const expected = await one.embed(...batch)
    const busy = Array.from({ length: 12 }, () => one.embed(...batch))
    for (let i = 0; i < 4; i++) {
      const other = await create(model, { batchSize: 64 })
      await other.embed(...batchOf(40))
      await other.close()
    }
    for (const vectors of await Promise.all(busy)) expect(vectors).toEqual(expected)
    await one.close()
  })
})
