import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { Embed4All, GPT4All, type Logger, type MemoryPlan, type ModelOptions } from '../../src/index.ts'
import { loadBinding } from '../../src/native/binding.ts'
import { EMBEDDED, EMBEDDER, hasEmbedder, hasReal, REAL } from '../support/models.ts'
import { TINY_MODELS, type TinyModel, tinyModel } from '../support/tiny-models.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gpt4all-memory-'))
})
afterAll(() => rm(folder, { recursive: true }))

async function tiny(name: TinyModel): Promise<string> {
  const path = join(folder, `${name}.gguf`)
  await writeFile(path, tinyModel(name))
  return path
}

type Buffers = Pick<MemoryPlan, 'weights' | 'kvCache' | 'compute'> & {
  /** Bytes that V8 is told of. */
  readonly counted: number
}

/** Bytes of the buffers that llama.cpp makes, as its log tells them: MiB with two digits. */
async function buffersOf(path: string, nCtx: number, options: ModelOptions = {}): Promise<Buffers> {
  const lines: string[] = []
  const add = (line: string) => void lines.push(line)
  const logger: Logger = { debug: add, info: add, warn: add, error: add }
  const making = vi.spyOn(loadBinding().Context, 'create')
  const model = await GPT4All.load(path, { nThreads: 1, nCtx, device: 'cpu', logger, ...options })
  const counted = making.mock.calls.reduce((all, [, { memoryBytes }]) => all + memoryBytes!, 0)
  making.mockRestore()
  await model.close()
  const sum = (kind: string) =>
    lines
      .map((line) => Number(new RegExp(`(?:${kind}) buffer size = +([\\d.]+) MiB`).exec(line)?.[1] ?? 0))
      .reduce((all, mebibytes) => all + mebibytes * 2 ** 20, 0)
  return { weights: sum('model'), kvCache: sum('KV|RS'), compute: sum('compute|output'), counted }
}

const KINDS: [string, () => Promise<string>][] = [
  ['the embedded', async () => EMBEDDED],
  ...(['llama', 'llama-moe', 'gemma3', 'mamba', 'lfm2'] as const).map(
    (name): [string, () => Promise<string>] => [`a ${name}`, () => tiny(name)],
  ),
  ...(hasReal ? ([['the SmolLM2', async () => REAL]] as [string, () => Promise<string>][]) : []),
]

describe.each(KINDS)('estimateMemory() of %s model', (_, file) => {
  test.each([300, 512, 2048, 8192])('with nCtx %i returns what llama.cpp allocates', async (nCtx) => {
    const path = await file()
    const plan = await GPT4All.estimateMemory(path, { nCtx })
    const real = await buffersOf(path, nCtx)
    const rounding = 2 ** 20 * 0.02 // the log tells hundredths of MiB
    expect(Math.abs(plan.weights - real.weights)).toBeLessThan(0.005 * real.weights + rounding)
    expect(Math.abs(plan.kvCache - real.kvCache)).toBeLessThan(0.005 * real.kvCache + rounding)
    expect(plan.compute).toBeGreaterThan(0.98 * real.compute)
    // A model all of whose layers slide has one mask of the two that are reckoned with.
    expect(plan.compute).toBeLessThan(2 * real.compute)
    expect(real.counted).toBe(plan.kvCache + plan.compute)
  })
})

const KV_OPTIONS: ModelOptions[] = [
  { kvType: 'f32' },
  { kvType: 'bf16' },
  { kvType: 'q8_0' },
  { kvType: { k: 'q8_0', v: 'q4_0' } },
  { kvType: { k: 'q5_1' } },
  { flashAttention: false },
  { flashAttention: false, kvType: { k: 'q4_1', v: 'f32' } },
]

describe.each([EMBEDDED, ...(hasReal ? [REAL] : [])])('estimateMemory() of %s', (path) => {
  test.each(KV_OPTIONS)('with %o returns what llama.cpp allocates', async (options) => {
    const plan = await GPT4All.estimateMemory(path, { nCtx: 4096, ...options })
    const real = await buffersOf(path, 4096, options)
    expect(Math.abs(plan.kvCache - real.kvCache)).toBeLessThan(0.005 * real.kvCache + 2 ** 20 * 0.02)
    expect(plan.compute).toBeGreaterThan(0.98 * real.compute)
    expect(plan.compute).toBeLessThan(1.5 * real.compute)
  })
})

