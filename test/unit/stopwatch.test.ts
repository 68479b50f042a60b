import { describe, expect, test } from 'vitest'
import { Stopwatch } from '../../src/generation/stopwatch.ts'

const USAGE = { cachedTokens: 0, queueMs: 0, proposedTokens: 0, acceptedTokens: 0 }
const MADE = { tokens: 11, promptTokens: 100, usage: USAGE, finishReason: 'length' } as const

/** A run whose first token came a minute after its start, and the last one two seconds later. */
function run() {
  const stopwatch = new Stopwatch()
  stopwatch.start()
  const first = performance.now() + 60_000
  stopwatch.note(first, true)
  stopwatch.note(first + 700, false)
  stopwatch.note(first + 2000, false)
  return stopwatch
}

describe('timings()', () => {
  test('count from the start to the first token, and from there to the last', () => {
    const { promptMs, completionMs, tokensPerSecond } = run().timings(MADE)
    expect(promptMs).toBeGreaterThanOrEqual(60_000)
    expect(promptMs).toBeLessThan(90_000)
    expect(completionMs).toBeCloseTo(2000, 6)
    expect(tokensPerSecond).toBeCloseTo(5, 6) // ten after the first
  })

  test('count only tokens that were evaluated, and only time that was not spent in line', () => {
    const usage = { cachedTokens: 40, queueMs: 20_000, proposedTokens: 7, acceptedTokens: 3 }
    const timings = run().timings({ ...MADE, usage })
    expect(timings.promptTokensPerSecond).toBeCloseTo((60 / (timings.promptMs - 20_000)) * 1000, 6)
    expect(timings).toMatchObject({ queueMs: 20_000, proposedTokens: 7, acceptedTokens: 3 })
  })

  test('have no speed of what did not happen', () => {
    const allCached = { ...USAGE, cachedTokens: 100 }
    expect(run().timings({ ...MADE, usage: allCached }).promptTokensPerSecond).toBe(0)
    expect(run().timings({ ...MADE, tokens: 1 }).tokensPerSecond).toBe(0)
    expect(run().timings({ ...MADE, usage: { ...USAGE, queueMs: 1e9 } }).promptTokensPerSecond).toBe(0)
  })

  test('without a token last until now, and count the prompt if the model has read it', async () => {
    const stopwatch = new Stopwatch()
    stopwatch.start()
    await new Promise((resolve) => setTimeout(resolve, 5))
    const made = { ...MADE, tokens: 0 }
    expect(stopwatch.timings(made)).toMatchObject({
      promptTokensPerSecond: 0,
      tokensPerSecond: 0,
      completionMs: 0,
    })
    const ended = stopwatch.timings({ ...made, finishReason: 'stop' })
    expect(ended.promptMs).toBeGreaterThan(4)
    expect(ended.promptTokensPerSecond).toBeCloseTo((100 / ended.promptMs) * 1000, 6)
  })

  test('of a run that never started are 0', () => {
    expect(new Stopwatch().timings({ ...MADE, tokens: 0 })).toMatchObject({
      promptMs: 0,
      promptTokensPerSecond: 0,
    })
  })
})
