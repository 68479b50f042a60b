import { describe, expect, test } from 'vitest'
import { contextMemory } from '../../src/loading/memory.ts'
import { readGguf } from '../../src/models/gguf/header.ts'
import type { NativeContext, NativeContextParams, NativeModel } from '../../src/native/contract.ts'
import { seeded } from '../support/gguf-writer.ts'
import { EMBEDDED } from '../support/models.ts'
import {
  binding,
  GREEDY,
  greedy,
  openContext,
  openModel,
  openTiny,
  SHAPE,
  step,
  tinyFile,
} from '../support/native-models.ts'
import { drawingSpoilt, openSpoilt, SPOILT } from '../support/spoilt-models.ts'
import { ROW_HEADER, sealed, withBytes, withNumbers, words } from '../support/states.ts'
import type { TinyModel } from '../support/tiny-models.ts'

const refused = expect.objectContaining({ code: 'ERR_STATE' })
const TEXT = Int32Array.of(5, 9, 77, 130, 12, 44)
const EMPTY = { min: -1, max: -1 }
const WORD = 4
/** Numbers that are too large, too small, or those of something else. */
const WORDS = [0, 1, 2, 7, 255, 256, 512, 2 ** 16, 2 ** 28, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 2, 2 ** 32 - 1]

/** Behind the checksum, what llama.cpp writes first, each cell's position, and how the keys of the first layer lie. */
const firstNumber = 8 + 4 * WORD + TEXT.length * 3 * WORD + 2 * WORD + ROW_HEADER

/** Everything that may be cached in another way. */
const CACHES: readonly [TinyModel, string, Partial<NativeContextParams>][] = [
  ['llama', 'f16', {}],
  ['llama', 'values that lie across', { flashAttention: 'off' }],
  ['llama', 'bf16', { keyType: 'bf16', valueType: 'bf16' }],
  ['llama', 'f32', { keyType: 'f32', valueType: 'f32', flashAttention: 'off' }],
  ['gemma3', 'a sliding window', {}],
  ['mamba', 'recurrent', {}],
  ['lfm2', 'hybrid', {}],
]

async function open(name: TinyModel, shape: Partial<NativeContextParams>) {
  const model = await openTiny(name)
  const context = await openContext(model, { contextSize: 256, sequences: 2, ...shape })
  await step(context, { sequence: 0, position: 0, tokens: TEXT })
  return { model, context, state: await context.save(0) }
}

/** What comes next in either sequence, whatever the first one holds; it would reject where a number is none. */
async function goesOn(context: NativeContext, model: NativeModel): Promise<void> {
  for (const sequence of [0, 1]) {
    const { max } = await context.positions(sequence)
    const entry = {
      sequence,
      position: max + 1,
      tokens: Int32Array.of(6),
      outputs: [0],
      sampler: greedy(model),
    }
    expect((await step(context, entry)).tokens).toHaveLength(1)
    await context.remove(sequence, 0, -1)
    expect(
      (await step(context, { ...entry, position: 0, tokens: TEXT, outputs: [TEXT.length - 1] })).tokens,
    ).toHaveLength(1)
  }
}

