import { describe, expect, test } from 'vitest'
import type { NativeBinding, NativeContext } from '../../src/native/contract.ts'
import { binding, GREEDY, openTiny } from '../support/native-models.ts'
import { farthest, lines, open, ROUNDING, run, tokens } from '../support/schedulers.ts'

/** The addon, and how many tokens its contexts have evaluated. */
function counting(): { readonly addon: NativeBinding; readonly evaluated: () => number } {
  let evaluated = 0
  const create = async (...given: Parameters<typeof binding.Context.create>) => {
    const context = await binding.Context.create(...given)
    const counted: NativeContext = Object.create(context, {
      info: { value: context.info },
      eval: {
        value: (...args: Parameters<NativeContext['eval']>) => {
          for (const entry of args[0]) evaluated += entry.tokens.length
          return context.eval(...args)
        },
      },
    })
    for (const name of ['restore', 'save', 'copy', 'remove', 'positions', 'shift', 'setThreads'] as const)
      Object.defineProperty(counted, name, { value: (context[name] as () => unknown).bind(context) })
    for (const name of ['abort', 'close', 'endRun'] as const)
      Object.defineProperty(counted, name, { value: context[name].bind(context) })
    return counted
  }
  return { addon: { ...binding, Context: { create } }, evaluated: () => evaluated }
}

describe('a context that grows', () => {
  test('grows before a shared prefix is evaluated, not afterwards', async () => {
    const native = await openTiny('llama')
    const engine = await open(native, { parallel: 8 })
    const start = tokens(1, 200)
    let others: ReturnType<typeof run>[] = []
    const first = engine.request({ looksUp: false, drafts: false })
    const sampler = new binding.Sampler(native.info.vocabSize, GREEDY)
    const leading = first.next(start, { sampler, batchSize: 8, signal: undefined })
    while (first.cachedTokens === undefined) await new Promise(setImmediate) // it is at it
    others = [1, 2, 3].map((i) => run(engine, native, [...start, ...tokens(20 + i, 10)], 4, { batchSize: 8 }))
    await leading
    first.release()
    for (const { cachedTokens } of await Promise.all(others)) expect(cachedTokens).toBeGreaterThan(200 - 32)
    expect(lines.filter((line) => line.includes('side by side'))).toEqual(['4 sequences side by side'])
  })
})

describe('a context that grows late', () => {
  test('keeps the contents of its slots: nothing of a running stream is evaluated again', async () => {
    const native = await openTiny('llama')
    const { addon, evaluated } = counting()
    const engine = await open(native, { parallel: 4 }, addon)
    const long = tokens(1, 200)
    const sampler = new binding.Sampler(native.info.vocabSize, GREEDY)
    const stream = engine.request({ looksUp: false, drafts: false })
    const drawn: number[] = []
    let next = await stream.next(long, { sampler, batchSize: 512, signal: undefined, most: 1 })
    drawn.push(...next.tokens)
    const before = evaluated()
    const other = run(engine, native, tokens(2, 50), 4)
    for (let i = 0; i < 8; i++) {
      next = await stream.next(next.tokens, { sampler, batchSize: 512, signal: undefined, most: 1 })
      drawn.push(...next.tokens)
    }
    await other
    stream.release()
    expect(lines.filter((line) => line.includes('side by side'))).toEqual(['4 sequences side by side'])
    expect(evaluated() - before).toBeLessThan(50 + 4 + 8 + 4)
    expect(await farthest(native, long, drawn)).toBeLessThan(ROUNDING)
  })
})

describe('conversations that take turns', () => {
  test.each(['llama', 'gemma3'] as const)('keep their slots while there are enough: %s', async (kind) => {
    const native = await openTiny(kind)
    const engine = await open(native, { parallel: 4, reserved: 4, cacheMemory: 0 })
    const system = tokens(9, 40)
    const chats = [1, 2, 3].map((i) => ({ conversation: {}, said: [...system, ...tokens(i, 60)] }))
    for (let turn = 0; turn < 3; turn++) {
      for (const chat of chats) {
        const { conversation, said } = chat
        const { drawn, cachedTokens } = await run(engine, native, said, 4, { conversation })
        if (turn > 0) expect(cachedTokens).toBe(said.length - 4) // the last drawn, and what was added
        expect(await farthest(native, said, drawn)).toBeLessThan(ROUNDING)
        chat.said = [...said, ...drawn, 7, 8, 9]
      }
    }
  })
})

describe('a request that is aborted while its conversation is restored', () => {
  test('is not evaluated any further', async () => {
    const native = await openTiny('llama')
    const { addon, evaluated } = counting()
    const engine = await open(native, { parallel: 1 }, addon)
    const first = tokens(1, 120)
    await run(engine, native, first, 4)
    await run(engine, native, tokens(2, 120), 4)
    const before = evaluated()
    const controller = new AbortController()
    const again = run(engine, native, [...first, 7, 8], 4, { signal: controller.signal })
    while (!lines.some((line) => line.startsWith('bringing back'))) await new Promise(process.nextTick)
    controller.abort('changed my mind')
    await expect(again).rejects.toBe('changed my mind')
    const { cachedTokens } = await run(engine, native, [...first, 9], 1)
    expect(evaluated() - before).toBe(first.length + 1 - cachedTokens!)
    expect(cachedTokens).toBeGreaterThan(100)
  })
})

describe('guessing', () => {
  test('continues while others wait for the only slot', async () => {
    const native = await openTiny('llama')
    const engine = await open(native, { parallel: 1 })
    const loop = Array.from({ length: 30 }, (_, i) => 10 + (i % 3))
    const runs = await Promise.all([1, 2].map(() => run(engine, native, loop, 60, { looksUp: true })))
    for (const { proposed, drawn } of runs) {
      expect(proposed).toBeGreaterThan(0)
      expect(await farthest(native, loop, drawn)).toBeLessThan(ROUNDING)
    }
  })
})
