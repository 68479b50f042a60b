import { afterAll, describe, expect, test } from 'vitest'
import { GPT4All } from '../../src/index.ts'
import { EMBEDDED } from '../support/models.ts'

const model = new GPT4All(EMBEDDED, { nThreads: 1 })
afterAll(() => model.close())

/** The prompt for one question, in the model's own format. */
const ask = (content: string) => model.renderPrompt([{ role: 'user', content }])

const GREEDY = { temp: 0, repeatPenalty: 1 } as const

describe('generate()', () => {
  test('awaited, gives the text', async () => {
    expect(await model.generate('The capital of France is', { ...GREEDY, maxTokens: 3 })).toMatch(/^ Paris/)
  })

  test('iterated, gives pieces that add up to the text', async () => {
    const prompt = await ask('Count from 1 to 20.')
    const pieces: string[] = []
    for await (const piece of model.generate(prompt, GREEDY)) pieces.push(piece)
    expect(pieces.length).toBeGreaterThan(20)
    expect(pieces).not.toContain('')
    expect(pieces.join('')).toBe(await model.generate(prompt, GREEDY))
    expect(pieces.join('')).toBe(`${Array.from({ length: 20 }, (_, i) => i + 1).join(', ')}.`)
  })
})
