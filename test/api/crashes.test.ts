import { once } from 'node:events'
import { copyFileSync, existsSync, mkdtempSync, readdirSync, rmSync, truncateSync, watch } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { EngineCrashedError, GPT4All, IsolatedEngine, type ModelOptions } from '../../src/index.ts'
import {
  answer,
  crashed,
  ENDLESS,
  failure,
  GREEDY,
  kill,
  open,
  owners,
  QUESTION,
  started,
} from '../support/isolated.ts'
import { EMBEDDED } from '../support/models.ts'
import { until } from '../support/until.ts'

const LONG = 'a fish and a dog. '.repeat(600)

const folder = mkdtempSync(join(tmpdir(), 'gpt4all-crashes-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe("a crash of the engine's process", () => {
  test.each(['SIGKILL', 'SIGSEGV', 'SIGABRT'] as const)(
    '%s rejects running calls with what was running, and keeps the text so far; the next call answers',
    async (signal) => {
      const model = await open()
      const generation = model.generate('Once upon a time', ENDLESS)
      const read = async () => {
        let count = 0
        for await (const _ of generation) if (++count === 3) kill(model, signal)
      }
      const error = await failure(read())
      expect(error).toMatchObject({ code: 'ERR_ENGINE_CRASHED', signal })
      expect(error.running).toEqual([expect.stringContaining('generation')])
      expect(generation.partial.text).not.toBe('')
      expect(await answer(model)).toBe('Paris.')
      expect(model.engine).toMatchObject({ restarts: 1, state: 'running', lastCrash: { signal } })
    },
  )

  test.skipIf(process.platform !== 'linux').each([
    ['cut', (path: string) => truncateSync(path, 1000)],
    ['written over in place', (path: string) => copyFileSync('package.json', path)],
  ])(
    'because the model file is %s is a typed error, and the engine works again with a whole file',
    async (_, change) => {
      const own = mkdtempSync(join(tmpdir(), 'gpt4all-changing-'))
      const path = join(own, 'changing.gguf')
      copyFileSync(EMBEDDED, path)
      const model = await GPT4All.load(path, { isolated: true, nThreads: 1 })
      change(path)
      const error = await failure(model.generate('The capital of France is', { maxTokens: 4 }).result)
      expect(error).toMatchObject({
        name: 'EngineCrashedError',
        code: 'ERR_ENGINE_CRASHED',
        signal: 'SIGBUS',
      })
      await expect(model.generate('Hi').result).rejects.toMatchObject({ name: 'ModelError', path })
      copyFileSync(EMBEDDED, path)
      expect(await model.generate('The capital of France is', { temp: 0, maxTokens: 4 })).toContain('Paris')
      await model.close()
      rmSync(own, { recursive: true })
    },
  )

  test('is reported to onCrash after the calls are rejected, with what a slow reader left running', async () => {
    const heard: EngineCrashedError[] = []
    const model = await open({ isolated: { onCrash: (crash) => heard.push(crash) } })
    const pieces = model.generate('Once upon a time', ENDLESS)[Symbol.asyncIterator]()
    await pieces.next()
    const rejected = failure(model.countTokens(LONG))
    kill(model)
    const error = await rejected
    expect(heard).toEqual([])
    await until(() => expect(heard).toEqual([error]))
    expect(error.running).toEqual(expect.arrayContaining([expect.stringContaining('generation')]))
    await model.countTokens('Hello')
    kill(model)
    await until(() => expect(heard).toHaveLength(2))
  })

  test('during a save leaves a whole file or no file, and no temporary file', async () => {
    const model = await open({ isolated: { maxRestarts: 10 } })
    let crashes = 0
    for (let i = 0; i < 6; i++) {
      const file = join(folder, `conversation-${i}`)
      const chat = model.chatSession({ messages: [{ role: 'user', content: LONG.slice(0, 1000) }] })
      await chat.regenerate({ ...GREEDY, maxTokens: 2 })
      const watcher = watch(folder)
      const begun = once(watcher, 'change')
      const saved = chat.save(file, { state: true }).catch((error) => error)
      await begun
      kill(model)
      const error = await saved
      watcher.close()
      if (error instanceof EngineCrashedError) crashes++
      await crashed(model)
      const restored = existsSync(file) ? model.chatSession({ restore: file }).messages : chat.messages
      expect(restored).toEqual(chat.messages)
    }
    expect(crashes).toBeGreaterThan(0)
    expect(readdirSync(folder).filter((name) => !/^conversation-\d$/.test(name))).toEqual([])
  })

  test('is still the error of the calls if onCrash closes the model', async () => {
    const model: GPT4All = await open({ isolated: { onCrash: () => void model.close() } })
    const generation = failure(model.generate('Once upon a time', ENDLESS))
    await until(() => expect(model.activity.running).toBe(1))
    kill(model)
    expect((await generation).isDown).toBe(false)
    await expect(model.generate('Once')).rejects.toMatchObject({ code: 'ERR_CLOSED' })
  })

  test('during loading rejects the opening, and the next attempt opens', async () => {
    const model = new GPT4All(EMBEDDED, { nThreads: 1, isolated: true })
    owners.unshift(model)
    const opening = failure(model.open())
    await started(model)
    kill(model)
    expect((await opening).running).toEqual([expect.stringContaining('loading')])
    await model.open()
    expect(model.backend).toBe('cpu')
  })

  test('loses no conversation: the turn is undone, and the next one continues the same history', async () => {
    const model = await open({ deterministic: true })
    const undisturbed = model.chatSession()
    const said = ['My name is Ada.', 'What is the capital of France?', 'What is my name?']
    for (const prompt of said) await undisturbed.generate(prompt, GREEDY)
    const chat = model.chatSession()
    await chat.generate(said[0]!, GREEDY)
    await chat.generate(said[1]!, GREEDY)
    const before = chat.messages
    const turn = chat.generate('Count from 1 to 20.', ENDLESS)
    const read = async () => {
      for await (const _ of turn) if (model.engine?.pid !== undefined) kill(model)
    }
    await failure(read())
    expect(chat.messages).toEqual(before)
    const { text, usage } = await chat.generate(said[2]!, GREEDY).result
    expect(usage.cachedTokens).toBe(0)
    expect(text).toBe(undisturbed.messages.at(-1)?.content)
    expect(chat.messages).toEqual(undisturbed.messages)
  })

  test('during the abort of a turn that was to be repeated does not affect the next turn', async () => {
    const model = await open({ nCtx: 128 })
    const chat = model.chatSession({ overflow: (messages) => messages.slice(-1) })
    for (let i = 0; i < 3; i++) await chat.generate('Count from 1 to 20.', { ...GREEDY, maxTokens: 24 })
    kill(model)
    await crashed(model)
    const controller = new AbortController()
    const first = chat.generate('Count from 1 to 20.', { ...GREEDY, signal: controller.signal })
    const rejected = expect(first).rejects.toThrow()
    const second = chat.generate('What is the capital of France?', { ...GREEDY, maxTokens: 24 }).result
    controller.abort()
    await rejected
    expect((await second).text).toContain('Paris')
  })

  test('is only logged if no call is running', async () => {
    const lines: string[] = []
    const log = (line: string) => void lines.push(line)
    const model = await open({ logger: { debug() {}, info() {}, warn: log, error: log } })
    kill(model)
    await crashed(model)
    expect(lines).toEqual([expect.stringContaining('SIGKILL')])
    expect(model.backend).toBe('cpu')
    expect(await model.countTokens('What?')).toBeGreaterThan(0)
  })

  test('happens too often within the window: then the engine stays down, with the reason', async () => {
    const model = await open({ isolated: { maxRestarts: 1, restartWindow: 60_000 } })
    kill(model)
    await crashed(model)
    await model.countTokens('What?')
    kill(model)
    await until(() => expect(model.engine?.state).toBe('down'))
    const error = await failure(model.generate(QUESTION))
    expect(error.isDown).toBe(true)
    expect(error.message).toMatch(/crashed 2 times .*maxRestarts 1.*SIGKILL/)
  })
})