describe('a crafted state with a correct checksum', () => {
  test.each(CACHES)('leaves no harmful data, wherever it differs: %s, %s', async (name, _, shape) => {
    const { model, context, state } = await open(name, shape)
    const random = seeded(1)
    let refusals = 0
    // Every word before the first numbers, and some of all others.
    for (
      let at = 8;
      at + WORD <= state.length;
      at += at < 160 ? WORD : WORD * (1 + Math.floor(random() * 40))
    ) {
      for (const word of WORDS) {
        const crafted = withBytes(state, at, words(word))
        const outcome = await context.restore(0, crafted).catch((error: unknown) => error)
        if (outcome === undefined) continue
        expect(outcome, `${word} at ${at}`).toEqual(refused)
        expect(await context.positions(0)).toEqual(EMPTY)
        refusals++
      }
      await goesOn(context, model)
    }
    expect(refusals).toBeGreaterThan(100)
    await context.restore(0, state)
    expect((await context.positions(0)).max).toBe(TEXT.length - 1)
  })

  test.each(CACHES)('is refused if it is longer, shorter or noise: %s, %s', async (name, _, shape) => {
    const { model, context, state } = await open(name, shape)
    const random = seeded(2)
    const noise = (count: number) => Uint8Array.from({ length: count }, () => Math.floor(random() * 256))
    const crafted = [
      sealed(new Uint8Array(8)),
      ...[1, 4, 12, 4096].map((more) => sealed(Uint8Array.of(...state, ...new Uint8Array(more)))),
      ...Array.from({ length: 60 }, (_, i) =>
        sealed(state.subarray(0, 9 + Math.floor((i * state.length) / 61))),
      ),
      ...Array.from({ length: 60 }, (_, i) => sealed(noise(9 + i * 20))),
    ]
    for (const bytes of crafted) {
      await expect(context.restore(0, bytes)).rejects.toThrow(refused)
      expect(await context.positions(0)).toEqual(EMPTY)
    }
    await goesOn(context, model)
  })

  test.each([
    ['f32', [0x7f800000, 0xff800000, 0x7fc00000, 0x7fffffff, 0x7149f2ca, 0xf149f2ca, 0x47800000]],
    ['f16', [0x7c00, 0xfc00, 0x7e00, 0x7fff]],
    ['bf16', [0x7f80, 0xff80, 0x7fc0, 0xffff, 0x714a, 0xf14a]],
    ['q8_0', [0x7c00, 0xfc00, 0x7e00, 0x7fff]], // of a block's scale
    ['q5_1', [0x7c00, 0xfc00, 0x7e00, 0x7fff]],
    ['iq4_nl', [0x7c00, 0xfc00, 0x7e00, 0x7fff]],
  ] as const)('brings in no number that is infinite, too large or NaN: %s', async (type, numbers) => {
    const model = await openModel()
    const context = await openContext(model, { sequences: 2, keyType: type })
    await step(context, { sequence: 0, position: 0, tokens: TEXT })
    const state = await context.save(0)
    for (const number of numbers) {
      const bytes = type === 'f32' ? words(number) : words(number).subarray(0, 2)
      await expect(context.restore(0, withBytes(state, firstNumber, bytes))).rejects.toThrow(refused)
    }
    await context.restore(0, withBytes(state, firstNumber, words(0).subarray(0, 2)))
    await goesOn(context, model)
  })

  test('is refused if it is of another model or another kind of memory', async () => {
    const all: Awaited<ReturnType<typeof open>>[] = []
    for (const [name, , shape] of CACHES) all.push(await open(name, shape))
    for (const [i, { context, model }] of all.entries()) {
      for (const [j, { state }] of all.entries()) {
        if (i !== j) await expect(context.restore(1, state), `${i} ${j}`).rejects.toThrow(refused)
      }
      await goesOn(context, model)
    }
  })
})

const LOGITS = expect.objectContaining({ code: 'ERR_LOGITS' })

/** Memories whose cells spoil whoever comes there next; those of the last two llama.cpp tells too little about. */
const MEMORIES: readonly [string, string, Partial<NativeContextParams>][] = [
  ...CACHES,
  ['gemma3', 'a sliding window, values that lie across', { flashAttention: 'off' }],
  ['lfm2', 'hybrid, values that lie across', { flashAttention: 'off' }],
  ['deepseek2', 'latent attention', { flashAttention: 'off' }],
  ['qwen2vl', 'positions of pictures', { flashAttention: 'off' }],
  ['jamba', 'hybrid, of several layers', { flashAttention: 'off' }],
  ['chameleon', 'logits that the graph hides', { flashAttention: 'off' }],
  ['deepseek4', 'of a layout of its own', {}],
  ['qwen4exp', 'of a layout of its own', {}],
]
const UNKNOWN = ['deepseek4', 'qwen4exp']

