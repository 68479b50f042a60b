import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type ChatSession, GPT4All } from '../../src/index.ts'
import { collectUntil } from '../support/garbage.ts'
import { EMBEDDED } from '../support/models.ts'

let model: GPT4All
beforeAll(async () => {
  model = await GPT4All.load(EMBEDDED, { nThreads: 1, nCtx: 1024 })
})
afterAll(() => model.close())

const COUNT = 'Count from 1 to 10.'
const options = { temp: 0, maxTokens: 30 }

describe.concurrent('a turn that is awaited inside the loop over another of its session', () => {
  test.each<[string, (chat: ChatSession) => Promise<unknown>]>([
    ['generate()', async (chat) => chat.generate('again', options)],
    ['result', (chat) => chat.generate('again', options).result],
    ['save()', (chat) => chat.save('never-written.json')],
    [
      'a function after a pause',
      async (chat) => {
        await new Promise(setImmediate)
        return chat.generate('again', options)
      },
    ],
  ])('is ERR_BUSY, not a hang: %s', async (_, inner) => {
    const chat = model.chatSession()
    const refusals: unknown[] = []
    let text = ''
    for await (const piece of chat.generate(COUNT, options)) {
      text += piece
      if (refusals.length === 0) await inner(chat).catch((error: unknown) => refusals.push(error))
    }
    expect(refusals).toEqual([expect.objectContaining({ code: 'ERR_BUSY' })])
    expect(chat.messages).toHaveLength(2)
    expect(text).toContain('1, 2, 3')
    expect(await chat.generate('hello', options)).not.toBe('')
  })

  test('is ERR_BUSY in loops over parts() and stream() too', async () => {
    for (const way of ['parts', 'stream'] as const) {
      const chat = model.chatSession()
      for await (const _ of chat.generate(COUNT, options)[way]()) {
        await expect(chat.generate('again')).rejects.toMatchObject({ code: 'ERR_BUSY' })
        break
      }
      expect(await chat.generate('hello', options)).not.toBe('')
    }
  })

  test.each<[string, (one: ChatSession, other: ChatSession, busy: () => Promise<void>) => Promise<void>]>([
    [
      'after an inner loop over another session',
      async (one, other, busy) => {
        for await (const _ of one.generate(COUNT, options)) {
          for await (const _ of other.generate(COUNT, options));
          await busy()
          break
        }
      },
    ],
    [
      'in an inner loop over another session',
      async (one, other, busy) => {
        for await (const _ of one.generate(COUNT, options)) {
          for await (const _ of other.generate(COUNT, options)) {
            await busy()
            break
          }
          break
        }
      },
    ],
    [
      'in a callback of another session',
      async (one, other, busy) => {
        for await (const _ of one.generate(COUNT, options)) {
          await other.generate(COUNT, { ...options, maxTokens: 1, callback: busy })
          break
        }
      },
    ],
    [
      'in a callback of another session, in a callback',
      async (one, other, busy) => {
        const callback = async () =>
          void (await other.generate(COUNT, { ...options, maxTokens: 1, callback: busy }))
        await one.generate(COUNT, { ...options, maxTokens: 1, callback })
      },
    ],
  ])('is ERR_BUSY %s', async (_, nested) => {
    const one = model.chatSession()
    let refused = 0
    await nested(one, model.chatSession(), async () => {
      await expect(one.generate('again', options)).rejects.toMatchObject({ code: 'ERR_BUSY' })
      refused++
    })
    expect(refused).toBe(1)
    expect(await one.generate('hello', options)).not.toBe('')
  })

  test('is ERR_BUSY inside withChatSession()', async () => {
    await model.withChatSession(async () => {
      for await (const _ of model.generate(COUNT, options)) {
        await expect(model.generate('again')).rejects.toMatchObject({ code: 'ERR_BUSY' })
        break
      }
    })
  })
})

