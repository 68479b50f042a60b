import { describe, expect, test } from 'vitest'
import { binding, GREEDY, openModel, openTiny } from '../support/native-models.ts'
import { farthest, lines, open, ROUNDING, type Run, run, tokens } from '../support/schedulers.ts'
import type { TinyModel } from '../support/tiny-models.ts'
import { until } from '../support/until.ts'

describe('many sequences', () => {
  test('at once get the same results as alone, whatever waits and whatever runs beside them', async () => {
    const native = await openTiny('llama')
    const prompts = Array.from({ length: 50 }, (_, i) => tokens(i, 3 + ((i * 13) % 60)))
    for (const shape of [{ parallel: 1 }, { parallel: 4 }, { parallel: 32, cacheMemory: 0 }]) {
      const engine = await open(native, shape)
      const runs = await Promise.all(prompts.map((prompt) => run(engine, native, prompt, 8)))
      for (const [i, prompt] of prompts.entries())
        expect(await farthest(native, prompt, runs[i]?.drawn ?? [])).toBeLessThan(ROUNDING)
    }
  })

  test('get slots when they need them, not before', async () => {
    const native = await openTiny('llama')
    const engine = await open(native, { parallel: 6 })
    const grown = () => lines.filter((line) => line.includes('side by side'))
    await run(engine, native, tokens(1, 20), 4)
    await run(engine, native, tokens(2, 20), 4)
    expect(grown()).toEqual([])
    await Promise.all([1, 2].map((i) => run(engine, native, tokens(i, 20), 4)))
    expect(grown()).toEqual(['4 sequences side by side'])
    await Promise.all([1, 2, 3, 4, 5, 6].map((i) => run(engine, native, tokens(i, 20), 4)))
    expect(grown()).toEqual(['4 sequences side by side', '6 sequences side by side'])
  })

  test('share a prefix: the second copies it from the first, which is still running', async () => {
    const native = await openTiny('llama')
    const engine = await open(native)
    const start = tokens(1, 100)
    let second: Promise<Run> | undefined
    // The first lets go of its slot only after the second has begun.
    const first = run(engine, native, [...start, 7], 60, {
      onToken: () => {
        second ??= run(engine, native, [...start, 9], 4)
      },
    })
    await first
    expect(await farthest(native, [...start, 9], (await second)?.drawn ?? [])).toBeLessThan(ROUNDING)
    const third = run(engine, native, [...start, 11], 40)
    const fourth = run(engine, native, [...start, 13], 4)
    expect((await third).cachedTokens).toBe(100)
    expect((await fourth).cachedTokens).toBe(100)
  })

  test('that start together with the same prefix evaluate it once', async () => {
    const native = await openTiny('llama')
    const engine = await open(native, { contextSize: 512, parallel: 8 })
    const start = tokens(1, 180)
    for (const [begun, held] of [
      [[], [0, 180, 180, 180, 180, 180]],
      [tokens(9, 40), [180, 220, 220, 220, 220, 220]],
    ] as const) {
      const prompts = [1, 2, 3, 4, 5, 6].map((i) => [...start, ...begun, ...tokens(20 + i, 10)])
      const runs = await Promise.all(prompts.map((prompt) => run(engine, native, prompt, 8)))
      expect(runs.map(({ cachedTokens }) => cachedTokens).sort((a, b) => a! - b!)).toEqual(held)
      for (const [i, prompt] of prompts.entries())
        expect(await farthest(native, prompt, runs[i]!.drawn)).toBeLessThan(ROUNDING)
    }
  })

  test('that wait for a prefix of one that is aborted evaluate it themselves', async () => {
    const native = await openTiny('llama')
    const engine = await open(native, { parallel: 4, reserved: 4 })
    const giving = new AbortController()
    const start = tokens(1, 200)
    const first = engine.request({ looksUp: false, drafts: false })
    const sampler = new binding.Sampler(native.info.vocabSize, GREEDY)
    const given = first.next(start, { sampler, batchSize: 8, signal: giving.signal })
    const prompts = [1, 2].map((i) => [...start, ...tokens(20 + i, 10)])
    const others = prompts.map((prompt) => run(engine, native, prompt, 8, { batchSize: 8 }))
    while (first.cachedTokens === undefined) await new Promise(setImmediate) // until its first step is done
    expect(engine.activity).toEqual({ running: 1, queued: 2 })
    giving.abort('enough')
    await expect(given).rejects.toBe('enough')
    first.release()
    const [second, third] = await Promise.all(others)
    expect(second!.cachedTokens).toBeLessThan(200)
    expect(third!.cachedTokens).toBeGreaterThan(200 - 32) // what is not worth waiting for
    for (const [i, { drawn }] of [second!, third!].entries())
      expect(await farthest(native, prompts[i]!, drawn)).toBeLessThan(ROUNDING)
  })

  test('that are held back keep their places, and wait for no slower one', async () => {
    const native = await openTiny('llama')
    const engine = await open(native, { parallel: 2, reserved: 2 })
    const start = tokens(1, 200)
    const order: string[] = []
    const ask = (name: string, prompt: readonly number[], count: number, batchSize: number) =>
      run(engine, native, prompt, count, { batchSize, onToken: () => order.push(name) })
    const leader = ask('leader', start, 1, 8)
    const follower = ask('follower', [...start, ...tokens(21, 10)], 1, 8)
    const stranger = ask('stranger', tokens(50, 20), 1, 8)
    await Promise.all([leader, follower, stranger])
    expect(order[0]).toBe('leader')
    const slow = ask('slow', tokens(3, 200), 1, 2)
    const fast = ask('fast', [...tokens(3, 200), ...tokens(22, 10)], 1, 512)
    await Promise.all([slow, fast])
    expect(order.indexOf('fast')).toBeLessThan(order.indexOf('slow'))
    expect((await fast).cachedTokens).toBe(0)
  })

  test('are not held up by a long prompt, which is evaluated in slices between their tokens', async () => {
    const native = await openModel()
    const engine = await open(native, { contextSize: 2048 })
    await Promise.all([1, 2].map((i) => run(engine, native, tokens(i, 20), 20))) // grown, and measured
    let long: Promise<Run> | undefined
    let between = 0
    let done = false
    await run(engine, native, tokens(1, 20), 300, {
      onToken: () => {
        long ??= run(engine, native, tokens(5, 1500), 1).finally(() => {
          done = true
        })
        if (!done) between++
      },
    })
    await long
    expect(between).toBeGreaterThanOrEqual(2) // a step takes 512 tokens at most
  })
})

