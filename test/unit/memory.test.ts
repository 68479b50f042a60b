import { describe, expect, test } from 'vitest'
import { checkMemory, machineMemory, planMemory } from '../../src/loading/memory.ts'
import { memoryShape } from '../../src/loading/memory-shape.ts'
import type { GgufHeader, GgufValue } from '../../src/models/gguf/header.ts'

const GIB = 2 ** 30
const WIDTH = 4096

type Layer = Readonly<Record<string, number>>
const GROUPED = {
  'attn_q.weight': 4096,
  'attn_k.weight': 1024,
  'attn_v.weight': 1024,
  'ffn_up.weight': 14336,
}

/** Of a model with these layers, told as the rows of their tensors. */
function header(
  layers: readonly Layer[],
  metadata: Readonly<Record<string, number | number[]>> = {},
  architecture = 'made',
): GgufHeader {
  const numbers = {
    block_count: layers.length,
    embedding_length: WIDTH,
    feed_forward_length: 14336,
    'attention.head_count': 32,
    'attention.head_count_kv': 8,
    ...metadata,
  }
  const value = (one: number | number[]): GgufValue =>
    Array.isArray(one)
      ? { type: 'array', of: 'u32', count: one.length, values: Uint32Array.from(one) }
      : { type: 'u32', value: one }
  return {
    path: 'model.gguf',
    files: [],
    fileBytes: 4 * GIB,
    version: 3,
    architecture,
    metadata: new Map(Object.entries(numbers).map(([key, one]) => [`${architecture}.${key}`, value(one)])),
    tensors: layers.flatMap((layer, index) =>
      Object.entries(layer).map(([name, rows]) => ({
        name: `blk.${index}.${name}`,
        type: 'Q4_0',
        shape: [WIDTH, rows],
        offset: 0,
        bytes: 0,
      })),
    ),
    tensorBytes: 4 * GIB,
    dataOffset: 0,
    tokenCount: 128_000,
  }
}

const layers = (count: number, layer: Layer): Layer[] => Array.from({ length: count }, () => layer)
const bytesPerToken = (...of: Parameters<typeof header>) => memoryShape(header(...of)).bytesPerToken

describe('the keys and values of a token', () => {
  test('are two bytes for each row of the layers that make them', () => {
    expect(bytesPerToken(layers(32, GROUPED))).toBe(131_072) // Llama 3 8B: 128 KiB
  })

  test('are counted layer by layer if heads differ', () => {
    const narrow = { 'attn_k.weight': 512, 'attn_v.weight': 256 }
    expect(bytesPerToken([GROUPED, narrow])).toBe(2 * (2048 + 768))
  })

  test('without values of their own are twice the keys', () => {
    expect(bytesPerToken([{ 'attn_k.weight': 512 }])).toBe(2 * 1024)
  })

  test('of fused weights follow the metadata', () => {
    const fused = { 'attn_qkv.weight': 6144 }
    expect(bytesPerToken([fused])).toBe(2 * 8 * (128 + 128))
    expect(bytesPerToken([fused], { 'attention.key_length': 64 })).toBe(2 * 8 * (64 + 128))
  })

  test('of latent attention are the latent ones', () => {
    const latent = { 'attn_kv_a_mqa.weight': 576 }
    const metadata = { 'attention.key_length': 576, 'attention.key_length_mla': 192 }
    expect(bytesPerToken([latent], metadata)).toBe(2 * 576)
  })

  test('are none in recurrent layers, and in layers that read those of others', () => {
    const recurrent = { 'ssm_in.weight': 8192, 'attn_qkv.weight': 8192 }
    expect(bytesPerToken([recurrent, GROUPED])).toBe(2 * 2048)
    const shared = { 'attention.shared_kv_layers': 3 }
    expect(bytesPerToken(layers(4, GROUPED), shared, 'gemma4')).toBe(2 * 2048)
    expect(bytesPerToken(layers(30, GROUPED), {}, 'gemma3n')).toBe(20 * 2 * 2048)
  })

  test('are those of every layer if llama.cpp knows no shared ones', () => {
    const shared = { 'attention.shared_kv_layers': 3 }
    expect(bytesPerToken(layers(4, GROUPED), shared, 'llama')).toBe(4 * 2 * 2048)
  })
})