describe('inside the loop over a turn', () => {
  test('turns of other sessions, and plain generations, run', async () => {
    const chat = model.chatSession()
    const other = model.chatSession()
    let count = 0
    for await (const _ of chat.generate(COUNT, options)) {
      if (count++ > 1) continue
      expect(await other.generate('hello', options)).not.toBe('')
      expect(await model.generate('Once', { maxTokens: 2 })).not.toBe('')
    }
    expect(count).toBeGreaterThan(1)
    expect(other.messages).toHaveLength(4)
  })

  test('a turn may begin that is not awaited there: it runs after this one', async () => {
    const chat = model.chatSession()
    let next: Promise<string> | undefined
    for await (const _ of chat.generate(COUNT, options))
      next ??= chat.generate('hello', options).then((text) => text)
    expect(await next).not.toBe('')
    expect(chat.messages.map(({ content }) => content)).toEqual([
      COUNT,
      expect.any(String),
      'hello',
      await next,
    ])
  })

  test('a turn may be awaited once the one of the loop has ended, though pieces are left', async () => {
    const chat = model.chatSession()
    const generation = chat.generate(COUNT, options)
    await generation.result
    let count = 0
    for await (const _ of generation)
      if (count++ === 0) expect(await chat.generate('hello', options)).not.toBe('')
    expect(count).toBeGreaterThan(1)
  })
})

test('sessions that were read in loops are garbage collected', async () => {
  const MOST = 20
  let collected = 0
  const registry = new FinalizationRegistry(() => {
    collected++
  })
  for (let i = 0; i < MOST; i++) {
    const chat = model.chatSession()
    registry.register(chat, undefined)
    for await (const _ of chat.generate('hello', { ...options, maxTokens: 2 }));
    await chat.close()
  }
  await collectUntil(() => collected >= MOST - 2)
})

test('a loop that is left while its next piece is computed ends the turn at once', async () => {
  const chat = model.chatSession()
  const long = 'one two three four five six seven eight nine ten '.repeat(40)
  let isPrompt = false
  const generation = chat.generate(long, {
    ...options,
    nBatch: 1,
    onPromptProgress: () => {
      isPrompt = true
    },
  })
  const pieces = generation[Symbol.asyncIterator]()
  const next = pieces.next()
  await expect.poll(() => isPrompt).toBe(true)
  await pieces.return?.()
  expect(await next).toEqual({ done: true, value: undefined })
  expect(await generation.result).toMatchObject({ finishReason: 'break', tokens: [] })
})

test('a reader that leaves ends the generation for another one, whose callback never returns', async () => {
  const generation = model.generate('hello', { ...options, callback: () => new Promise(() => {}) })
  const [one, other] = [generation.parts(), generation.parts()]
  const [first, second] = [one.next(), other.next()]
  await new Promise(setImmediate)
  await one.return()
  expect((await first).done).toBe(true)
  await second
  expect((await other.next()).done).toBe(true)
  expect((await generation.result).finishReason).toBe('break')
})

test('after a loop, and after a break, the next turn runs in the same function', async () => {
  const chat = model.chatSession()
  for await (const _ of chat.generate(COUNT, options)) break
  expect(await chat.generate('hello', options)).not.toBe('')
  for await (const _ of chat.generate(COUNT, options));
  expect(await chat.generate('hello', options)).not.toBe('')
})

test('readers elsewhere may wait for a turn while a loop reads another slowly', async () => {
  const chat = model.chatSession()
  const slow = (async () => {
    let count = 0
    for await (const _ of chat.generate(COUNT, options)) if (count++ < 3) await new Promise(setImmediate)
  })()
  const other = (async () => chat.generate('hello', options))()
  await slow
  expect(await other).not.toBe('')
})

describe('generation.stream()', () => {
  test('passes through async functions, which would make a text of the generation', async () => {
    const asText = async () => model.generate('Once upon a time', options)
    const asStream = async () => model.generate('Once upon a time', options).stream()
    const text: string = await asText()
    const stream = await asStream()
    const pieces: string[] = []
    for await (const piece of stream) pieces.push(piece)
    expect(pieces.length).toBeGreaterThan(1)
    expect(pieces.join('')).toBe(text)
    expect((await stream.result).text).toBe(text)
    expect(await Promise.all([stream])).toEqual([stream])
  })

  test('has parts, and ends with stop()', async () => {
    const stream = model.generate('Once upon a time', { ...options, maxTokens: 400 }).stream()
    let text = ''
    for await (const { channel, text: piece } of stream.parts()) {
      expect(channel).toBe('answer')
      text += piece
      await stream.stop()
    }
    expect(await stream.result).toMatchObject({ text, finishReason: 'break' })
  })
})