describe('a conversation that lost its slot', () => {
  const kinds: TinyModel[] = ['llama', 'lfm2', 'mamba']
  test.each(kinds)('comes back without being evaluated again: %s', async (kind) => {
    const native = await openTiny(kind)
    const engine = await open(native, { parallel: 1 })
    const prompts = [tokens(1, 120), tokens(2, 120), tokens(3, 120)]
    const drawn: number[][] = []
    for (const prompt of prompts) drawn.push([...(await run(engine, native, prompt, 4)).drawn])
    for (const [i, prompt] of prompts.entries()) {
      // The last drawn token was not evaluated.
      const next = [...prompt, ...(drawn[i] ?? []), 7, 8]
      const again = await run(engine, native, next, 4)
      expect(again.cachedTokens).toBe(123)
      expect(await farthest(native, next, again.drawn)).toBeLessThan(ROUNDING)
    }
  })

  test('is evaluated again if there is no memory for it', async () => {
    const native = await openTiny('llama')
    const engine = await open(native, { parallel: 1, cacheMemory: 0 })
    for (const seed of [1, 2]) await run(engine, native, tokens(seed, 120), 4)
    expect((await run(engine, native, tokens(1, 125), 1)).cachedTokens).toBeLessThan(2)
  })
})

describe('the cache of another conversation', () => {
  test('is reused correctly in every order: sliding windows, prefixes of saved ones, moved ones', async () => {
    for (const kind of ['gemma3', 'llama'] as const) {
      const native = await openTiny(kind)
      for (let seed = 0; seed < 10; seed++) {
        const engine = await open(native, { parallel: 1 })
        const whole = tokens(seed, 120)
        await run(engine, native, whole, 3)
        await run(engine, native, tokens(seed + 50, 120), 3)
        const begun = [...whole.slice(0, 70), ...tokens(seed + 90, 5)]
        const again = await run(engine, native, begun, 4)
        expect(await farthest(native, begun, again.drawn), `${kind} ${seed}`).toBeLessThan(ROUNDING)
        // Whoever shares a beginning leaves the whole to whom it belongs to.
        if (kind === 'llama')
          expect((await run(engine, native, [...whole, 9], 1)).cachedTokens).toBeGreaterThanOrEqual(119)
      }
    }
  })

  test('is never moved, even if later tokens are the same', async () => {
    const native = await openTiny('llama')
    for (let seed = 0; seed < 10; seed++) {
      const engine = await open(native, { parallel: 1 })
      const [start, tail] = [tokens(seed, 20), tokens(seed + 30, 30)]
      await run(engine, native, [...start, ...tokens(seed + 60, 40), ...tail], 2, { conversation: {} })
      const mine = [...start, ...tail, 7]
      const moved = await run(engine, native, mine, 4, { conversation: {}, moved: true })
      expect(await farthest(native, mine, moved.drawn), `${seed}`).toBeLessThan(ROUNDING)
      expect(moved.cachedTokens).toBeLessThanOrEqual(20)
    }
  })
})

