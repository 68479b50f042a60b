import { AsyncLocalStorage } from 'node:async_hooks'
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterAll, describe, expect, test } from 'vitest'
import {
  CancellationError,
  Embed4All,
  type EmbedderOptions,
  type EngineCrashedError,
  GPT4All,
  IsolatedEngine,
} from '../../src/index.ts'
import { failure, owners } from '../support/isolated.ts'
import { EMBEDDED } from '../support/models.ts'
import { hasRpcServer, startRpcServer } from '../support/rpc-server.ts'
import { tinyEncoder } from '../support/tiny-encoders.ts'
import { until } from '../support/until.ts'

const folder = mkdtempSync(join(tmpdir(), 'gpt4all-isolated-embedder-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const BERT = join(folder, 'bert.gguf')
writeFileSync(BERT, tinyEncoder('bert', 'all-MiniLM-L6-v2'))

const TEXTS = ['one two', 'three', '', ' ', 'a fish \ud800 and a dog', 'three', '🐟 fish', 'a'.repeat(5000)]
/** Enough of them that the call is under way when something happens to it. */
const MANY = Array.from({ length: 9000 }, (_, i) => `text ${i} about fish and dogs`)

async function open(options: EmbedderOptions = {}): Promise<Embed4All> {
  const embedder = new Embed4All(BERT, { nThreads: 1, isolated: true, ...options })
  owners.unshift(embedder)
  return embedder.open()
}

const kill = ({ engine }: Embed4All) => process.kill(engine!.pid!, 'SIGKILL')

/** A call that has begun to compute. */
async function underWay(embedder: Embed4All, signal?: AbortSignal) {
  let begun = false
  const onProgress = () => {
    begun = true
  }
  const call = embedder.embed(MANY, { onProgress, signal })
  call.catch(() => {})
  await until(() => expect(begun).toBe(true), 1)
  return { call }
}

describe('an embedder with isolated: true', () => {
  test('computes in a process of its own, which ends with it', async () => {
    const embedder = await open()
    const { engine } = embedder
    expect(engine?.state).toBe('running')
    const pid = engine!.pid!
    expect(pid).not.toBe(process.pid)
    await embedder.embed('one')
    await embedder.close()
    expect(() => process.kill(pid, 0)).toThrow('ESRCH')
    expect(engine?.state).toBe('closed')
    await expect(embedder.embed('one')).rejects.toMatchObject({ code: 'ERR_CLOSED' })
  })

  test('gives the same vectors, counts and facts as one in this process, in the same classes', async () => {
    const [here, there] = await Promise.all([open({ isolated: false }), open()])
    for (const options of [{}, { longTextMode: 'truncate' }, { atlas: true }, { prefix: '' }] as const) {
      const { embeddings, usage } = await there.embed(TEXTS, options)
      expect({ embeddings, usage }).toEqual(await here.embed(TEXTS, options))
      for (const vector of embeddings) {
        expect(vector).toBeInstanceOf(Float32Array)
        expect(vector.buffer.byteLength).toBe(vector.byteLength) // it holds nothing but itself
      }
    }
    const { embedding } = await there.embed('one two')
    expect(embedding).toEqual((await here.embed('one two')).embedding)
    for (const one of ['config', 'dimensionality', 'backend', 'device', 'fallbacks', 'name'] as const)
      expect(there[one]).toEqual(here[one])
    expect(await there.countTokens('one two three')).toBe(await here.countTokens('one two three'))
  })

  test('gives vectors that need several messages in the order of the texts', async () => {
    const [here, there] = await Promise.all([open({ isolated: false }), open()])
    const texts = MANY
    const { embeddings, usage } = await there.embed(texts)
    expect(embeddings).toHaveLength(texts.length)
    for (const i of [0, 1, 8191, 8192, 8999]) {
      const { embedding } = await here.embed(texts[i]!)
      const cosine = embedding.reduce((sum, number, at) => sum + number * embeddings[i]![at]!, 0)
      expect(cosine).toBeGreaterThan(0.99999)
    }
    expect(usage.promptTokens).toBeGreaterThan(texts.length)
  })

  test('embeds what comes one by one', async () => {
    const [here, there] = await Promise.all([open({ isolated: false }), open()])
    const read = async (embedder: Embed4All) => {
      const all = []
      for await (const one of embedder.embedAll(MANY.slice(0, 300))) all.push(one.text)
      return all
    }
    expect(await read(there)).toEqual(await read(here))
  })

  test('reports progress that ends with all texts, and rejects with what onProgress throws', async () => {
    const embedder = await open()
    const told: number[] = []
    await embedder.embed([...MANY.slice(0, 3000), 'text 0 about fish and dogs'], {
      onProgress: ({ texts, total }) => {
        told.push(texts)
        expect(total).toBe(3001)
      },
    })
    expect(told.at(-1)).toBe(3001)
    expect(told.length).toBeGreaterThan(1)
    expect(told).toEqual([...told].sort((one, other) => one - other))
    const error = new Error('by the callback')
    const onProgress = () => {
      throw error
    }
    await expect(embedder.embed(MANY, { onProgress })).rejects.toBe(error)
  })

  test('rejects with the same errors', async () => {
    const [here, there] = await Promise.all([open({ isolated: false }), open()])
    const errorOf = (embedder: Embed4All, options: object) =>
      embedder
        .embed('one two three '.repeat(500), options)
        .catch((error: TypeError & { code: string; option: string }) => ({
          message: error.message,
          code: error.code,
          option: error.option,
          isRange: error instanceof RangeError,
        }))
    for (const options of [{ prefix: 'unknown' }, { dimensionality: 8 }, { longTextMode: 'error' }]) {
      const error = await errorOf(there, options)
      expect(error).toEqual(await errorOf(here, options))
      expect(error).toMatchObject({ code: 'ERR_OPTION' })
    }
  })

  test('asks cancelCallback in the program, in its async context, before anything is computed', async () => {
    const embedder = await open()
    const scope = new AsyncLocalStorage<string>()
    const asked: unknown[] = []
    const call = (answer: boolean) =>
      scope.run('the call', () =>
        embedder.embed(TEXTS, {
          cancelCallback: (tokens, backend) => {
            asked.push([tokens, backend, scope.getStore()])
            return Promise.resolve(answer)
          },
        }),
      )
    const error = await call(true).catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(CancellationError)
    expect(error).toMatchObject({ code: 'ERR_CANCELLED', message: 'operation was canceled' })
    const { embeddings } = await call(false)
    expect(embeddings).toHaveLength(TEXTS.length)
    expect(asked).toEqual([asked[0], asked[0]])
    expect(asked[0]).toEqual([expect.arrayContaining([expect.any(Number)]), 'cpu', 'the call'])
    const thrown = new Error('by the callback')
    const cancelCallback = () => {
      throw thrown
    }
    await expect(embedder.embed(TEXTS, { cancelCallback })).rejects.toBe(thrown)
  })

  test('an abort rejects with its reason, and the next call is not behind the aborted one', async () => {
    const embedder = await open()
    const controller = new AbortController()
    const { call } = await underWay(embedder, controller.signal)
    const reason = new Error('enough')
    controller.abort(reason)
    await expect(call).rejects.toBe(reason)
    const { embeddings } = await embedder.embed(['one', 'two'])
    expect(embeddings).toHaveLength(2)
    await expect(embedder.embed('one', { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
  })

  test('close() rejects calls under way with ERR_CLOSED', async () => {
    const embedder = await open()
    const { call } = await underWay(embedder)
    const rejected = expect(call).rejects.toMatchObject({ code: 'ERR_CLOSED' })
    await embedder.close()
    await rejected
  })

  test('setThreadCount() is told to the process, and lasts beyond a crash', async () => {
    const embedder = await open()
    embedder.setThreadCount(2)
    expect(embedder.threadCount).toBe(2)
    const { embedding } = await embedder.embed('one')
    kill(embedder)
    await until(() => expect(embedder.engine?.state).toBe('idle'))
    expect((await embedder.embed('one')).embedding).toEqual(embedding)
  })
})

describe("a crash of an embedder's process", () => {
  test('rejects calls under way with what was running, and the next one opens the model again', async () => {
    const embedder = await open()
    const { embedding } = await embedder.embed('one')
    const { call } = await underWay(embedder)
    const rejected = failure(call)
    kill(embedder)
    expect(await rejected).toMatchObject({ signal: 'SIGKILL', running: ['embedding'] })
    expect((await embedder.embed('one')).embedding).toEqual(embedding)
    expect(embedder.engine).toMatchObject({ restarts: 1, state: 'running' })
  })

  test('while cancelCallback is asked rejects too', async () => {
    const embedder = await open()
    const rejected = failure(
      embedder.embed('one', {
        cancelCallback: () => {
          kill(embedder)
          return new Promise(() => {})
        },
      }),
    )
    expect(await rejected).toMatchObject({ running: ['embedding'] })
  })

  test('is not repaired more often than maxRestarts allows', async () => {
    const embedder = await open({ isolated: { maxRestarts: 0 } })
    kill(embedder)
    await until(() => expect(embedder.engine?.state).toBe('down'))
    const error: EngineCrashedError = await failure(embedder.embed('one'))
    expect(error.isDown).toBe(true)
    embedder.engine?.reset()
    expect((await embedder.embed('one')).embeddings).toHaveLength(1)
  })
})

describe('an engine', () => {
  test('serves models and embedders side by side, and a crash affects all of them', async () => {
    const engine = new IsolatedEngine()
    const [one, other] = await Promise.all([open({ isolated: engine }), open({ isolated: engine })])
    const model = new GPT4All(EMBEDDED, { nThreads: 1, nCtx: 512, isolated: engine })
    owners.unshift(model)
    const say = () => model.generate('The capital of France is', { temp: 0, maxTokens: 4 })
    const all = () => Promise.all([one.embed('one two'), other.embed('one two'), say()])
    const [first, second, text] = await all()
    expect(second).toEqual(first)
    expect(text).toContain('Paris')
    await one.close()
    expect(await other.embed('one two')).toEqual(first)
    const rejected = failure((await underWay(other)).call)
    kill(other)
    await rejected
    expect(await other.embed('one two')).toEqual(first)
    expect(await say()).toContain('Paris')
    expect(engine.restarts).toBe(1)
    await engine.close()
  })

  test.skipIf(process.platform !== 'linux')('closes an embedder that was garbage collected', async () => {
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as () => void
    const engine = new IsolatedEngine()
    owners.push(engine)
    const kept = await open({ isolated: engine })
    const own = join(folder, 'lost.gguf')
    copyFileSync(BERT, own)
    const isMapped = () => readFileSync(`/proc/${engine.pid}/maps`, 'utf8').includes(own)
    await (await Embed4All.load(own, { nThreads: 1, isolated: engine })).embed('one')
    expect(isMapped()).toBe(true)
    await until(() => {
      collect()
      expect(isMapped()).toBe(false)
    })
    expect((await kept.embed('one')).embeddings).toHaveLength(1)
    expect(engine.restarts).toBe(0)
  })
})

test.skipIf(!hasRpcServer)('an embedder computes on servers, in a process of its own', async () => {
  const server = await startRpcServer()
  try {
    const [here, there] = await Promise.all([
      open({ isolated: false }),
      open({ isolated: undefined, rpcServers: [server.endpoint] }),
    ])
    expect(there.backend).toBe('rpc')
    expect(there.engine?.state).toBe('running')
    const [expected, told] = await Promise.all([here.embed(TEXTS), there.embed(TEXTS)])
    expect(told.usage).toEqual(expected.usage)
    for (const [i, vector] of told.embeddings.entries())
      for (const [at, number] of vector.entries()) expect(number).toBeCloseTo(expected.embeddings[i]![at]!, 3)
  } finally {
    await server.kill()
  }
})
