import { describe, expect, test } from 'vitest'
import type { NativeContext, NativeContextParams, NativeModel } from '../../src/native/types.ts'
import { seeded } from '../support/gguf-writer.ts'
import { greedy, openContext, openModel, openTiny, step } from '../support/native-models.ts'
import { sealed, withBytes, words } from '../support/states.ts'
import type { TinyModel } from '../support/tiny-models.ts'

const refused = expect.objectContaining({ code: 'ERR_STATE' })
const TEXT = Int32Array.of(5, 9, 77, 130, 12, 44)
const EMPTY = { min: -1, max: -1 }
const WORD = 4
/** Numbers that are too large, too small, or those of something else. */
const WORDS = [0, 1, 2, 7, 255, 256, 512, 2 ** 16, 2 ** 28, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 2, 2 ** 32 - 1]

/** Behind the checksum, what llama.cpp writes first, each cell's position, and how the keys of the first layer lie. */
const firstNumber = 8 + 4 * WORD + TEXT.length * 3 * WORD + 2 * WORD + 3 * WORD

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
    const entry = { sequence, position: max + 1, tokens: Int32Array.of(6), sampler: greedy(model) }
    expect((await step(context, entry)).tokens).toHaveLength(1)
    await context.remove(sequence, 0, -1)
    expect((await step(context, { ...entry, position: 0, tokens: TEXT })).tokens).toHaveLength(1)
  }
}

describe('a crafted state, its checksum right', () => {
  test.each(CACHES)(
    'leaves nothing behind that harms, wherever it differs: %s, %s',
    async (name, _, shape) => {
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
    },
  )

  test.each(CACHES)(
    'is refused where it is longer, shorter or made of noise: %s, %s',
    async (name, _, shape) => {
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
    },
  )

  test.each([
    ['f32', [0x7f800000, 0xff800000, 0x7fc00000, 0x7fffffff, 0x7149f2ca, 0xf149f2ca, 0x47800000]],
    ['f16', [0x7c00, 0xfc00, 0x7e00, 0x7fff]],
    ['bf16', [0x7f80, 0xff80, 0x7fc0, 0xffff, 0x714a, 0xf14a]],
    ['q8_0', [0x7c00, 0xfc00, 0x7e00, 0x7fff]], // of a block's scale
    ['q5_1', [0x7c00, 0xfc00, 0x7e00, 0x7fff]],
    ['iq4_nl', [0x7c00, 0xfc00, 0x7e00, 0x7fff]],
  ] as const)('brings no number in that is infinite, too large or none: %s', async (type, numbers) => {
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

  test('that is whole, but of another model or of another kind of memory, is refused', async () => {
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