describe('the state of recurrent layers', () => {
  const state = (name: string, metadata: Readonly<Record<string, number>>) =>
    memoryShape(header([{ [`${name}.weight`]: 1 }, GROUPED], metadata)).stateBytes
  test('depends on their kind', () => {
    const ssm = { 'ssm.conv_kernel': 4, 'ssm.inner_size': 8192, 'ssm.state_size': 16 }
    expect(state('ssm_in', ssm)).toBe(4 * (3 * 8192 + 16 * 8192))
    expect(state('ssm_in', { ...ssm, 'ssm.group_count': 8 })).toBe(4 * (3 * (8192 + 256) + 16 * 8192))
    expect(state('time_mix_key', { 'wkv.head_size': 64 })).toBe(4 * WIDTH * 66)
    expect(state('shortconv.conv', { 'shortconv.l_cache': 3 })).toBe(4 * WIDTH * 2)
    expect(state('ssm_conv1d', { 'kda.head_dim': 128, 'ssm.conv_kernel': 4 })).toBe(4 * 128 * 32 * (9 + 128))
    expect(state('attn_k', ssm)).toBe(0)
  })
})

describe('planMemory()', () => {
  const model = header(layers(32, GROUPED))
  const plan = (nCtx: number, gibibytes: number, part = 1) =>
    planMemory(model, nCtx, { memory: { available: gibibytes * GIB, free: GIB }, part })

  test('rounds the context up to whole cells, as llama.cpp does', () => {
    expect(plan(300, 8).kvCache).toBe(plan(512, 8).kvCache)
    expect(plan(513, 8).kvCache).toBe(1.5 * plan(512, 8).kvCache)
  })

  test.each([5, 6, 8, 16, 64])('with %i GiB returns the last nCtx that fits as the largest', (gibibytes) => {
    const { largestNCtx } = plan(2048, gibibytes)
    expect(largestNCtx % 256).toBe(0)
    expect(plan(largestNCtx, gibibytes).fits).toBe(true)
    expect(plan(largestNCtx + 256, gibibytes).fits).toBe(false)
  })

  test('with too little memory for the weights returns no nCtx that fits', () => {
    expect(plan(8, 4)).toMatchObject({ fits: false, largestNCtx: 0 })
  })

  test('of a recurrent model returns any accepted nCtx', () => {
    const recurrent = header([{ 'ssm_in.weight': 1 }], { 'ssm.inner_size': 64, 'ssm.state_size': 16 })
    const memory = { available: 8 * GIB, free: GIB }
    expect(planMemory(recurrent, 2048, { memory }).largestNCtx).toBe(2 ** 24)
  })

  describe('of a model whose texts are embedded', () => {
    const trained = header(layers(32, GROUPED), { context_length: 32_768 })
    const embedding = (nCtx: number, gibibytes: number) =>
      planMemory(trained, nCtx, { memory: { available: gibibytes * GIB, free: GIB }, embeds: true })

    test('counts logits of all tokens, which are computed at once', () => {
      const more = embedding(2048, 64).compute - planMemory(trained, 2048).compute
      expect(more).toBeGreaterThan(4 * trained.tokenCount * 2048)
      expect(embedding(4096, 64).compute).toBeGreaterThan(2 * embedding(2048, 64).compute)
    })

    test.each([6, 8, 12])('with %i GiB returns the last nCtx that fits as the largest', (gibibytes) => {
      const { largestNCtx } = embedding(2048, gibibytes)
      expect(largestNCtx % 256).toBe(0)
      expect(embedding(largestNCtx, gibibytes).fits).toBe(true)
      expect(embedding(largestNCtx + 256, gibibytes).fits).toBe(false)
    })

    test('needs no more than for the tokens that it was trained with', () => {
      expect(embedding(2 ** 20, 64).total).toBe(embedding(32_768, 64).total)
      expect(embedding(2048, 2 ** 20).largestNCtx).toBe(32_768)
    })
  })

  test('never returns a larger nCtx than is accepted', () => {
    expect(plan(2048, 2 ** 20).largestNCtx).toBe(2 ** 24)
  })

  test('returns the trained context if the header has it', () => {
    expect(plan(2048, 8).trainedContextSize).toBeUndefined()
    const trained = header(layers(1, GROUPED), { context_length: 8192 })
    expect(planMemory(trained, 2048).trainedContextSize).toBe(8192)
  })

  test('reads arrays of any length', () => {
    const long = new Array(300_000).fill(1)
    const keys = { feed_forward_length: long, expert_used_count: long, 'attention.sliding_window': long }
    expect(planMemory(header(layers(1, GROUPED), keys), 2048).total).toBeGreaterThan(0)
  })

  test('of layers on a GPU counts what stays in main memory', () => {
    const whole = plan(2048, 8)
    const half = plan(2048, 8, 0.5)
    expect([half.weights, half.kvCache]).toEqual([whole.weights / 2, whole.kvCache / 2])
    expect(plan(2048, 1, 0).fits).toBe(true)
  })

  test("knows the machine's memory", () => {
    const { available, free } = machineMemory()
    expect(available).toBeGreaterThan(0)
    expect(free).toBeLessThanOrEqual(available)
  })
})