describe('a model that does not fit', () => {
  test('is refused before it is loaded, with the nCtx that fits', async () => {
    const path = join(folder, 'huge.gguf')
    await writeFile(path, await readFile(EMBEDDED))
    const loading = GPT4All.load(path, { nCtx: 2 ** 24, nThreads: 1 })
    const plan = await GPT4All.estimateMemory(path, { nCtx: 2 ** 24 })
    expect(plan.fits).toBe(false)
    await expect(loading).rejects.toMatchObject({
      code: 'ERR_MEMORY',
      largestNCtx: plan.largestNCtx,
      message: expect.stringContaining(`fits is ${plan.largestNCtx}.`),
    })
    const estimate = (nCtx: number) => GPT4All.estimateMemory(path, { nCtx })
    expect(await estimate(plan.largestNCtx)).toMatchObject({ fits: true })
    expect(await estimate(plan.largestNCtx + 256)).toMatchObject({ fits: false })
  })
})

test.each(['feed_forward_length', 'expert_count', 'attention.sliding_window'])(
  'estimateMemory() of a header with a long array as %s returns numbers, or rejects with the reason',
  async (key) => {
    const path = join(folder, 'long.gguf')
    const file = TINY_MODELS.llama().setArray(`llama.${key}`, 'u32', new Array(300_000).fill(1))
    await writeFile(path, file.bytes())
    const outcome = await GPT4All.estimateMemory(path).catch((error: unknown) => error)
    if (outcome instanceof Error) expect(outcome).toMatchObject({ code: 'ERR_MODEL_DAMAGED' })
    else expect(Object.values(outcome as MemoryPlan).every((value) => Number(value) >= 0)).toBe(true)
  },
)

test('estimateMemory() counts every layer of a model for which llama.cpp shares none', async () => {
  const path = join(folder, 'sharing.gguf')
  await writeFile(path, TINY_MODELS.llama().set('llama.attention.shared_kv_layers', 'u32', 2).bytes())
  const { kvCache, trainedContextSize } = await GPT4All.estimateMemory(path)
  expect(kvCache).toBe((await GPT4All.estimateMemory(await tiny('llama'))).kvCache)
  expect(trainedContextSize).toBe(256)
})

describe('estimateMemory() of an encoder', () => {
  const encoders: [string, () => Promise<string>][] = [
    ['a tiny bert', () => tiny('bert')],
    ...(hasEmbedder
      ? ([['all-MiniLM-L6-v2', async () => EMBEDDER]] as [string, () => Promise<string>][])
      : []),
  ]
  test.each(encoders)(
    '%s: no keys and values, and no more context than it was trained with',
    async (_, file) => {
      const path = await file()
      const lines: string[] = []
      const add = (line: string) => void lines.push(line)
      const logger: Logger = { debug: add, info: add, warn: add, error: add }
      const making = vi.spyOn(loadBinding().Embedder, 'create')
      const embedder = await Embed4All.load(path, { nThreads: 1, device: 'cpu', logger, pooling: 'mean' })
      const counted = making.mock.calls[0]![1].memoryBytes
      making.mockRestore()
      await embedder.close()
      const real = lines
        .map((line) => Number(/compute buffer size = +([\d.]+) MiB/.exec(line)?.[1] ?? 0) * 2 ** 20)
        .reduce((all, bytes) => all + bytes, 0)
      expect(real).toBeGreaterThan(0)
      const plan = await GPT4All.estimateMemory(path)
      expect(plan.kvCache).toBe(0)
      expect(counted).toBe(plan.compute)
      expect(plan.compute).toBeGreaterThan(0.98 * real)
      expect(plan.compute).toBeLessThan(4 * real)
      expect(await GPT4All.estimateMemory(path, { nCtx: 100_000 })).toMatchObject({ total: plan.total })
      expect((await GPT4All.estimateMemory(path, { nCtx: 64 })).total).toBeLessThan(plan.total)
    },
  )
})

test('estimateMemory() loads nothing', async () => {
  const plan = await GPT4All.estimateMemory(EMBEDDED)
  expect(plan).toMatchObject({ fits: true, total: plan.weights + plan.kvCache + plan.compute })
  expect(plan.free).toBeLessThanOrEqual(plan.available)
  const larger = await GPT4All.estimateMemory(EMBEDDED, { nCtx: 4096 })
  expect(larger.kvCache).toBe(2 * plan.kvCache)
  await expect(GPT4All.estimateMemory('not-there')).rejects.toMatchObject({ code: 'ERR_MODEL_NOT_FOUND' })
  await expect(GPT4All.estimateMemory(EMBEDDED, { nCtx: 1 })).rejects.toMatchObject({ code: 'ERR_OPTION' })
})