describe('a step whose logits are not numbers', () => {
  test.each(MEMORIES)(
    'leaves no data in any cell, and other sequences unchanged: %s, %s',
    async (name, _, shape) => {
      const model = await openSpoilt(name)
      const fresh = await openContext(model, { contextSize: 256, sequences: 3, ...shape })
      const context = await openContext(model, { contextSize: 256, sequences: 3, ...shape })
      const ask = {
        position: 0,
        tokens: TEXT,
        outputs: [TEXT.length - 1],
        sampler: greedy(model),
        logits: true,
      }
      const next = { ...ask, position: TEXT.length, tokens: Int32Array.of(6), outputs: [0] }
      const expected = await step(fresh, { ...ask, sequence: 0 })
      const expectedNext = await step(fresh, { ...next, sequence: 0 })
      // The first lies behind a sliding window.
      const spoilt = Int32Array.of(5, 9, SPOILT, ...new Int32Array(40).fill(6), SPOILT)

      await step(context, { ...ask, sequence: 1 })
      const other = await context.save(1)
      await expect(
        step(context, { ...ask, sequence: 0, tokens: spoilt, outputs: [spoilt.length - 1] }),
      ).rejects.toThrow(LOGITS)
      expect(await context.positions(0)).toEqual(EMPTY)
      if (UNKNOWN.includes(name)) expect(await context.positions(1)).toEqual(EMPTY)
      else expect(await context.save(1)).toEqual(other)
      for (const sequence of [0, 2, 1]) {
        const held = (await context.positions(sequence)).max + 1
        if (held === 0) expect(await step(context, { ...ask, sequence })).toEqual(expected)
        expect(await step(context, { ...next, sequence })).toEqual(expectedNext)
      }
    },
  )

  test.each([
    ['llama', 'f16', firstNumber - ROW_HEADER, TEXT.length, new Uint16Array([0x7bff])],
    ['mamba', 'recurrent', 9 * WORD, 1, new Uint32Array([0x477fe000])],
  ] as const)(
    'includes one in which a state of finite numbers overflows: %s, %s',
    async (name, _, at, cells, most) => {
      const { model, context, state } = await open(name, {})
      const fresh = await openContext(model, { contextSize: 256, sequences: 2 })
      const ask = {
        position: 0,
        tokens: TEXT,
        outputs: [TEXT.length - 1],
        sampler: greedy(model),
        logits: true,
      }
      const expected = await step(fresh, { ...ask, sequence: 0 })
      await context.restore(0, withNumbers(state, at, cells, most))
      const next = { ...ask, sequence: 0, position: TEXT.length, tokens: Int32Array.of(6), outputs: [0] }
      await expect(step(context, next)).rejects.toThrow(LOGITS)
      expect(await context.positions(0)).toEqual(EMPTY)
      for (const sequence of [0, 1]) expect(await step(context, { ...ask, sequence })).toEqual(expected)
    },
  )

  test('does not include one whose sampler leaves no token, which is another error and keeps the sequence', async () => {
    const model = await openSpoilt('llama')
    const context = await openContext(model, { contextSize: 256, sequences: 2 })
    const { vocabSize } = model.info
    const biases = new Float32Array(vocabSize).fill(Number.NEGATIVE_INFINITY)
    const biasedTokens = Int32Array.from(biases.keys())
    const entry = { sequence: 0, position: 0, tokens: TEXT, outputs: [TEXT.length - 1] }
    const [without, beside] = await context.eval([
      { ...entry, sampler: new binding.Sampler(vocabSize, { ...GREEDY, biasedTokens, biases }) },
      { ...entry, sequence: 1, sampler: greedy(model) },
    ])
    expect(without).toMatchObject({
      error: { code: 'ERR_DECODE', message: 'the bias leaves no token to draw' },
    })
    expect((await context.positions(0)).max).toBe(TEXT.length - 1)
    expect(beside!.tokens).toHaveLength(1)
  })

  test('ends a run, keeps its earlier tokens, and lets sequences beside it continue', async () => {
    const model = await openSpoilt('llama')
    const alone = await openContext(model, { contextSize: 256, sequences: 2 })
    const context = await openContext(model, { contextSize: 256, sequences: 2 })
    const entry = { sequence: 0, position: 0, tokens: TEXT, outputs: [TEXT.length - 1] }
    const run = { steps: 8, milliseconds: 1e6 }
    const [undisturbed] = await alone.eval([{ ...entry, sampler: greedy(model) }], run)
    const [spoilt, beside] = await context.eval(
      [
        { ...entry, sampler: drawingSpoilt(model) },
        { ...entry, sequence: 1, sampler: greedy(model) },
      ],
      run,
    )
    expect(spoilt).toMatchObject({ error: LOGITS })
    expect(await context.positions(0)).toEqual(EMPTY)
    const { length } = spoilt!.tokens
    expect(spoilt!.tokens[length - 1]).toBe(SPOILT)
    expect(beside!.error).toBeUndefined()
    expect([...beside!.tokens]).toEqual([...undisturbed!.tokens.subarray(0, length + 1)])
    expect((await context.positions(1)).max).toBe(TEXT.length + length - 1)
  })
})

describe('a state takes as many bytes as contextMemory() says', () => {
  test.each([
    ['the embedded model', () => EMBEDDED],
    ['a llama', () => tinyFile('llama')],
    ['a mamba, which keeps no keys', () => tinyFile('mamba')],
    ['a lfm2, which keeps keys in some of its layers', () => tinyFile('lfm2')],
  ])('of %s', async (_, file) => {
    const path = file()
    const { stateBytes } = contextMemory(await readGguf(path), SHAPE.contextSize, SHAPE)
    const context = await openContext(await openModel(path), { batchSize: 200, microBatchSize: 200 })
    for (const count of [1, 40, 200]) {
      const tokens = Int32Array.from({ length: count }, (_, i) => i + 1)
      await context.eval([{ sequence: 0, position: 0, tokens }])
      const notes = (await context.save(0)).length - stateBytes(count)
      expect(notes).toBeGreaterThan(0)
      expect(notes).toBeLessThan(1024 + 16 * count)
    }
  })
})
