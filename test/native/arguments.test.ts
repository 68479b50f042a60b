import { beforeAll, describe, expect, test } from 'vitest'
import type { NativeContext, NativeModel, NativeSampler } from '../../src/native/contract.ts'
import { EMBEDDED } from '../support/models.ts'
import {
  binding,
  GREEDY,
  greedy,
  LOAD,
  openContext,
  openModel,
  SHAPE,
  step,
} from '../support/native-models.ts'

const argumentError = expect.objectContaining({ code: 'ERR_ARGUMENT' })
const NO_INTEGER = [
  NaN,
  Infinity,
  -Infinity,
  0.5,
  -2,
  2 ** 31,
  2 ** 40,
  '1',
  null,
  undefined,
  {},
  [],
  1n,
  true,
  Symbol('one'),
]

let model: NativeModel
let context: NativeContext
let sampler: NativeSampler

beforeAll(async () => {
  model = await openModel()
  context = await openContext(model, { sequences: 2 })
  sampler = greedy(model)
})

type Loose = Record<string, (...values: unknown[]) => unknown>

function expectRefused(call: () => unknown, what = ''): void {
  expect(call, what).toThrow(argumentError)
}

describe('a wrong argument throws ERR_ARGUMENT, and the object still works:', () => {
  test.each<[string, unknown[]]>([
    ['sequence', [...NO_INTEGER, -1, 2]],
    ['position', [...NO_INTEGER, -1, 512]],
    [
      'tokens',
      [undefined, null, 3, [1], new Uint8Array(1), new Int32Array(0), Int32Array.of(-1), new Int32Array(300)],
    ],
    ['sampler', [null, {}, 3, Object.create({})]],
    ['outputs', [null, 3, {}, 'x', [-1], [3], [0.5], ['0'], [0, 0], [1, 0], new Int32Array(1), [undefined]]],
    ['logits', [null, 1, 'yes']],
    ['logprobs', [NaN, -1, 0.5, 2 ** 31, '1', null]],
  ])('eval(): %s', async (name, values) => {
    const good = { sequence: 0, position: 0, tokens: Int32Array.of(5, 6, 7), outputs: [2], sampler }
    for (const value of values) {
      expectRefused(() => context.eval([{ ...good, [name]: value }]), `${name}: ${String(value)}`)
    }
    expect((await step(context, good)).tokens).toHaveLength(1)
  })

  test('eval(): entries', () => {
    const loose = context as unknown as Loose
    const entry = { sequence: 0, position: 0, tokens: Int32Array.of(5) }
    for (const entries of [
      undefined,
      null,
      3,
      {},
      [],
      [null],
      [3],
      [undefined],
      [entry, entry],
      new Array(2 ** 32 - 1),
    ]) {
      expectRefused(() => loose.eval!(entries))
    }
    const other = new binding.Sampler(model.info.vocabSize + 1, GREEDY)
    for (const foreign of [other, model, context, Object.create(sampler as object)]) {
      expectRefused(() => loose.eval!([{ ...entry, sampler: foreign }]))
    }
    const many = {
      ...entry,
      tokens: new Int32Array(20).fill(5),
      outputs: Array.from({ length: 17 }, (_, i) => i),
    }
    expectRefused(() => loose.eval!([many]))
  })

  test('remove(), copy(), shift(), positions(), save(), restore(), setThreads()', async () => {
    const loose = context as unknown as Loose
    const calls: [string, (bad: unknown) => unknown[]][] = [
      ['remove', (bad) => [bad, 0, -1]],
      ['remove', (bad) => [0, bad, -1]],
      ['remove', (bad) => [0, 0, bad]],
      ['copy', (bad) => [bad, 0]],
      ['copy', (bad) => [0, bad]],
      ['shift', (bad) => [bad, 0, 1]],
      ['shift', (bad) => [0, bad, 2 ** 31 - 1]],
      ['shift', (bad) => [0, 0, bad]],
      ['positions', (bad) => [bad]],
      ['save', (bad) => [bad]],
      ['restore', (bad) => [bad, new Uint8Array(1)]],
      ['setThreads', (bad) => [bad, 1, false]],
      ['setThreads', (bad) => [1, bad, false]],
    ]
    for (const [method, values] of calls) {
      for (const bad of NO_INTEGER)
        expectRefused(() => loose[method]!(...values(bad)), `${method}: ${String(bad)}`)
    }
    for (const state of [undefined, null, 'x', [], {}, new ArrayBuffer(8), new Int8Array(8)]) {
      expectRefused(() => loose.restore!(0, state))
    }
    expectRefused(() => loose.shift!(0, 5, 4))
    expectRefused(() => loose.setThreads!(513, 1, false)) // more than ggml knows
    expectRefused(() => loose.setThreads!(1, 513, false))
    expect(await context.positions(1)).toEqual({ min: -1, max: -1 })
  })

  test.each<[string, unknown[]]>([
    ['contextSize', [...NO_INTEGER, 0]],
    ['sequences', [...NO_INTEGER, 0, 100_000]],
    ['batchSize', [...NO_INTEGER, 0]],
    ['microBatchSize', [...NO_INTEGER, 0, SHAPE.batchSize + 1]],
    ['maxOutputs', [...NO_INTEGER, 0]],
    ['threads', [...NO_INTEGER, 0, 100_000]],
    ['batchThreads', [...NO_INTEGER, 0, 100_000]],
    ['poll', [...NO_INTEGER, -1, 101]],
    ['flashAttention', [undefined, null, true, '', 'maybe', 1]],
    ['keyType', [undefined, null, '', 'F16', 'q8_1', 'q4_K', 1]],
    ['valueType', [undefined, null, '', 'F16', 'q8_1', 'q4_K', 1]],
    ['adapterScales', [undefined, null, 1, [1], [undefined]]],
    ['memoryBytes', [null, '1', Number.NaN, -1, 2 ** 54]],
  ])('Context.create(): %s', (name, values) => {
    for (const value of values) {
      expectRefused(
        () => binding.Context.create(model, { ...SHAPE, [name]: value }),
        `${name}: ${String(value)}`,
      )
    }
  })

  test('Context.create(): fewer outputs than sequences, which llama.cpp answers with abort()', () => {
    expectRefused(() => binding.Context.create(model, { ...SHAPE, sequences: 4, maxOutputs: 3 }))
  })

  test('Context.create(): a context larger than the memory rejects with ERR_MEMORY', async () => {
    const huge = binding.Context.create(model, { ...SHAPE, contextSize: 2 ** 26 })
    await expect(huge).rejects.toThrow(
      expect.objectContaining({ code: expect.stringMatching(/^ERR_(MEMORY|LOAD)$/) }),
    )
  })

  test.each([1, null, undefined, {}, Symbol('ggml')])('useKernels(): the name %s', (name) => {
    expect(() => binding.useKernels(name as never)).toThrow(argumentError)
    expect(binding.useKernels('no such kernel')).toBe(false)
  })

  test('Model.load(): parameters', () => {
    const load = binding.Model.load as (...values: unknown[]) => unknown
    for (const path of [undefined, null, 3, {}, `${EMBEDDED}\0x`]) expectRefused(() => load(path, LOAD))
    for (const params of [
      undefined,
      null,
      3,
      { ...LOAD, vocabOnly: 1 },
      { ...LOAD, gpuLayers: -1 },
      { ...LOAD, devices: 'CPU' },
      { ...LOAD, devices: ['no such device'] },
      { ...LOAD, devices: [3] },
      { ...LOAD, adapters: 'a.gguf' },
      { ...LOAD, adapters: undefined },
      { ...LOAD, adapters: [3] },
      { ...LOAD, adapters: ['a\0b'] },
      { ...LOAD, adapters: new Array(2 ** 32 - 1) },
      { ...LOAD, log: 'stderr' },
    ]) {
      expectRefused(() => load(EMBEDDED, params))
    }
    expectRefused(() => load(EMBEDDED, LOAD, 3))
  })
})