describe('guessing from earlier text', () => {
  test.each(['llama', 'gemma3', 'mamba'] as const)('changes only the number of steps: %s', async (kind) => {
    const native = await openTiny(kind)
    const engine = await open(native)
    let accepted = 0
    for (let seed = 0; seed < 12; seed++) {
      // Random weights fall into loops, which are easy to guess.
      const prompt = tokens(seed, 20)
      const plain = await run(engine, native, prompt, 60)
      const guessed = await run(engine, native, prompt, 60, { looksUp: true })
      expect(await farthest(native, prompt, guessed.drawn)).toBeLessThan(ROUNDING)
      expect(plain.proposed).toBe(0)
      accepted += guessed.accepted
    }
    if (kind === 'mamba') expect(accepted).toBe(0)
    else expect(accepted).toBeGreaterThan(0)
  })

  test('ends at the last cell of the context, and at the last token that is requested', async () => {
    const native = await openTiny('llama')
    const engine = await open(native, { contextSize: 64 })
    const loop = Array.from({ length: 30 }, (_, i) => 10 + (i % 3))
    for (const count of [1, 2, 3, 5, 35]) {
      const { drawn } = await run(engine, native, loop, count, { looksUp: true })
      expect(drawn).toHaveLength(count)
    }
  })
})

describe('the queue of requests', () => {
  test('is served in order of arrival', async () => {
    const native = await openTiny('llama')
    const engine = await open(native, { parallel: 1 })
    const order: number[] = []
    const all = [0, 1, 2, 3, 4].map((i) => run(engine, native, tokens(i, 20), 5).then(() => order.push(i)))
    await Promise.all(all)
    expect(order).toEqual([0, 1, 2, 3, 4])
  })

  test('refuses requests when it is full, and has room again after an abort', async () => {
    const native = await openTiny('llama')
    const engine = await open(native, { parallel: 1, maxQueue: 1 })
    const controller = new AbortController()
    const first = run(engine, native, tokens(1, 20), 50)
    const second = run(engine, native, tokens(2, 20), 50, { signal: controller.signal })
    const full = { code: 'ERR_QUEUE_FULL' }
    await expect(run(engine, native, tokens(3, 20), 5)).rejects.toMatchObject(full)
    controller.abort('changed my mind')
    await expect(second).rejects.toBe('changed my mind')
    const third = run(engine, native, tokens(3, 20), 5)
    await expect(run(engine, native, tokens(4, 20), 5)).rejects.toMatchObject(full)
    expect((await first).drawn).toHaveLength(50)
    expect((await third).drawn).toHaveLength(5)
    await run(engine, native, tokens(5, 20), 5)
  })

  test('serves the first request first, however long its prompt takes to render', async () => {
    const native = await openTiny('llama')
    const engine = await open(native, { parallel: 1, maxQueue: 3 })
    const sampler = new binding.Sampler(native.info.vocabSize, GREEDY)
    const order: string[] = []
    let first: Promise<void> | undefined
    const running = run(engine, native, tokens(1, 20), 2, {
      onToken() {
        first ??= made() // while it runs and two others wait
      },
    })
    const slow = engine.request({ looksUp: false, drafts: false })
    const made = async () => {
      const drawn = slow.next(tokens(5, 20), { sampler, batchSize: 512, signal: undefined })
      expect(engine.activity).toEqual({ running: 1, queued: 3 })
      await drawn
      order.push('first')
      slow.release()
    }
    const ask = (name: string, seed: number) =>
      run(engine, native, tokens(seed, 20), 1, { onToken: () => order.push(name) })
    const others = [ask('second', 2), ask('third', 3)]
    expect(engine.activity).toEqual({ running: 0, queued: 4 })
    await expect(ask('fourth', 4)).rejects.toMatchObject({ code: 'ERR_QUEUE_FULL' })
    await Promise.all([running, ...others])
    await first
    expect(order).toEqual(['first', 'second', 'third'])
    expect(engine.activity).toEqual({ running: 0, queued: 0 })
  })

  test('does not count a reader that has left', async () => {
    const native = await openTiny('llama')
    const engine = await open(native, { parallel: 1, maxQueue: 0 })
    const idle = engine.request({ looksUp: false, drafts: false })
    const sampler = new binding.Sampler(native.info.vocabSize, GREEDY)
    await idle.next(tokens(1, 20), { sampler, batchSize: 512, signal: undefined })
    const attempt = () => run(engine, native, tokens(2, 20), 2).then(({ drawn }) => drawn.length)
    await expect(attempt()).rejects.toMatchObject({ code: 'ERR_QUEUE_FULL' })
    await until(async () => expect(await attempt()).toBe(2))
    idle.release()
  })

  test('rejects when the engine closes, also while its context grows', async () => {
    const native = await openTiny('llama')
    for (const turns of [0, 1, 2, 3, 5, 8]) {
      const engine = await open(native, { parallel: 16 })
      const runs = [1, 2, 3, 4, 5].map((i) =>
        run(engine, native, tokens(i, 100), 100).catch((error) => error.code),
      )
      for (let turn = 0; turn < turns; turn++) await new Promise(setImmediate)
      await engine.close()
      expect(await Promise.all(runs)).toEqual(Array(5).fill('ERR_CLOSED'))
    }
  })
})
