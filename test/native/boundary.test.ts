import { connect, createServer, type Socket } from 'node:net'
import { types } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type {
  NativeChatTemplate,
  NativeContext,
  NativeModel,
  NativeSampler,
} from '../../src/native/contract.ts'
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

let model: NativeModel
let context: NativeContext
let sampler: NativeSampler
let template: NativeChatTemplate
let sockets: Socket[]
let close: () => void

beforeAll(async () => {
  model = await openModel()
  context = await openContext(model, { sequences: 2 })
  sampler = greedy(model)
  template = new binding.ChatTemplate(undefined, '{{ messages[0].content }}')
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const client = connect((server.address() as { port: number }).port, '127.0.0.1')
  const accepted = await new Promise<Socket>((resolve) => server.once('connection', resolve))
  sockets = [client, accepted]
  close = () => {
    for (const socket of sockets) socket.destroy()
    server.close()
  }
})
afterAll(() => close())

type Class = new (...values: unknown[]) => object
type Loose = Record<string, (...values: unknown[]) => unknown>
const loose = (object: object) => object as Loose
const classOf = (object: object) => object.constructor as Class

/** Externals that are none of ours: the streams behind Node's own sockets. */
const externals = () =>
  sockets.map(
    (socket) => (socket as unknown as { _handle: { _externalStream: unknown } })._handle._externalStream,
  )

async function expectAlive(): Promise<void> {
  const entry = { sequence: 0, position: 0, tokens: Int32Array.of(5, 6, 7), outputs: [2], sampler }
  expect((await step(context, entry)).tokens).toHaveLength(1)
  expect(model.tokenize('Hello', false, false).length).toBeGreaterThan(0)
}

describe('a constructor of a model or context', () => {
  test('refuses an External as its native part', async () => {
    for (const external of externals()) {
      expect(types.isExternal(external)).toBe(true)
      for (const object of [model, context]) {
        const Class = classOf(object)
        expect(() => new Class(external)).toThrow(argumentError)
        expect(() => new Class(external, external)).toThrow(argumentError)
        expect(() => Reflect.construct(Class, [external], Array)).toThrow(argumentError)
        expect(() => new (class extends Class {})(external)).toThrow(argumentError)
        expect(() => (Class as unknown as (value: unknown) => void)(external)).toThrow(TypeError)
      }
      expect(() => new (classOf(sampler))(external, external)).toThrow(argumentError)
      expect(() => new (classOf(template))(external, 'x')).toThrow(argumentError)
      expect(() => new (binding.StringScan as unknown as Class)(external, 1, 1)).toThrow(argumentError)
      expect(() => binding.Context.create(external as NativeModel, SHAPE)).toThrow(argumentError)
      expect(() => context.restore(0, external as Uint8Array)).toThrow(argumentError)
      expect(() => context.eval(external as [])).toThrow(argumentError)
    }
    await expectAlive()
  })

  test('receives nothing of another object when it is called in a setter while that is created', async () => {
    const Class = classOf(context)
    const outcomes: unknown[] = []
    Object.defineProperty(Object.prototype, 'cells', {
      configurable: true,
      set() {
        try {
          outcomes.push(new Class())
        } catch (error) {
          outcomes.push(error)
        }
      },
    })
    try {
      await (await binding.Context.create(model, SHAPE)).close()
    } finally {
      delete (Object.prototype as { cells?: unknown }).cells
    }
    expect(outcomes.length).toBeGreaterThan(0)
    for (const outcome of outcomes) expect(outcome).toEqual(argumentError)
    await expectAlive()
  })

  test('that throws while a promise waits for the object rejects the promise', async () => {
    const refuse = (name: string) =>
      Object.defineProperty(Object.prototype, name, {
        configurable: true,
        set() {
          throw new Error('no')
        },
      })
    try {
      refuse('cells')
      await expect(binding.Context.create(model, SHAPE)).rejects.toThrow('no')
      refuse('min')
      await expect(context.positions(0)).rejects.toThrow('no')
    } finally {
      for (const name of ['cells', 'min']) Reflect.deleteProperty(Object.prototype, name)
    }
    await expectAlive()
  })
})