describe('a foreign object', () => {
  test('is not accepted as a model by Context.create()', () => {
    for (const foreign of [{}, null, undefined, 3, context, sampler, Object.create(model)]) {
      expectRefused(() => binding.Context.create(foreign as NativeModel, SHAPE))
    }
  })

  test('is not accepted as the receiver of a method', () => {
    const methods = (object: object) =>
      Object.getOwnPropertyNames(Object.getPrototypeOf(object)).filter((name) => name !== 'constructor')
    for (const own of [model, context, sampler] as object[]) {
      expect(methods(own).length).toBeGreaterThan(1)
      for (const name of methods(own)) {
        const method = (own as unknown as Loose)[name]!
        for (const foreign of [model, context, sampler, {}, Object.create(own), new Map(), null, 3]) {
          if (foreign !== own) expect(() => method.call(foreign, 0, 0, 0), name).toThrow()
        }
      }
    }
  })

  test('never reads info, which is plain data, through a handle', () => {
    for (const object of [model, context]) {
      const property = Object.getOwnPropertyDescriptor(object, 'info')
      expect(property).toMatchObject({ writable: false, configurable: false, value: object.info })
    }
  })

  test('cannot be created with a constructor', () => {
    for (const object of [model, context] as object[]) {
      const Class = object.constructor as new (...values: unknown[]) => unknown
      for (const values of [[], [{}], [model], [null], [1, 2]]) expectRefused(() => new Class(...values))
    }
  })
})
