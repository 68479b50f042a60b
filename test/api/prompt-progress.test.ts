import { afterAll, describe, expect, test } from 'vitest'
import { GPT4All, type PromptProgress } from '../../src/index.ts'
import { EMBEDDED } from '../support/models.ts'

const GREEDY = { temp: 0, repeatPenalty: 1, maxTokens: 2 } as const
const LONG = 'one two three four five six seven eight nine ten '.repeat(10)

const here = new GPT4All(EMBEDDED, { nThreads: 1 })
const isolated = new GPT4All(EMBEDDED, { nThreads: 1, isolated: true })
afterAll(() => Promise.all([here.close(), isolated.close()]))

async function reported(model: GPT4All, prompt: string, nBatch: number) {
  const reports: PromptProgress[] = []
  const generation = model.generate(prompt, {
    ...GREEDY,
    nBatch,
    onPromptProgress: (progress) => void reports.push(progress),
  })
  return { reports, ...(await generation.result) }
}

describe('onPromptProgress', () => {
  test('reports the cached tokens first, then those of each step, and at last the whole prompt', async () => {
    const { reports, usage } = await reported(here, `Count: ${LONG}`, 32)
    const { promptTokens } = usage
    expect(promptTokens).toBeGreaterThan(96)
    const steps = Array.from({ length: Math.ceil(promptTokens / 32) }, (_, i) => 32 * i)
    expect(reports).toEqual(
      [...steps, promptTokens].map((processedTokens) => ({ promptTokens, cachedTokens: 0, processedTokens })),
    )
  })

  test('starts from what is in the cache', async () => {
    await here.generate(`Again: ${LONG}`, GREEDY)
    const { reports, usage } = await reported(here, `Again: ${LONG} and eleven, twelve, thirteen`, 2)
    const { promptTokens, cachedTokens } = usage
    expect(cachedTokens).toBeGreaterThan(96)
    expect(reports[0]).toEqual({ promptTokens, cachedTokens, processedTokens: cachedTokens })
    expect(reports.at(-1)).toEqual({ promptTokens, cachedTokens, processedTokens: promptTokens })
    expect(reports.length).toBeGreaterThan(2)
  })

  test('does not change what is generated, and is not called for each token of it', async () => {
    const plain = await here.generate(LONG, { ...GREEDY, maxTokens: 40 }).result
    const { reports, text } = await reported(here, LONG, 512)
    expect(plain.text.startsWith(text)).toBe(true)
    expect(reports.length).toBeLessThanOrEqual(2)
  })

  test('reports from an isolated engine, whose steps may arrive together', async () => {
    const { reports, usage } = await reported(isolated, `Far: ${LONG}`, 16)
    const done = reports.map(({ processedTokens }) => processedTokens)
    expect(done).toEqual([...done].sort((a, b) => a - b))
    expect(done.at(-1)).toBe(usage.promptTokens)
    expect(reports.every(({ promptTokens }) => promptTokens === usage.promptTokens)).toBe(true)
  })

  test('reports in a chat session too, where it cannot wait for another turn', async () => {
    const session = here.chatSession()
    const seen: number[] = []
    await session.generate('Hello', {
      ...GREEDY,
      onPromptProgress: ({ processedTokens }) => void seen.push(processedTokens),
    })
    expect(seen.length).toBeGreaterThan(0)
    const other = session.generate('Hello again', {
      ...GREEDY,
      onPromptProgress: () => session.generate('And now?', GREEDY),
    })
    await expect(other).rejects.toMatchObject({ code: 'ERR_BUSY' })
    expect(session.messages).toHaveLength(2)
  })

  test.each([
    [
      'throws',
      () => () => {
        throw new Error('no more')
      },
    ],
    ['rejects', () => async () => Promise.reject(new Error('no more'))],
  ])('rejects the generation where it %s', async (_, make) => {
    for (const model of [here, isolated]) {
      const generation = model.generate(LONG, { ...GREEDY, onPromptProgress: make() })
      await expect(generation).rejects.toThrow('no more')
    }
    expect(here.activity).toEqual({ running: 0, queued: 0 })
  })

  test('is awaited, and an abort meanwhile ends the generation', async () => {
    const controller = new AbortController()
    let calls = 0
    const generation = here.generate(`Stop: ${LONG}`, {
      ...GREEDY,
      nBatch: 16,
      signal: controller.signal,
      onPromptProgress: () => {
        calls++
        setImmediate(() => controller.abort(new Error('enough')))
        return new Promise(() => {})
      },
    })
    await expect(generation).rejects.toThrow('enough')
    expect(calls).toBe(1)
    await here.generate('Next', GREEDY)
  })

  test('is not called without a prompt to evaluate', async () => {
    let calls = 0
    await here.generate(LONG, { maxTokens: 0, onPromptProgress: () => calls++ })
    expect(calls).toBe(0)
  })

  test('must be a function', () => {
    const options = { onPromptProgress: 'yes' } as never
    expect(() => here.generate('Hello', options)).toThrow('Expected a function for "onPromptProgress"')
  })
})