describe('an object that only looks like one of ours', () => {
  const disguises = (object: object): object[] => [
    new Proxy(object, {}),
    Object.create(object),
    Object.setPrototypeOf({}, Object.getPrototypeOf(object)),
    Object.assign(Object.create(Object.getPrototypeOf(object)), object),
  ]

  test('is refused as an argument', async () => {
    for (const disguise of disguises(model)) {
      expect(() => binding.Context.create(disguise as NativeModel, SHAPE)).toThrow(argumentError)
      expect(() => new binding.ChatTemplate(disguise as NativeModel, 'x')).toThrow(argumentError)
    }
    for (const disguise of disguises(sampler)) {
      const entry = {
        sequence: 0,
        position: 0,
        tokens: Int32Array.of(5),
        outputs: [0],
        sampler: disguise as NativeSampler,
      }
      expect(() => context.eval([entry])).toThrow(argumentError)
    }
    await expectAlive()
  })

  test('is refused as the receiver of a method', async () => {
    const scan = new binding.StringScan('distinct', 1, 1)
    for (const object of [model, context, sampler, template, scan] as object[]) {
      const names = Object.getOwnPropertyNames(Object.getPrototypeOf(object))
      for (const name of names.filter((name) => name !== 'constructor'))
        for (const foreign of [...disguises(object), ...externals(), globalThis, undefined, Object.prototype])
          expect(() => loose(object)[name]!.call(foreign, 0, 0, 0), name).toThrow()
    }
    await expectAlive()
  })

  test('has only its own methods with the prototype of another', async () => {
    const own = greedy(model)
    Object.setPrototypeOf(own, Object.getPrototypeOf(context))
    for (const name of ['eval', 'save', 'close', 'abort']) expect(() => loose(own)[name]!(0)).toThrow()
    const Odd = Reflect.construct(
      binding.Sampler as unknown as Class,
      [model.info.vocabSize, GREEDY],
      classOf(context),
    )
    expect(() => loose(Odd).save!(0)).toThrow()
    const entry = {
      sequence: 0,
      position: 0,
      tokens: Int32Array.of(5),
      outputs: [0],
      sampler: Odd as NativeSampler,
    }
    expect((await step(context, entry)).tokens).toHaveLength(1)
    const subclass = new (class extends (binding.Sampler as unknown as Class) {})(
      model.info.vocabSize,
      GREEDY,
    )
    const other = { ...entry, sampler: subclass as NativeSampler }
    expect((await step(context, other)).tokens).toHaveLength(1)
    await expectAlive()
  })

  test('is also what structuredClone() returns', async () => {
    expect(() => binding.Context.create(structuredClone(model), SHAPE)).toThrow(argumentError)
    const entry = {
      sequence: 0,
      position: 0,
      tokens: Int32Array.of(5),
      outputs: [0],
      sampler: structuredClone(sampler),
    }
    expect(() => context.eval([entry])).toThrow(argumentError)
    await expectAlive()
  })
})

