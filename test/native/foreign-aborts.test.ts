import { describe, expect, test } from 'vitest'
import { openContext, openTiny } from '../support/native-models.ts'
import { lines, open, run, tokens } from '../support/schedulers.ts'
import type { TinyModel } from '../support/tiny-models.ts'

const ROUNDS = 40
const turns = async (count: number) => {
  for (let i = 0; i < count; i++) await new Promise(setImmediate)
}
const lost = () => lines.filter((line) => /the cache of a conversation|prompt is evaluated again/.test(line))

describe('an abort of another conversation', () => {
  test.each<TinyModel>(['llama', 'lfm2', 'mamba'])('loses no state that it displaces: %s', async (kind) => {
    const native = await openTiny(kind)
    const engine = await open(native, { parallel: 1 })
    const mine = tokens(1, 120)
    let said = [...mine, ...(await run(engine, native, mine, 4)).drawn]
    for (let round = 0; round < ROUNDS; round++) {
      const giving = new AbortController()
      const other = run(engine, native, tokens(2 + round, 100), 20, { signal: giving.signal }).catch(() => {})
      await turns(round % 10)
      giving.abort()
      const again = await run(engine, native, [...said, 7], 1)
      expect(again.cachedTokens, `round ${round}`).toBe(said.length - 1) // the last drawn token was not evaluated
      said = [...said, 7, ...again.drawn]
      await other
    }
    expect(lost()).toEqual([])
  })

  test('does not affect reading, copying and restoring a conversation', async () => {
    const native = await openTiny('llama')
    const engine = await open(native, { parallel: 3, reserved: 3 })
    const conversation = {}
    const start = tokens(1, 100)
    const mine = [...start, ...tokens(3, 60)]
    await run(engine, native, mine, 1, { conversation })
    for (let round = 0; round < ROUNDS; round++) {
      const giving = new AbortController()
      const other = run(engine, native, tokens(2, 200), 40, { signal: giving.signal }).catch(() => {})
      await turns(round % 5)
      const state = engine.stateOf(conversation, mine)
      const copied = run(engine, native, [...start, 5 + round], 1)
      await turns(round % 3)
      giving.abort()
      expect((await state)?.tokens).toEqual(mine)
      expect((await copied).cachedTokens).toBe(100)
      await other
    }
    expect(lost()).toEqual([])
  })
})

describe('the reading of a state', () => {
  test('while the context grows gives a whole state, or none', async () => {
    const native = await openTiny('llama')
    const start = tokens(1, 100)
    const context = await openContext(native, { contextSize: 256 })
    for (let round = 0; round < ROUNDS; round++) {
      const conversation = {}
      const engine = await open(native, { parallel: 4 })
      await run(engine, native, start, 1, { conversation })
      const others = [2, 3].map((seed) => run(engine, native, tokens(seed, 40), 2))
      await turns(round % 4)
      for (let i = 0; i < round; i++) await null
      const state = await engine.stateOf(conversation, start)
      expect(state?.tokens, `round ${round}`).toEqual(start)
      await context.restore(0, state!.bytes)
      expect((await context.positions(0)).max, `round ${round}`).toBe(start.length - 1)
      await Promise.all(others)
    }
  })

  test('of a model that is closed rejects with a typed error', async () => {
    const native = await openTiny('llama')
    for (let round = 0; round < ROUNDS; round++) {
      const conversation = {}
      const engine = await open(native, { parallel: 1 })
      await run(engine, native, tokens(1, 100), 1, { conversation })
      const state = engine.stateOf(conversation, tokens(1, 100)).catch((error: unknown) => error)
      for (let i = 0; i < round % 8; i++) await null
      await engine.close()
      const outcome = await state
      if (outcome instanceof Error) expect(outcome).toMatchObject({ name: 'ClosedError', code: 'ERR_CLOSED' })
    }
  })
})
