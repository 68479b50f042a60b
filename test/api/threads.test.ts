import { availableParallelism } from 'node:os'
import { afterAll, describe, expect, test } from 'vitest'
import { Embed4All, GPT4All, isGPT4AllError, type ModelOptions, Reranker } from '../../src/index.ts'
import { EMBEDDED } from '../support/models.ts'

const GREEDY = { temp: 0, repeatPenalty: 1, maxTokens: 24 }
const PROMPT = 'The capital of France is'
const CORES = availableParallelism()

const lines: string[] = []
const warn = (line: string) => void lines.push(line)
const logger = { debug() {}, info() {}, warn, error() {} }

const opened: GPT4All[] = []
afterAll(async () => {
  for (const model of opened) await model.close()
})

async function load(options: ModelOptions = {}): Promise<GPT4All> {
  const model = await GPT4All.load(EMBEDDED, { nThreads: 1, logger, ...options })
  opened.push(model)
  return model
}

function errorOf(action: () => unknown): unknown {
  try {
    return action()
  } catch (error) {
    return error
  }
}

describe('threadCount', () => {
  test('is known before the model is open: all cores, or the larger of nThreads and nThreadsBatch', () => {
    expect(new GPT4All('any').threadCount).toBe(CORES)
    expect(new GPT4All('any', { nThreads: 1 }).threadCount).toBe(1)
    expect(new GPT4All('any', { nThreads: 1, nThreadsBatch: CORES }).threadCount).toBe(CORES)
  })

  test('is what setThreadCount() set, at most the cores, and all of them again with undefined', async () => {
    const model = await load({ nThreads: CORES, nThreadsBatch: 1 })
    model.setThreadCount(1)
    expect(model.threadCount).toBe(1)
    lines.length = 0
    model.setThreadCount(9999)
    expect(model.threadCount).toBe(CORES)
    expect(lines).toEqual([expect.stringMatching(/^count 9999 is more than/)])
    model.setThreadCount(1)
    model.setThreadCount()
    expect(model.threadCount).toBe(CORES)
  })

  test('can be set, as setThreadCount() does it', async () => {
    const model = await load({ nThreads: CORES })
    model.threadCount = 1
    expect(model.threadCount).toBe(1)
    model.threadCount = undefined
    expect(model.threadCount).toBe(CORES)
    expect(
      errorOf(() => {
        model.threadCount = 0
      }),
    ).toMatchObject({ code: 'ERR_OPTION' })
    const embedder = new Embed4All('any', { nThreads: CORES })
    const reranker = new Reranker('any', { nThreads: CORES })
    for (const other of [embedder, reranker]) {
      other.threadCount = 1
      expect(other.threadCount).toBe(1)
    }
  })
})

describe('the number of threads', () => {
  test('may differ for prompts and answers, and the text is the same', async () => {
    const expected = await (await load()).generate(PROMPT, GREEDY)
    expect(await (await load({ nThreadsBatch: CORES })).generate(PROMPT, GREEDY)).toBe(expected)
    expect(await (await load({ nThreads: CORES, nThreadsBatch: 1 })).generate(PROMPT, GREEDY)).toBe(expected)
  })

  test('may change while a stream runs, and the text is the same', async () => {
    const model = await load()
    const expected = await model.generate(PROMPT, GREEDY)
    const counts = [CORES, 1, undefined]
    const pieces: string[] = []
    for await (const piece of model.generate(PROMPT, GREEDY)) {
      pieces.push(piece)
      model.setThreadCount(counts[pieces.length % counts.length])
    }
    expect(pieces.length).toBeGreaterThan(3)
    expect(pieces.join('')).toBe(expected)
  })

  test('may change while several streams and a draft model run', async () => {
    const model = await load({ draftModel: EMBEDDED, parallel: 2 })
    const expected = await model.generate(PROMPT, GREEDY)
    const streams = [1, CORES, 1].map(async (count) => {
      let text = ''
      for await (const piece of model.generate(PROMPT, GREEDY)) {
        text += piece
        model.setThreadCount(count)
      }
      return text
    })
    for (const text of await Promise.all(streams)) expect(text).toBe(expected)
  })

  test('may be set before the model is open, and while it opens', async () => {
    const model = new GPT4All(EMBEDDED, { logger })
    opened.push(model)
    model.setThreadCount(1)
    const opening = model.open()
    model.setThreadCount(1)
    await opening
    expect(model.threadCount).toBe(1)
    expect(await model.generate(PROMPT, { ...GREEDY, maxTokens: 3 })).toMatch(/^ Paris/)
  })

  test('is refused unless it is a positive integer, and stays as it was', async () => {
    const model = await load()
    for (const count of [0, -1, 1.5, NaN, Infinity, '2', null, {}, 1n]) {
      const error = errorOf(() => model.setThreadCount(count as number))
      expect(error).toMatchObject({ code: 'ERR_OPTION', option: 'count' })
      expect(isGPT4AllError(error)).toBe(true)
    }
    expect(model.threadCount).toBe(1)
  })

  test('of a deterministic model is fixed once it opens', async () => {
    const model = new GPT4All(EMBEDDED, { deterministic: true, logger })
    opened.push(model)
    model.setThreadCount(1)
    const opening = model.open()
    expect(errorOf(() => model.setThreadCount(CORES))).toMatchObject({ code: 'ERR_OPTION', option: 'count' })
    await opening
    for (const count of [1, CORES, undefined])
      expect(errorOf(() => model.setThreadCount(count))).toMatchObject({ code: 'ERR_OPTION' })
    expect(model.threadCount).toBe(1)
  })

  test('cannot be changed after close()', async () => {
    const model = await load()
    await model.close()
    expect(errorOf(() => model.setThreadCount(1))).toMatchObject({ code: 'ERR_CLOSED' })
    expect(model.threadCount).toBe(1)
  })
})