describe('an argument that changes while it is read', () => {
  const entry = { sequence: 0, position: 0, tokens: Int32Array.of(5, 6, 7) }

  test('is read with its first length if it is an array that getters lengthen or empty', async () => {
    const growing: object[] = [{ ...entry }]
    const grow = () => {
      growing.push({ ...entry, sequence: 1 })
      return 0
    }
    Object.defineProperty(growing[0], 'sequence', { get: grow })
    await context.eval(growing as never)
    const shrinking: object[] = [{ ...entry }, { ...entry, sequence: 1 }]
    const shrink = () => {
      shrinking.length = 1
      return 0
    }
    Object.defineProperty(shrinking[0], 'sequence', { get: shrink })
    expect(() => context.eval(shrinking as never)).toThrow(argumentError)
    const endless: unknown[] = []
    const messages = new Array(2 ** 32 - 1)
    expect(() => template.render({ messages, addGenerationPrompt: true, enableThinking: true })).toThrow(
      argumentError,
    )
    Object.setPrototypeOf(endless, new Proxy([], { get: () => entry }))
    endless.length = 2 ** 32 - 1
    expect(() => context.eval(endless as never)).toThrow(argumentError)
    expect(() => context.eval([{ ...entry, sampler, outputs: endless as number[] }])).toThrow(argumentError)
    for (const name of ['devices', 'adapters', 'tensorSplit'])
      expect(() => binding.Model.load(EMBEDDED, { ...LOAD, [name]: endless })).toThrow(argumentError)
    expect(() => binding.Context.create(model, { ...SHAPE, adapterScales: endless as number[] })).toThrow(
      argumentError,
    )
    await expectAlive()
  })

  test('is read in its new state if it is a buffer that a getter detaches or resizes', async () => {
    const detach = (array: ArrayBufferView<ArrayBuffer>) =>
      structuredClone(array.buffer, { transfer: [array.buffer] })
    const tokens = Int32Array.of(5, 6, 7)
    const detaching = {
      sequence: 0,
      position: 0,
      tokens,
      get outputs() {
        detach(tokens)
        return [2]
      },
    }
    await context.eval([detaching]) // they were copied
    expect(() => context.eval([{ ...entry, tokens }])).toThrow(argumentError) // nothing is left of them
    const late = {
      sequence: 0,
      get position() {
        detach(gone)
        return 0
      },
      tokens: Int32Array.of(5),
    }
    const gone = late.tokens
    expect(() => context.eval([late])).toThrow(argumentError)
    const biases = Float32Array.of(1, 2)
    const params = {
      ...GREEDY,
      biases,
      get biasedTokens() {
        detach(biases)
        return Int32Array.of(1, 2)
      },
    }
    expect(() => new binding.Sampler(model.info.vocabSize, params)).toThrow(argumentError)
    const state = await context.save(0)
    const copy = Uint8Array.from(state)
    const restoring = context.restore(1, copy)
    detach(copy)
    await restoring
    const logits = new Float32Array(model.info.vocabSize)
    detach(logits)
    expect(() => sampler.sample(logits)).toThrow(argumentError)
    const window = new Uint8Array(100)
    detach(window)
    expect(new binding.StringScan('distinct', 5, 100).scan(window)).toEqual({ index: 0, bytes: 0 })
    await expectAlive()
  })

  test('is read within its bounds if it is a resizable or shared buffer', async () => {
    const Resizable = ArrayBuffer as unknown as new (
      bytes: number,
      options: object,
    ) => ArrayBuffer & {
      resize(bytes: number): void
    }
    const buffer = new Resizable(12, { maxByteLength: 2 ** 20 })
    const tracking = new Int32Array(buffer)
    tracking.set([5, 6, 7])
    const fixed = new Int32Array(buffer, 4, 2)
    expect(
      (await step(context, { ...entry, tokens: tracking, outputs: [tracking.length - 1], sampler })).tokens,
    ).toHaveLength(1)
    buffer.resize(4)
    expect(
      (await step(context, { ...entry, tokens: tracking, outputs: [tracking.length - 1], sampler })).tokens,
    ).toHaveLength(1)
    expect(() => context.eval([{ ...entry, tokens: fixed }])).toThrow(argumentError) // out of bounds: none
    buffer.resize(2 ** 20)
    expect(() => context.eval([{ ...entry, tokens: tracking }])).toThrow(argumentError) // more than a batch
    buffer.resize(0)
    expect(() => context.eval([{ ...entry, tokens: tracking }])).toThrow(argumentError)
    const shared = new Int32Array(new SharedArrayBuffer(12))
    shared.set([5, 6, 7])
    expect(
      (await step(context, { ...entry, tokens: shared, outputs: [shared.length - 1], sampler })).tokens,
    ).toHaveLength(1)
    const state = await context.save(0)
    const sharedState = new Uint8Array(new SharedArrayBuffer(state.length))
    sharedState.set(state)
    await context.restore(1, sharedState)
    await expectAlive()
  })

  test('is refused if it is an array of other numbers, or a view', () => {
    const others = [Float64Array, Uint32Array, Int16Array, Uint8ClampedArray, BigInt64Array]
    for (const Other of others)
      expect(() => context.eval([{ ...entry, tokens: new Other(3) as unknown as Int32Array }])).toThrow(
        argumentError,
      )
    const Half = (globalThis as { Float16Array?: new (count: number) => unknown }).Float16Array
    if (Half)
      expect(() => context.eval([{ ...entry, tokens: new Half(3) as Int32Array }])).toThrow(argumentError)
    for (const view of [new DataView(new ArrayBuffer(12)), new ArrayBuffer(12), new Proxy(entry.tokens, {})])
      expect(() => context.eval([{ ...entry, tokens: view as unknown as Int32Array }])).toThrow(argumentError)
  })

  test('ends the call if its getter throws, or closes the receiver', async () => {
    const thrown = new Error('mine')
    const throwing = (name: string) =>
      Object.defineProperty({ ...entry }, name, {
        get() {
          throw thrown
        },
      })
    for (const name of ['sequence', 'position', 'tokens', 'sampler', 'outputs', 'logits', 'logprobs'])
      expect(() => context.eval([throwing(name)])).toThrow(thrown)
    const closing = await openContext(model)
    const params = {
      get steps() {
        void closing.close()
        return 1
      },
      milliseconds: 1,
    }
    expect(() => closing.eval([entry], params)).toThrow(expect.objectContaining({ code: 'ERR_CLOSED' }))
    await closing.close()
    const half = await openModel()
    const shape = {
      ...SHAPE,
      get contextSize() {
        half.close()
        return 256
      },
    }
    await (await binding.Context.create(half, shape)).close() // it was open when it was asked
    await expectAlive()
  })
})