describe('an IsolatedEngine', () => {
  test('serves several models, which share weights, and lives until its close()', async () => {
    const engine = new IsolatedEngine()
    owners.push(engine)
    expect(engine.state).toBe('idle')
    const one = await open({ isolated: engine })
    const two = await open({ isolated: engine })
    expect(two.sharesWeights).toBe(true)
    expect(one.engine).toBe(engine)
    expect(await Promise.all([answer(one), answer(two)])).toEqual(['Paris.', 'Paris.'])
    await one.close()
    expect(engine.state).toBe('running')
    expect(await answer(two)).toBe('Paris.')
    const crash = failure(two.generate('Once', ENDLESS))
    await until(() => expect(two.activity.running).toBe(1))
    process.kill(engine.pid!, 'SIGKILL')
    await crash
    expect(await answer(two)).toBe('Paris.')
    const closed = two.generate('Once', ENDLESS).then(
      () => 'answered',
      (error) => (error as { code?: string }).code,
    )
    await until(() => expect(two.activity.running).toBe(1))
    await engine.close()
    expect(await closed).toBe('ERR_CLOSED')
    await expect(two.countTokens('What?')).rejects.toMatchObject({ code: 'ERR_CLOSED' })
  })

  test('kills a process that hangs at close(), which is a crash for its other models only', async () => {
    const crashes: string[] = []
    const engine = new IsolatedEngine({ onCrash: ({ message }) => crashes.push(message) })
    owners.push(engine)
    const one = await open({ isolated: engine })
    const two = await open({ isolated: engine })
    const generation = failure(two.generate('Once', ENDLESS))
    await until(() => expect(two.activity.running).toBe(1))
    process.kill(engine.pid!, 'SIGSTOP')
    await one.close()
    expect((await generation).message).toMatch(
      /^The engine's process did not close a model within 5 s and was killed during/,
    )
    await until(() => expect(crashes).toHaveLength(1))
    expect(await answer(two)).toBe('Paris.')
    process.kill(engine.pid!, 'SIGSTOP')
    await two.close()
    expect(crashes).toHaveLength(1)
  })

  test('keeps 50 conversations at once, and more, apart', async () => {
    const model = await open({ parallel: 4 })
    const cities = ['France', 'Italy', 'Spain', 'Japan']
    const alone = new Map<string, string>()
    for (const city of cities)
      alone.set(city, await model.chatSession().generate(`What is the capital of ${city}?`, GREEDY))
    const ask = async (_: unknown, i: number) => {
      const city = cities[i % cities.length]!
      const chat = model.chatSession()
      const text = await chat.generate(`What is the capital of ${city}?`, GREEDY)
      await chat.close()
      return text === alone.get(city)
    }
    expect(new Set(await Promise.all(Array.from({ length: 50 }, ask)))).toEqual(new Set([true]))
  })

  test.each([
    [{ maxRestarts: -1 }, 'maxRestarts'],
    [{ restartWindow: 0 }, 'restartWindow'],
    [{ onCrash: 'log' }, 'onCrash'],
    [{ restarts: 3 }, 'restarts'],
  ])('refuses %j', (options, option) => {
    expect(() => new IsolatedEngine(options as object)).toThrow(
      expect.objectContaining({ code: 'ERR_OPTION', option }),
    )
    const isolated = options as ModelOptions['isolated']
    expect(() => new GPT4All(EMBEDDED, { isolated })).toThrow(expect.objectContaining({ code: 'ERR_OPTION' }))
  })
})

test('an engine that is closed during a save leaves no temporary file', async () => {
  const own = mkdtempSync(join(folder, 'closed-'))
  let closed = 0
  for (let i = 0; i < 6; i++) {
    const engine = new IsolatedEngine()
    owners.unshift(engine)
    const model = await open({ isolated: engine })
    const chat = model.chatSession({ messages: [{ role: 'user', content: LONG.slice(0, 1000) }] })
    await chat.regenerate({ ...GREEDY, maxTokens: 2 })
    const watcher = watch(own)
    const begun = once(watcher, 'change')
    const saved = chat.save(join(own, `conversation-${i}`), { state: true }).catch((error) => error)
    await begun
    await engine.close()
    if ((await saved)?.code === 'ERR_CLOSED') closed++
    watcher.close()
  }
  expect(closed).toBeGreaterThan(0)
  expect(readdirSync(own).filter((name) => !/^conversation-\d$/.test(name))).toEqual([])
})