describe('checkMemory()', () => {
  const model = header(layers(32, GROUPED))
  function check(nCtx: number, available: number, free: number, weightsLoaded?: boolean): string[] {
    const lines: string[] = []
    const quiet = () => {}
    const logger = { debug: quiet, info: quiet, warn: (line: string) => void lines.push(line), error: quiet }
    const plan = planMemory(model, nCtx, { memory: { available: available * GIB, free: free * GIB } })
    checkMemory(model.path, nCtx, plan, logger, weightsLoaded === undefined ? {} : { weightsLoaded })
    return lines
  }

  test('accepts silently what fits', () => {
    expect(check(2048, 8, 8)).toEqual([])
  })

  test.skipIf(process.platform === 'darwin')(
    'warns if the model fits only when other programs free memory',
    () => {
      expect(check(2048, 8, 2)).toEqual([
        'model.gguf with nCtx 2048 needs 4.4 GiB, and 2.0 GiB are free: other programs may have to free memory',
      ])
    },
  )

  test('counts weights that are loaded already as part of the machine, not of what is free', () => {
    expect(check(2048, 8, 2, true)).toEqual([])
    expect(() => check(2048, 4, 4, true)).toThrow(expect.objectContaining({ code: 'ERR_MEMORY' }))
  })

  test('refuses what can never fit, with the largest nCtx that does', () => {
    const { largestNCtx } = planMemory(model, 8, { memory: { available: 8 * GIB, free: 0 } })
    expect(largestNCtx).toBe(31_488)
    expect(() => check(131_072, 8, 8)).toThrow(
      expect.objectContaining({
        code: 'ERR_MEMORY',
        largestNCtx,
        message: expect.stringMatching(
          new RegExp(`needs 20.* GiB; .* has 8.0 GiB.* fits is ${largestNCtx}\\.$`),
        ),
      }),
    )
  })

  test('names parallel if that is what takes the memory', () => {
    const quiet = () => {}
    const logger = { debug: quiet, info: quiet, warn: quiet, error: quiet }
    const plan = planMemory(model, 8192, { memory: { available: 8 * GIB, free: 8 * GIB }, sequences: 16 })
    expect(() => checkMemory(model.path, 8192, plan, logger, { sequences: 16 })).toThrow(
      /with nCtx 8192 and parallel 16 needs .* or a smaller parallel\.$/,
    )
  })

  test('suggests a smaller model if no nCtx fits', () => {
    expect(() => check(2048, 4, 4)).toThrow(/a smaller quantization/)
    expect(() => check(2048, 4, 4)).toThrow(expect.objectContaining({ largestNCtx: 0 }))
  })
})
