import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { GPT4All, type ModelOptions } from '../../src/index.ts'
import { writeAdapter } from '../support/adapter.ts'
import { EMBEDDED } from '../support/models.ts'

const GREEDY = { temp: 0, repeatPenalty: 1, maxTokens: 40 }
const PROMPT = 'Once upon a time'

let folder: string
let path: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gpt4all-shared-'))
  path = join(folder, 'model.gguf')
  await copyFile(EMBEDDED, path)
})
afterAll(() => rm(folder, { recursive: true }))

const open = (options: ModelOptions = {}) => GPT4All.load(path, { nThreads: 1, ...options })

describe('a second GPT4All of the same file', () => {
  test('shares the weights, and both answer at the same time', async () => {
    const models = [await open(), await open({ nCtx: 512 })]
    expect(models.map((one) => one.sharesWeights)).toEqual([false, true])
    const [one, other] = await Promise.all(models.map(async (model) => model.generate(PROMPT, GREEDY)))
    expect(one).not.toBe('')
    expect(other).toBe(one)
    await Promise.all(models.map((model) => model.close()))
  })

  test('continues when the first closes in the middle of its answer', async () => {
    const [first, second] = [await open(), await open()]
    const expected = await first.generate(PROMPT, GREEDY)
    let text = ''
    for await (const piece of second.generate(PROMPT, GREEDY)) {
      if (text === '') await first.close()
      text += piece
    }
    expect(text).toBe(expected)
    await second.close()
    const third = await open()
    expect(third.sharesWeights).toBe(false)
    await third.close()
  })

  test('waits for the first when both open at once', async () => {
    const models = await Promise.all([open(), open(), open()])
    expect(models.filter((one) => one.sharesWeights)).toHaveLength(2)
    await Promise.all(models.map((model) => model.close()))
  })

  test('opens even if the first is aborted', async () => {
    for (let turn = 0; turn < 5; turn++) {
      const controller = new AbortController()
      const first = open({ signal: controller.signal })
      const second = open()
      for (let i = 0; i < turn; i++) await new Promise((resolve) => setImmediate(resolve))
      controller.abort()
      await first.then(
        (model) => model.close(),
        (error) => expect(error).toBe(controller.signal.reason),
      )
      const model = await second
      expect(await model.generate(PROMPT, { ...GREEDY, maxTokens: 2 })).not.toBe('')
      await model.close()
    }
  })

  test('receives the log lines of its own contexts', async () => {
    const lines: string[][] = [[], []]
    const logger = (mine: string[]) => {
      const write = (line: string) => void mine.push(line)
      return { debug: write, info: write, warn: write, error: write }
    }
    const contexts = (mine: string[]) => mine.filter((line) => line.includes('llama_context')).length
    const first = await open({ logger: logger(lines[0]!) })
    const heard = contexts(lines[0]!)
    const second = await open({ logger: logger(lines[1]!) })
    expect(contexts(lines[1]!)).toBeGreaterThan(0)
    expect(contexts(lines[0]!)).toBe(heard)
    await first.close()
    await second.close()
  })

  test('has weights of its own with other adapters; their scales may differ', async () => {
    const adapter = join(folder, 'adapter.gguf')
    await writeFile(adapter, (await writeAdapter()).bytes())
    const lora = (scale: number) => ({ lora: [{ path: adapter, scale }] })
    const models = [await open(), await open(lora(1)), await open(lora(0))]
    expect(models.map((one) => one.sharesWeights)).toEqual([false, false, true])
    const texts = await Promise.all(models.map(async (model) => model.generate(PROMPT, GREEDY)))
    expect(texts[1]).not.toBe(texts[0])
    expect(texts[2]).toBe(texts[0])
    await Promise.all(models.map((model) => model.close()))
  })

  test('reports no progress before it is open', () => {
    expect(new GPT4All(path).sharesWeights).toBeUndefined()
  })
})
