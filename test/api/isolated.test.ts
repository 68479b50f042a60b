import { channel } from 'node:diagnostics_channel'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { type ChatMessage, GPT4All, isGPT4AllError } from '../../src/index.ts'
import { answer, ENDLESS, GREEDY, open, QUESTION } from '../support/isolated.ts'
import { until } from '../support/until.ts'

const LONG = 'a fish and a dog. '.repeat(600)

const folder = mkdtempSync(join(tmpdir(), 'gpt4all-isolated-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('a model with isolated: true', () => {
  test('an isolated model computes in a process of its own, which ends with it', async () => {
    const model = await open()
    const { engine } = model
    expect(engine?.state).toBe('running')
    expect(engine?.pid).not.toBe(process.pid)
    const pid = engine!.pid!
    expect(await answer(model)).toBe('Paris.')
    await model.close()
    expect(() => process.kill(pid, 0)).toThrow('ESRCH')
    expect(engine?.state).toBe('closed')
  })

  test('an isolated model gives the same texts, tokens, log probabilities, counts and facts as one in this process', async () => {
    const here = await open({ isolated: false })
    const there = await open()
    const options = { ...GREEDY, maxTokens: 24, logprobs: 2, stop: '.', logitBias: { 5: -1 } }
    const told = async (model: GPT4All) => {
      const { timings: _, seed: __, ...result } = await model.generate('Once upon a time', options).result
      const seeded = await model.generate('Once', { seed: 7, maxTokens: 12 }).result
      return { result, text: seeded.text, tokens: seeded.tokens }
    }
    expect(await told(there)).toEqual(await told(here))
    expect(there.config).toEqual(here.config)
    for (const one of ['backend', 'device', 'parallel', 'fallbacks', 'contextSize'] as const)
      expect(there[one]).toEqual(here[one])
    const ids = await there.tokenize('What is <|im_end|>?', { parseSpecial: true })
    expect(ids).toEqual(await here.tokenize('What is <|im_end|>?', { parseSpecial: true }))
    expect(await there.detokenize(ids)).toBe('What is <|im_end|>?')
    expect(await there.countTokens('What?')).toBe(await here.countTokens('What?'))
    const messages = [{ role: 'user', content: 'Hi' }] as const
    expect(await there.renderPrompt(messages)).toBe(await here.renderPrompt(messages))
  })

  test('an isolated model chats like one in this process: turns, cached tokens, regenerate, continue, prefill, a saved file', async () => {
    const talk = async (model: GPT4All, name: string) => {
      const chat = model.chatSession({ systemPrompt: 'You answer briefly.' })
      const told = []
      const note = async (generation: ReturnType<typeof chat.generate>) => {
        const { text, usage, tokens, finishReason } = await generation.result
        told.push({ text, usage, tokens, finishReason })
      }
      await note(chat.generate('My name is Ada.', { ...GREEDY, maxTokens: 4 }))
      await note(chat.continue({ ...GREEDY, maxTokens: 3 }))
      await note(chat.generate('What is my name?', GREEDY))
      await note(chat.regenerate(GREEDY))
      await note(chat.generate('What is the capital of Italy?', { ...GREEDY, prefill: 'It is' }))
      told.push(chat.messages, await chat.countTokens('And?'))
      const file = join(folder, name)
      const saved = await chat.save(file, { state: true })
      expect(saved).toEqual(await chat.savedSize({ state: true }))
      const later = model.chatSession({ restore: file })
      await note(later.generate('And of Spain?', GREEDY))
      return told
    }
    expect(await talk(await open(), 'there')).toEqual(await talk(await open({ isolated: false }), 'here'))
  })

  test('a reader that pauses pauses the engine, and later continues from there', async () => {
    const model = await open({ parallel: 1 })
    const options = { ...ENDLESS, maxTokens: 200 }
    const generation = model.generate('Once upon a time', options)
    const pieces = generation[Symbol.asyncIterator]()
    await pieces.next()
    // Someone else gets the only slot, since nobody reads: the engine has not run ahead to the end.
    await answer(model)
    expect(generation.partial.usage.completionTokens).toBeLessThan(100)
    for (;;) if ((await pieces.next()).done) break
    const { usage } = await generation.result
    expect(usage.completionTokens).toBe(200)
    expect(await generation).toBe(await model.generate('Once upon a time', options))
  })

  test('callbacks run in the program, once for each token, can end the generation, and their errors come out', async () => {
    const model = await open()
    const seen: number[] = []
    const callback = (token: number) => seen.push(token) < 5
    const { tokens, finishReason } = await model.generate('Once', { ...ENDLESS, callback }).result
    expect({ tokens, finishReason }).toEqual({ tokens: seen, finishReason: 'callback' })
    const error = new Error('by the callback')
    const failing = model.generate('Once', {
      callback: () => {
        throw error
      },
    })
    await expect(failing).rejects.toBe(error)
  })

  test('an abort of an isolated generation rejects with its reason, in a long prompt too, and the next call answers', async () => {
    const model = await open({ nCtx: 4096 })
    const reason = new Error('enough')
    const controller = new AbortController()
    const generation = model.generate(LONG, { signal: controller.signal })
    const rejected = expect(generation).rejects.toBe(reason)
    await until(() => expect(generation.partial.usage.promptTokens).toBeGreaterThan(0))
    controller.abort(reason)
    await rejected
    expect(await answer(model)).toBe('Paris.')
    await until(() => expect(model.activity).toEqual({ running: 0, queued: 0 }))
  })

  test('activity counts an isolated generation as running while its prompt is evaluated', async () => {
    const model = await open({ nCtx: 4096 })
    const generation = model.generate(LONG, { maxTokens: 1, nBatch: 8 })
    let ended = false
    const end = generation.then(() => {
      ended = true
    })
    await until(() => expect(model.activity).toEqual({ running: 1, queued: 0 }), 5)
    expect(ended).toBe(false)
    await end
  })

  test('break, stop() and an abort of a turn leave the conversation as they do in this process', async () => {
    const model = await open()
    const chat = model.chatSession()
    for await (const _ of chat.generate('Count from 1 to 20.', ENDLESS)) break
    expect(chat.messages).toHaveLength(2)
    const stopped = chat.generate('Go on.', ENDLESS)
    for await (const _ of stopped) await stopped.stop()
    expect(chat.messages).toHaveLength(4)
    const aborted = chat.generate('Go on.', { ...ENDLESS, signal: AbortSignal.abort() })
    await expect(aborted).rejects.toThrow()
    expect(chat.messages).toHaveLength(4)
    expect(await chat.generate('What is the capital of France?', GREEDY)).toContain('Paris')
  })

  test('errors keep class, code and properties across the process boundary', async () => {
    const model = await open()
    const overflow = await model.generate(LONG).catch((error) => error)
    expect(overflow).toMatchObject({
      name: 'ContextOverflowError',
      code: 'ERR_CONTEXT_OVERFLOW',
      contextSize: 512,
    })
    expect(isGPT4AllError(overflow)).toBe(true)
    const option = await model.generate('Hi', { logitBias: { 999999: 1 } }).catch((error) => error)
    expect(option).toMatchObject({ code: 'ERR_OPTION', option: 'logitBias' })
    expect(option).toBeInstanceOf(Error)
    const template = await model
      .renderPrompt([{ role: 'user', content: 'Hi' }], { chatTemplate: 'a\n{% if %}' })
      .catch((error) => error)
    expect(template).toMatchObject({ code: 'ERR_TEMPLATE', line: 2 })
    await expect(open({ nCtx: 2 ** 24, kvType: 'f32', parallel: 256 })).rejects.toMatchObject({
      code: 'ERR_MEMORY',
    })
    const missing = new GPT4All(join(folder, 'missing.gguf'), { isolated: true, allowDownload: false })
    await expect(missing.open()).rejects.toMatchObject({ code: 'ERR_MODEL_NOT_FOUND' })
    expect(missing.engine?.state).toBe('idle') // no process waits for a model that nobody has
    await missing.close()
    writeFileSync(join(folder, 'none.gguf'), 'no model')
    const none = new GPT4All(join(folder, 'none.gguf'), { isolated: true })
    await expect(none.open()).rejects.toMatchObject({ code: 'ERR_NOT_GGUF', path: join(folder, 'none.gguf') })
    await none.close()
  })

  test('log lines, progress and prompts are reported in the program', async () => {
    const lines: string[] = []
    const log = (line: string) => void lines.push(line)
    const phases: string[] = []
    const prompts: unknown[] = []
    const listener = (message: unknown) => prompts.push(message)
    channel('gpt4all-ts:prompt').subscribe(listener)
    const model = await open({
      logger: { debug: log, info: log, warn: log, error: log },
      onProgress: ({ phase }) => phases.push(phase),
    })
    await answer(model)
    channel('gpt4all-ts:prompt').unsubscribe(listener)
    expect(phases).toContain('load')
    expect(lines.some((line) => line.startsWith('prompt of '))).toBe(true)
    expect(prompts).toContainEqual({ prompt: QUESTION, promptTokens: expect.any(Number), cachedTokens: 0 })
    const error = new Error('by onProgress')
    const failing = open({
      onProgress: () => {
        throw error
      },
    })
    await expect(failing).rejects.toBe(error)
  })

  test('an overflow function runs in the program, in its own async context, and its errors come out', async () => {
    const model = await open({ nCtx: 128 })
    const seen: number[] = []
    const chat = model.chatSession({
      overflow: async (messages) => {
        seen.push(messages.length)
        return messages.slice(-1)
      },
    })
    for (let i = 0; i < 4; i++) await chat.generate('Count from 1 to 20.', { ...GREEDY, maxTokens: 24 })
    expect(seen.length).toBeGreaterThan(0)
    const error = new Error('by overflow')
    const failing = model.chatSession({
      messages: chat.messages,
      overflow: () => {
        throw error
      },
    })
    await expect(failing.generate('Count from 1 to 20.', GREEDY)).rejects.toBe(error)
  })

  test('messages may have properties that cannot cross to the engine', async () => {
    const model = await open()
    const messages = [{ role: 'user', content: 'Hi', render: () => 'Hi' }] as const
    expect(await model.renderPrompt(messages)).toContain('Hi')
    const chat = model.chatSession({ messages, overflow: (all) => all })
    expect(await chat.regenerate(GREEDY)).not.toBe('')
    expect(await chat.countTokens('What?')).toBeGreaterThan(0)
    expect(chat.messages[0]).toHaveProperty('render')
  })

  test('a value that cannot cross to the engine fails only its own call', async () => {
    const model = await open()
    const other = model.generate('Once', { ...ENDLESS, maxTokens: 100 })
    const running = other.result
    const wrong = [1, Symbol('x')] as unknown as number[]
    await expect(model.detokenize(wrong)).rejects.toMatchObject({ code: 'ERR_OPTION' })
    const overflow = (() => [{ role: 'user', content: () => 'x' }]) as never
    const long = Array.from(
      { length: 100 },
      () => ({ role: 'user', content: 'Count from 1 to 20.' }) as const,
    )
    const refused = model.chatSession({ messages: long, overflow }).generate('Hi')
    await expect(refused).rejects.toMatchObject({ code: 'ERR_OPTION' })
    const circular = new Error('by overflow')
    circular.cause = circular
    const failing = model.chatSession({
      messages: long,
      overflow: () => {
        throw circular
      },
    })
    await expect(failing.generate('Hi')).rejects.toBe(circular)
    expect((await running).usage.completionTokens).toBe(100)
    expect(model.engine?.restarts).toBe(0)
  })

  test('an overflow function gets the messages as the program has made them', async () => {
    const model = await open({ nCtx: 128 })
    const pinned = { role: 'user', content: 'Hi', pinned: true } as const
    const others = Array.from(
      { length: 20 },
      () => ({ role: 'user', content: 'Count from 1 to 20.' }) as const,
    )
    const chat = model.chatSession({
      messages: [pinned, ...others],
      overflow: (messages) => messages.filter((message) => 'pinned' in message),
    })
    const { usage } = await chat.regenerate(GREEDY).result
    expect(usage.promptTokens).toBeLessThan(30)
  })

  test('result.dropped has the messages as the program has made them', async () => {
    const messages = Array.from({ length: 40 }, (_, i) => ({
      role: i % 2 === 0 ? ('user' as const) : ('assistant' as const),
      content: 'Count from 1 to 20.',
      id: i,
    }))
    for (const overflow of ['drop-oldest', (all: readonly ChatMessage[]) => all.slice(-1)] as const) {
      const told = async (isolated: boolean) => {
        const chat = (await open({ nCtx: 256, isolated })).chatSession({ messages, overflow })
        return (await chat.generate('Hi', { ...GREEDY, maxTokens: 4 }).result).dropped
      }
      const there = await told(true)
      expect(there.length).toBeGreaterThan(20)
      expect(there[0]).toHaveProperty('id', 0)
      expect(there).toEqual(await told(false))
    }
  })

  test('the thread count of an isolated model can be changed', async () => {
    const model = await open()
    model.setThreadCount(1)
    expect(model.threadCount).toBe(1)
    expect(await answer(model)).toBe('Paris.')
  })
})
