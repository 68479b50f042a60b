import { describe, expect, test } from 'vitest'
import { runChild } from '../support/child.ts'

const PARIS = /^ Paris/

describe('worker threads', () => {
  test.each(['stream', 'load', 'tokenize', 'render', 'fail'])(
    'terminate() during %s harms nothing: the main thread loads and answers afterwards',
    async (what) => {
      const { code, signal, messages, stdout } = await runChild('workers.mjs', ['terminate', what, '10'])
      expect({ code, signal, stdout }).toEqual({ code: 0, signal: null, stdout: '' })
      expect(messages[0]).toMatch(PARIS)
    },
  )

  test('terminate() does not disturb a model of the main thread', async () => {
    const { code, signal, messages } = await runChild('workers.mjs', ['beside', 'stream', '5'])
    expect({ code, signal }).toEqual({ code: 0, signal: null })
    expect(messages[0]).toMatch(PARIS)
    expect(messages[0]).not.toContain('|')
  })

  test('share weights with the main thread, which keeps them when they end', async () => {
    const { code, signal, messages } = await runChild('workers.mjs', ['share'])
    expect({ code, signal }).toEqual({ code: 0, signal: null })
    const says = expect.stringMatching(PARIS)
    expect(messages).toEqual([{ first: undefined, inWorker: true, second: true, says }, false])
  })

  test('terminate() while several threads wait for one load: the others load', async () => {
    const { code, signal, messages } = await runChild('workers.mjs', ['beside', 'loadMany', '10'])
    expect({ code, signal }).toEqual({ code: 0, signal: null })
    expect(messages[0]).toMatch(PARIS)
  })

  test('give the same answer, three at once, each with its own model', async () => {
    const { code, messages } = await runChild('workers.mjs', ['three'])
    expect(code).toBe(0)
    const texts = (messages[0] as string).split('|')
    expect(texts).toHaveLength(3)
    expect(new Set(texts).size).toBe(1)
    expect(texts[0]).toMatch(PARIS)
  })

  test.each([
    ['exit', 3],
    ['throw', 1],
  ])('process.exit() and an exception end a streaming worker only: %s', async (what, workerCode) => {
    const { code, signal, messages } = await runChild('workers.mjs', ['ends', what])
    expect({ code, signal, messages }).toEqual({ code: 0, signal: null, messages: [workerCode] })
  })

  describe.skipIf(process.platform !== 'linux')('terminate() ends the children of a worker', () => {
    test.each([
      ['a child tries a model file', 'tryFiles'],
      ['an isolated engine opens a model and answers', 'isolated'],
    ])('while %s, and leaves no zombie', async (_, what) => {
      const { code, messages } = await runChild('workers.mjs', ['children', what, '5'])
      expect({ code, messages }).toEqual({ code: 0, messages: [{ rounds: 5, left: 0 }] })
    })
  })

  test('process.exit() of the main thread while threads wait for one load', async () => {
    for (let i = 0; i < 5; i++) {
      expect(await runChild('workers.mjs', ['leaveLoading'])).toMatchObject({
        code: 5,
        signal: null,
        stdout: '',
      })
    }
  })

  test('process.exit() of the main thread while workers stream', async () => {
    for (let i = 0; i < 5; i++) {
      expect(await runChild('workers.mjs', ['leave'])).toMatchObject({ code: 5, signal: null, stdout: '' })
    }
  })
})
