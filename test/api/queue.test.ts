import { describe, expect, test } from 'vitest'
import type { GPT4All } from '../../src/index.ts'
import { GREEDY, open } from '../support/isolated.ts'
import { until } from '../support/until.ts'

/** A message with that word takes as long as a template may take, and is refused then. */
const BOOM = '{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}'
const chatTemplate = `{% if 'boom' in messages[-1].content %}${BOOM}{% endif %}{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}`

const BRIEF = { ...GREEDY, maxTokens: 2 }
const IDLE = { running: 0, queued: 0 }

const ask = (model: GPT4All, content: string, template = chatTemplate, signal?: AbortSignal) =>
  model.chatSession({ chatTemplate: template }).generate(content, { ...BRIEF, signal })

const outcome = (generation: PromiseLike<string>) =>
  generation.then(
    () => 'done',
    (error) => error.code ?? error,
  )

const untilQueued = (model: GPT4All, count: number) =>
  until(() => expect(model.activity).toEqual({ running: 0, queued: count }), 1)

describe.each([
  ['in this process', false],
  ['isolated', true],
])('prompts that are being rendered, %s', (_, isolated) => {
  /** With one place, and the template read. */
  async function openOne(maxQueue: number): Promise<GPT4All> {
    const model = await open({ isolated, parallel: 1, maxQueue })
    await ask(model, 'Hi')
    return model
  }

  test.each([
    ['made', chatTemplate],
    ['made, also while the template is read', BOOM],
  ])('count for maxQueue: later generations are refused before their own is %s', async (_, template) => {
    const model = await openOne(1)
    const outcomes = Array.from({ length: 20 }, () => outcome(ask(model, 'boom', template)))
    await untilQueued(model, 2)
    const [first, second, ...others] = await Promise.all(outcomes)
    expect([first, second]).toEqual(['ERR_TEMPLATE', 'ERR_TEMPLATE'])
    expect(new Set(others)).toEqual(new Set(['ERR_QUEUE_FULL']))
    expect(model.activity).toEqual(IDLE)
    expect(await outcome(ask(model, 'Hi'))).toBe('done')
  })

  test('free their place at once when they are aborted', async () => {
    const model = await openOne(0)
    for (const template of [chatTemplate, chatTemplate, chatTemplate, BOOM, BOOM]) {
      const controller = new AbortController()
      const reason = new Error('enough')
      const aborted = outcome(ask(model, 'boom', template, controller.signal))
      await untilQueued(model, 1)
      expect(await outcome(ask(model, 'Hi'))).toBe('ERR_QUEUE_FULL')
      controller.abort(reason)
      expect(await aborted).toBe(reason)
      expect(await outcome(ask(model, 'Hi'))).toBe('done')
    }
    expect(model.activity).toEqual(IDLE)
  })

  test('free their place if they do not fit', async () => {
    const model = await openOne(0)
    const long = 'a fish and a dog. '.repeat(600)
    for (const session of [model, model.chatSession({ chatTemplate, overflow: 'error' })]) {
      expect(await outcome(session.generate(long, BRIEF))).toBe('ERR_CONTEXT_OVERFLOW')
      expect(await outcome(ask(model, 'Hi'))).toBe('done')
    }
    const full = model.chatSession({ chatTemplate, overflow: 'stop' })
    full.messages = [
      { role: 'user', content: long },
      { role: 'assistant', content: long },
    ]
    expect((await full.generate('Hi', BRIEF).result).finishReason).toBe('length')
    expect(await outcome(ask(model, 'Hi'))).toBe('done')
  })

  test('reject with ERR_CLOSED when the model is closed', async () => {
    const model = await openOne(Number.POSITIVE_INFINITY)
    const outcomes = Array.from({ length: 10 }, () => outcome(ask(model, 'boom')))
    await untilQueued(model, 10)
    await model.close()
    expect(await Promise.all(outcomes)).toEqual(Array(10).fill('ERR_CLOSED'))
    expect(model.activity).toEqual(IDLE)
  })

  test('do not count while they wait for a function of the program, which may generate', async () => {
    const model = await openOne(0)
    const content = 'a fish and a dog. '.repeat(600)
    const session = model.chatSession({
      messages: [
        { role: 'user', content },
        { role: 'assistant', content },
      ],
      overflow: async (messages) => {
        expect(await outcome(ask(model, 'Hi'))).toBe('done')
        return messages.slice(-1)
      },
    })
    expect((await session.generate('Hi', BRIEF).result).dropped).toHaveLength(2)
    expect(model.activity).toEqual(IDLE)
  })
})

test('a long text that is being tokenized counts for maxQueue too', async () => {
  const model = await open({ isolated: false, parallel: 1, maxQueue: 0, nCtx: 2048 })
  const first = model.generate('a fish and a dog. '.repeat(500), BRIEF)
  const told = outcome(first)
  expect(await outcome(model.generate('Hi', BRIEF))).toBe('ERR_QUEUE_FULL')
  expect(first.partial.usage.promptTokens).toBe(0)
  expect(model.activity).toEqual({ running: 0, queued: 1 })
  await told
  expect(await outcome(model.generate('Hi', BRIEF))).toBe('done')
})

test.each([false, true])(
  'the error of a full queue has the HTTP status 503 (isolated: %s)',
  async (isolated) => {
    const model = await open({ isolated, parallel: 1, maxQueue: 0 })
    const first = model.generate('a fish and a dog', { ...GREEDY, maxTokens: 50 })
    const told = outcome(first)
    await expect(model.generate('Hi', BRIEF)).rejects.toMatchObject({
      code: 'ERR_QUEUE_FULL',
      statusCode: 503,
    })
    await told
  },
)
