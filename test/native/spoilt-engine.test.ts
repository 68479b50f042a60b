import { describe, expect, test } from 'vitest'
import { farthest, open, ROUNDING, run, tokens } from '../support/schedulers.ts'
import { drawingSpoilt, openSpoilt, SPOILT } from '../support/spoilt-models.ts'

const FAILED = expect.objectContaining({
  code: 'ERR_DECODE',
  message: expect.stringMatching(/The model failed: .* not numbers\. .* damaged.*verifyModel\(\)/),
})

describe('a conversation whose logits are not numbers', () => {
  test.each(['llama', 'lfm2', 'deepseek4'])(
    'fails alone, and does not change the results of others beside it or after it in its slot: %s',
    async (name) => {
      const native = await openSpoilt(name)
      const cache = { flashAttention: 'off', keyType: 'f16', valueType: 'f16' } as const
      const engine = await open(native, { parallel: 3, reserved: 3, cache })
      const good = [tokens(1, 20), tokens(2, 30)].map((all) =>
        all.map((token) => (token === SPOILT ? 7 : token)),
      )
      for (let round = 0; round < 3; round++) {
        const bad = [...tokens(3, 10 + round), SPOILT]
        const [failed, ...drawn] = await Promise.all([
          run(engine, native, bad, 8).catch((error: unknown) => error),
          ...good.map((prompt) => run(engine, native, prompt, 8)),
        ])
        expect(failed).toEqual(FAILED)
        for (const [i, prompt] of good.entries())
          expect(await farthest(native, prompt, drawn[i]!.drawn)).toBeLessThan(ROUNDING)
      }
    },
  )

  test('returns the tokens sampled before, then fails, and can start again', async () => {
    const native = await openSpoilt('llama')
    const engine = await open(native)
    const sequence = engine.request({ looksUp: false, drafts: false })
    const options = { sampler: drawingSpoilt(native), batchSize: 64, signal: undefined }
    const drawn: number[] = []
    let next: readonly number[] = tokens(1, 20)
    const going = async () => {
      while (drawn.length < 20) {
        next = (await sequence.next(next, { ...options, most: 20 - drawn.length })).tokens
        drawn.push(...next)
      }
    }
    await expect(going()).rejects.toThrow(FAILED)
    expect(drawn.at(-1)).toBe(SPOILT)
    expect(drawn.length).toBeGreaterThan(1)
    sequence.release()
    const again = await run(engine, native, tokens(1, 20), 8)
    expect(await farthest(native, tokens(1, 20), again.drawn)).toBeLessThan(ROUNDING)
  })
})
