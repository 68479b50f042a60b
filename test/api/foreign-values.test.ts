import { copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { runInNewContext } from 'node:vm'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { GPT4All, type ModelOptions } from '../../src/index.ts'
import { createServer } from '../../src/server/index.ts'
import { EMBEDDED } from '../support/models.ts'

// Values that are not of this realm's classes, but can do what is asked of them.

let model: GPT4All
let folder: string
beforeAll(async () => {
  model = await GPT4All.load(EMBEDDED, { nThreads: 1 })
  folder = mkdtempSync(join(tmpdir(), 'gpt4all-foreign-'))
  copyFileSync(EMBEDDED, join(folder, 'ü model.gguf'))
})
afterAll(async () => {
  await model.close()
  rmSync(folder, { recursive: true })
})

const elsewhere = <T>(code: string): T => runInNewContext(code, { console }) as T

/** As polyfills make them: no EventTarget, no throwIfAborted(), nor a reason. */
class OldSignal {
  aborted = false
  readonly listeners = new Set<() => void>()
  addEventListener(_: string, listener: () => void) {
    this.listeners.add(listener)
  }
  removeEventListener(_: string, listener: () => void) {
    this.listeners.delete(listener)
  }
  abort() {
    this.aborted = true
    for (const listener of this.listeners) listener()
  }
  asSignal = () => this as unknown as AbortSignal
}

describe('a signal of a polyfill', () => {
  test('aborts a generation under way', async () => {
    const signal = new OldSignal()
    const generation = model.generate('Once upon a time', {
      signal: signal.asSignal(),
      maxTokens: 1000,
      callback: () => void signal.abort(),
    })
    await expect(generation).rejects.toMatchObject({ name: 'AbortError' })
  })

  test('that has aborted before aborts everything that takes one', async () => {
    const signal = new OldSignal()
    signal.abort()
    const options = { signal: signal.asSignal() }
    const aborted = { name: 'AbortError' }
    await expect(model.generate('x', options)).rejects.toMatchObject(aborted)
    await expect(GPT4All.load(EMBEDDED, options)).rejects.toMatchObject(aborted)
    await expect(GPT4All.localModels(folder, options)).rejects.toMatchObject(aborted)
    await expect(GPT4All.describeModel(EMBEDDED, options)).rejects.toMatchObject(aborted)
    await expect(GPT4All.estimateMemory(EMBEDDED, options)).rejects.toMatchObject(aborted)
    await expect(GPT4All.verifyModel(EMBEDDED, options)).rejects.toMatchObject(aborted)
    await expect(GPT4All.listModels(options)).rejects.toMatchObject(aborted)
    await expect(model.chatSession().generate('x', options)).rejects.toMatchObject(aborted)
  })

  test('keeps its reason, where it has one', async () => {
    const signal = Object.assign(new OldSignal(), { reason: new Error('enough') })
    signal.abort()
    await expect(model.generate('x', { signal: signal.asSignal() })).rejects.toThrow('enough')
  })

  test('is listened to once, however often it is used', async () => {
    const signal = new OldSignal()
    for (let i = 0; i < 5; i++) await model.generate('x', { signal: signal.asSignal(), maxTokens: 1 })
    expect(signal.listeners.size).toBe(1)
  })

  test('is refused if it cannot do what a signal does', () => {
    for (const signal of [{ aborted: false }, { addEventListener() {} }, 'signal', 1, null])
      expect(() => model.generate('x', { signal: signal as never })).toThrow(
        expect.objectContaining({ code: 'ERR_OPTION', option: 'signal' }),
      )
  })
})

test('options, arrays and messages of another realm are taken as our own', async () => {
  const options = elsewhere<object>('({ maxTokens: 2, temp: 0, stop: ["zzz"], logitBias: { 5: 1 } })')
  const tokens = elsewhere<number[]>('[40, 41, 42]')
  const messages = elsewhere<never[]>('[{ role: "user", content: "Hello" }]')
  expect(await model.generate('Hello', options)).toBeTypeOf('string')
  expect(await model.generate(tokens, options)).toBe(await model.generate([40, 41, 42], options))
  const chat = model.chatSession(elsewhere('({ systemPrompt: "Be brief." })'))
  expect(await chat.generate('Hello', options)).toBeTypeOf('string')
  expect(await model.renderPrompt(messages)).toContain('Hello')
  expect(await model.detokenize(tokens)).toBe(await model.detokenize([40, 41, 42]))
  const opened = await GPT4All.load(
    EMBEDDED,
    elsewhere<ModelOptions>('({ nThreads: 1, lora: [], device: ["cpu"] })'),
  )
  await opened.close()
})

test('token ids may be in a typed array; bytes are not token ids', async () => {
  const options = { maxTokens: 4, temp: 0 }
  const text = await model.generate([40, 41, 42], options)
  for (const Ids of [Int32Array, Uint32Array, Uint16Array]) {
    expect(await model.generate(Ids.from([40, 41, 42]), options)).toBe(text)
    expect(await model.detokenize(Ids.from([40, 41, 42]))).toBe(await model.detokenize([40, 41, 42]))
  }
  const foreign = elsewhere<Int32Array>('Int32Array.from([40, 41, 42])')
  expect(await model.generate(foreign, options)).toBe(text)
  for (const wrong of [Buffer.from('Hello'), new DataView(new ArrayBuffer(4)), Float32Array.from([0.5])])
    expect(() => model.generate(wrong as never)).toThrow(expect.objectContaining({ code: 'ERR_OPTION' }))
})

describe('paths', () => {
  const forms = (path: string) => [
    pathToFileURL(path),
    Buffer.from(path),
    new Uint8Array(Buffer.from(path)),
    Object.assign({}, { href: pathToFileURL(path).href, protocol: 'file:' }) as URL, // of another realm
  ]

  test('may be URL objects or bytes, wherever a path is taken', async () => {
    const path = join(folder, 'ü model.gguf')
    for (const file of forms(path)) {
      const opened = await GPT4All.load(file, { nThreads: 1 })
      expect(opened.name).toBe('ü model')
      await opened.close()
      expect((await GPT4All.describeModel(file)).path).toBe(path)
      expect((await GPT4All.estimateMemory(file)).weights).toBeGreaterThan(0)
      expect((await GPT4All.retrieveModel(file, { allowDownload: false })).path).toBe(path)
    }
    for (const modelPath of forms(folder)) {
      expect(await GPT4All.localModels(modelPath)).toHaveLength(1)
      expect((await GPT4All.describeModel('ü model', { modelPath })).path).toBe(path)
      expect(() => createServer({}, { modelPath })).not.toThrow()
    }
  })

  test('of saved sessions too', async () => {
    const file = pathToFileURL(join(folder, 'a chat.json'))
    const chat = model.chatSession({ messages: [{ role: 'user', content: 'Hello' }] })
    await chat.save(file)
    expect(model.chatSession({ restore: file }).messages).toEqual(chat.messages)
  })

  test('are not web addresses', () => {
    for (const url of ['https://models.example/a.gguf', 'data:,x'])
      expect(() => new GPT4All(new URL(url))).toThrow(
        expect.objectContaining({ code: 'ERR_OPTION', option: 'name' }),
      )
  })
})

/** A promise as libraries make them: it can be awaited, and nothing else. */
const thenable = <T>(value: T) =>
  // biome-ignore lint/suspicious/noThenProperty: that is what it is about
  ({ then: (resolve: (value: T) => void) => void setImmediate(resolve, value) }) as unknown as PromiseLike<T>

describe('thenables', () => {
  test('from a callback are awaited: one of false ends the generation', async () => {
    let calls = 0
    const { finishReason } = await model.generate('Once upon a time', {
      maxTokens: 20,
      callback: () => thenable(++calls < 3),
    }).result
    expect([finishReason, calls]).toEqual(['callback', 3])
  })

  test('from a callback of a chat keep it from waiting for its own session', async () => {
    const chat = model.chatSession()
    const inner = async () => void (await chat.generate('again', { maxTokens: 1 }))
    const outer = chat.generate('Hello', {
      maxTokens: 3,
      // biome-ignore lint/suspicious/noThenProperty: that is what it is about
      callback: () => ({ then: (done: () => void, fail: () => void) => inner().then(done, fail) }),
    })
    await expect(outer).rejects.toMatchObject({ code: 'ERR_BUSY' })
  })

  test('from an overflow function and a withChatSession() function are awaited', async () => {
    const messages = [{ role: 'user', content: 'word '.repeat(3000) }] as const
    const kept = [{ role: 'user', content: 'Hello' }] as const
    const chat = model.chatSession({ messages, overflow: () => thenable(kept) as Promise<typeof kept> })
    expect(await chat.regenerate({ maxTokens: 2 })).toBeTypeOf('string')
    expect(await model.withChatSession(() => thenable('done') as Promise<string>)).toBe('done')
  })
})

test('a logger whose methods reject, as async ones do, changes nothing', async () => {
  const unhandled: unknown[] = []
  const note = (error: unknown) => void unhandled.push(error)
  process.on('unhandledRejection', note)
  try {
    const fail = async () => {
      throw new Error('the log is full')
    }
    const logger = { debug: fail, info: fail, warn: fail, error: fail } as never
    const opened = await GPT4All.load(EMBEDDED, { nThreads: 1, logger })
    await opened.generate('Hello', { maxTokens: 2 })
    const server = createServer(opened, { logger })
    await server.fetch(new Request('http://localhost/v1/models'))
    await server.close()
    await opened.close()
    await new Promise(setImmediate)
    expect(unhandled).toEqual([])
  } finally {
    process.off('unhandledRejection', note)
  }
})

test('createServer() takes a model that another copy of the library made', async () => {
  const other = new Proxy(model, {
    getPrototypeOf: () => null,
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  for (const models of [other, { mine: other }]) {
    const server = createServer(models)
    const { data } = (await (await server.fetch(new Request('http://localhost/v1/models'))).json()) as {
      data: { id: string }[]
    }
    expect(data.map(({ id }) => id)).toEqual([models === other ? model.name : 'mine'])
    await server.close()
  }
})
