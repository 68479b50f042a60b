import { AsyncLocalStorage } from 'node:async_hooks'
import { getEventListeners } from 'node:events'
import { copyFile, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { afterAll, describe, expect, test } from 'vitest'
import { ContextOverflowError, GPT4All } from '../../src/index.ts'
import { collectUntil } from '../support/garbage.ts'
import { EMBEDDED } from '../support/models.ts'

// One thread: two that compute wait for each other at every barrier, and test runs share their cores.
const model = new GPT4All(EMBEDDED, { nThreads: 1 })
afterAll(() => model.close())

/** The prompt for one question, in the model's own format. */
const ask = (content: string) => model.renderPrompt([{ role: 'user', content }])

const GREEDY = { temp: 0, repeatPenalty: 1 } as const
const COUNTING = Array.from({ length: 20 }, (_, i) => i + 1).join(', ')

async function collect(pieces: AsyncIterable<string>): Promise<string[]> {
  const list: string[] = []
  for await (const piece of pieces) list.push(piece)
  return list
}

describe('generate()', () => {
  test('an awaited generation gives the text', async () => {
    expect(await model.generate('The capital of France is', { ...GREEDY, maxTokens: 3 })).toMatch(/^ Paris/)
  })

  test('an iterated generation gives pieces that add up to the text', async () => {
    const prompt = await ask('Count from 1 to 20.')
    const pieces = await collect(model.generate(prompt, GREEDY))
    expect(pieces.length).toBeGreaterThan(20)
    expect(pieces).not.toContain('')
    expect(pieces.join('')).toBe(`${COUNTING}.`)
    expect(await model.generate(prompt, { ...GREEDY, streaming: true })).toBe(`${COUNTING}.`)
  })

  test('the result says how a generation ended, what it cost and which seed repeats it', async () => {
    const result = await model.generate(await ask('Count from 1 to 20.'), GREEDY).result
    expect(result.finishReason).toBe('stop')
    expect(result.stopSequence).toBeUndefined()
    expect(result.tokens).toHaveLength(result.usage.completionTokens)
    expect(await model.detokenize(result.tokens)).toBe(result.text)
    expect(result.usage.promptTokens).toBe(await model.countTokens(await ask('Count from 1 to 20.')))
    expect(result.timings.tokensPerSecond).toBeGreaterThan(0)
    expect(result.seed).toBeGreaterThanOrEqual(0)
  })

  test('a generation stopped before it starts takes no time, and has no text', async () => {
    const generation = model.generate('Hello', GREEDY)
    generation.stop()
    expect(await generation.result).toMatchObject({ text: '', timings: { promptMs: 0, completionMs: 0 } })
  })

  test('a generation awaited, iterated and asked for its result at once runs only once', async () => {
    let tokens = 0
    const generation = model.generate(await ask('Count to 5.'), { ...GREEDY, callback: () => void tokens++ })
    const [text, pieces, result] = await Promise.all([generation, collect(generation), generation.result])
    expect(pieces.join('')).toBe(text)
    expect(result.text).toBe(text)
    expect(await collect(generation)).toEqual(pieces)
    expect(tokens).toBe(result.tokens.length)
  })

  test('a generation does nothing until its text is asked for', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'gpt4all-lazy-'))
    const lazy = new GPT4All(join(folder, 'later.gguf'), { nThreads: 1 })
    const generation = lazy.generate('hello', { maxTokens: 1 })
    await new Promise(setImmediate)
    expect(lazy.config).toBeUndefined()
    await copyFile(EMBEDDED, join(folder, 'later.gguf')) // it has not been looked for yet
    expect((await generation.result).tokens).toHaveLength(1)
    await lazy.close()
    await rm(folder, { recursive: true })
  })

  test('a generation is pulled: the model is no further than the reader', async () => {
    let made = 0
    const generation = model.generate(await ask('Count from 1 to 20.'), {
      ...GREEDY,
      callback: () => void made++,
    })
    let read = 0
    for await (const _ of generation) {
      read++
      await new Promise((resolve) => setImmediate(resolve))
      expect(made).toBeLessThanOrEqual(read + 1)
      if (read === 5) break
    }
  })

  test('a generation stops at maxTokens with "length"; nPredict wins over it; 0 generates nothing', async () => {
    const prompt = await ask('Count from 1 to 20.')
    const limited = await model.generate(prompt, { ...GREEDY, maxTokens: 4 }).result
    expect([limited.finishReason, limited.tokens.length]).toEqual(['length', 4])
    expect(
      (await model.generate(prompt, { ...GREEDY, maxTokens: 4, nPredict: 7 }).result).tokens,
    ).toHaveLength(7)
    expect(await model.generate(prompt, { ...GREEDY, maxTokens: 0 })).toBe('')
  })

  test('the same seed repeats a generation, also when it comes from a result', async () => {
    const options = { temp: 1.5, topK: 0, topP: 1, maxTokens: 30 }
    const first = await model.generate('Once upon a time', { ...options, seed: 42 }).result
    expect(await model.generate('Once upon a time', { ...options, seed: 42 })).toBe(first.text)
    const free = await model.generate('Once upon a time', options).result
    expect(await model.generate('Once upon a time', { ...options, seed: free.seed })).toBe(free.text)
    expect(free.text).not.toBe(first.text)
  })

  test('many generations on one model at once each get their own answer, in any order', async () => {
    const countries = ['France', 'Italy', 'Japan', 'Egypt', 'Norway', 'Peru', 'Kenya', 'Greece']
    const answers = await Promise.all(
      countries.map(async (name) => model.generate(await ask(`What is the capital of ${name}?`), GREEDY)),
    )
    const capitals = ['Paris', 'Rome', 'Tokyo', 'Cairo', 'Oslo', 'Lima', 'Nairobi', 'Athens']
    for (const [i, answer] of answers.entries()) expect(answer).toContain(capitals[i])
  })

  test('a generation inside the loop over another one does not lock up', async () => {
    const prompt = await ask('Count to 5.')
    const inner: string[] = []
    let outer = ''
    for await (const piece of model.generate(prompt, GREEDY)) {
      outer += piece
      if (inner.length < 2) inner.push(await model.generate(await ask('What is 2 plus 3?'), GREEDY))
    }
    expect(outer).toBe('1, 2, 3, 4, 5.')
    expect(inner.every((text) => text.includes('5'))).toBe(true)
  })

  test('a generation reuses what is cached of its prompt, and reports it', async () => {
    const fresh = await GPT4All.load(EMBEDDED, { nThreads: 1 })
    const prompt = await ask('Count from 1 to 20.')
    const first = await fresh.generate(prompt, GREEDY).result
    const second = await fresh.generate(`${prompt}1, 2`, GREEDY).result
    expect(first.usage.cachedTokens).toBe(0)
    expect(second.usage.cachedTokens).toBeGreaterThanOrEqual(first.usage.promptTokens - 1)
    expect(`1, 2${second.text}`).toBe(first.text)
    await fresh.close()
  })
})

describe('stop strings', () => {
  test('a stop string ends the text just before it, is in the result, and is never streamed', async () => {
    const prompt = await ask('Count from 1 to 20.')
    const generation = model.generate(prompt, { ...GREEDY, stop: ['nothing', ', 11, 1'] })
    const pieces = await collect(generation)
    const { text, stopSequence, finishReason } = await generation.result
    expect(pieces.join('')).toBe('1, 2, 3, 4, 5, 6, 7, 8, 9, 10')
    expect(text).toBe(pieces.join(''))
    expect([finishReason, stopSequence]).toEqual(['stop', ', 11, 1'])
  })

  test('the beginning of a stop string that never completes is part of the text', async () => {
    const text = await model.generate(await ask('Count to 5.'), { ...GREEDY, stop: '5. And so on' })
    expect(text).toBe('1, 2, 3, 4, 5.')
  })

  test('a stop string also cuts what the callback sees', async () => {
    const seen: string[] = []
    const callback = (_: number, piece: string) => void seen.push(piece)
    const text = await model.generate(await ask('Count from 1 to 20.'), { ...GREEDY, stop: '7', callback })
    expect(seen.join('')).toBe(text)
    expect(text).toBe('1, 2, 3, 4, 5, 6, ')
  })
})

describe('callback', () => {
  test('the callback gets every token id with its text', async () => {
    const ids: number[] = []
    const texts: string[] = []
    const callback = (id: number, piece: string) => {
      ids.push(id)
      texts.push(piece)
    }
    const prompt = await ask('Say it with emoji: I love cats')
    const result = await model.generate(prompt, { ...GREEDY, callback }).result
    expect(ids).toEqual(result.tokens)
    expect(texts.join('')).toBe(result.text)
    expect(texts).toContain('') // an emoji takes several tokens
  })

  test('a callback that returns false ends the generation normally', async () => {
    let count = 0
    const result = await model.generate(await ask('Count from 1 to 20.'), {
      ...GREEDY,
      callback: () => ++count < 5,
    }).result
    expect([result.finishReason, result.tokens.length]).toEqual(['callback', 5])
  })

  test('a callback that throws rejects with that error, and the model keeps working', async () => {
    const mine = new Error('mine')
    const generation = model.generate('Hello', {
      callback: () => {
        throw mine
      },
    })
    await expect(generation).rejects.toBe(mine)
    expect(generation.partial.tokens).toHaveLength(1)
    expect(await model.generate(await ask('Count to 5.'), GREEDY)).toBe('1, 2, 3, 4, 5.')
  })

  test('the callback runs in the async context of generate(), whichever reader pulls', async () => {
    const storage = new AsyncLocalStorage<string>()
    const seen = new Set<string | undefined>()
    const callback = () => void seen.add(storage.getStore())
    const generation = storage.run('caller', () => model.generate('Hello', { maxTokens: 3, callback }))
    await storage.run('reader', () => generation.result)
    expect([...seen]).toEqual(['caller'])
  })
})

describe('leaving', () => {
  test('break ends the generation, and the result says so', async () => {
    const generation = model.generate(await ask('Count from 1 to 20.'), GREEDY)
    for await (const piece of generation) if (piece.includes('3')) break
    const result = await generation.result
    expect(result.finishReason).toBe('break')
    expect(result.text).toBe('1, 2, 3')
    expect(await generation).toBe('1, 2, 3')
  })

  test('an abort rejects with the reason, keeps the partial text, and the next call works', async () => {
    const controller = new AbortController()
    const reason = new Error('enough')
    const generation = model.generate(await ask('Count from 1 to 20.'), {
      ...GREEDY,
      signal: controller.signal,
    })
    const read = async () => {
      for await (const piece of generation) if (piece.includes('4')) controller.abort(reason)
    }
    await expect(read()).rejects.toBe(reason)
    await expect(generation.result).rejects.toBe(reason)
    expect(generation.partial.text).toMatch(/^1, 2, 3, 4/)
    expect(await model.generate(await ask('Count to 5.'), GREEDY)).toBe('1, 2, 3, 4, 5.')
  })

  test('a signal aborted beforehand rejects without touching the model', async () => {
    const lazy = new GPT4All('there is no such model')
    await expect(lazy.generate('Hello', { signal: AbortSignal.abort() })).rejects.toThrow(/abort/i)
  })

  test('an abort inside a long prompt frees the model for the next call', async () => {
    const roomy = await GPT4All.load(EMBEDDED, { nThreads: 1, nCtx: 8192 })
    const controller = new AbortController()
    const long = roomy.generate('word '.repeat(4000), { maxTokens: 1, signal: controller.signal })
    const failed = expect(long).rejects.toBe('too long')
    setImmediate(() => controller.abort('too long'))
    await failed
    expect(await roomy.generate(await ask('Count to 5.'), GREEDY)).toBe('1, 2, 3, 4, 5.')
    await roomy.close()
  })

  test('aborting one of several waiting calls leaves the others alone', async () => {
    const controller = new AbortController()
    const prompt = await ask('Count to 5.')
    const calls = [
      model.generate(prompt, GREEDY).then(),
      model.generate(prompt, { ...GREEDY, signal: controller.signal }).then(),
      model.generate(prompt, GREEDY).then(),
    ]
    controller.abort('mine only')
    const [first, second, third] = await Promise.allSettled(calls)
    expect(first).toMatchObject({ value: '1, 2, 3, 4, 5.' })
    expect(second).toMatchObject({ reason: 'mine only' })
    expect(third).toMatchObject({ value: '1, 2, 3, 4, 5.' })
  })

  test('an abort and close() reject while a callback is awaited', async () => {
    const own = await GPT4All.load(EMBEDDED, { nThreads: 1 })
    const never = new Promise<boolean>(() => {})
    const controller = new AbortController()
    const aborted = own.generate('Hello', {
      signal: controller.signal,
      callback: () => {
        setImmediate(() => controller.abort('gone'))
        return never
      },
    })
    await expect(aborted).rejects.toBe('gone')
    const closed = own.generate('Hello', {
      callback: () => {
        setImmediate(() => own.close())
        return never
      },
    })
    await expect(closed).rejects.toThrow(expect.objectContaining({ code: 'ERR_CLOSED' }))
  })

  test('ended generations leave no listener on a signal that is used again', async () => {
    const { signal } = new AbortController()
    await model.generate('Hello', { signal, maxTokens: 3 })
    for await (const _ of model.generate('Hello', { signal })) break
    await expect(
      model.generate('Hello', { signal, callback: () => Promise.reject(new Error('mine')) }),
    ).rejects.toThrow('mine')
    expect(getEventListeners(signal, 'abort')).toEqual([])
  })

  test('an abandoned generation leaves no listener on its signal once it is garbage collected', async () => {
    const { signal } = new AbortController()
    await (async () => {
      const iterator = model.generate('Hello', { signal })[Symbol.asyncIterator]()
      await iterator.next()
    })()
    expect(getEventListeners(signal, 'abort')).toHaveLength(1)
    // The next generation takes over the slot of the one that is gone.
    await model.generate('Hello', { maxTokens: 1 })
    await collectUntil(() => getEventListeners(signal, 'abort').length === 0)
  })

  test('an abort between two steps, at any moment, leaves another call alone', async () => {
    const prompt = await ask('Count to 5.')
    for (let moment = 0; moment < 60; moment++) {
      const controller = new AbortController()
      const first = model.generate(prompt, { ...GREEDY, signal: controller.signal }).then()
      const second = model.generate(prompt, GREEDY).then()
      const settled = Promise.allSettled([first, second])
      for (let i = 0; i < moment; i++) await undefined
      controller.abort('enough')
      const [aborted, other] = await settled
      expect(aborted).toMatchObject({ reason: 'enough' })
      expect(other).toMatchObject({ value: '1, 2, 3, 4, 5.' })
    }
  })
})

describe('the context', () => {
  test('a prompt of nCtx - 4 tokens is accepted, and one more token refused before evaluating', async () => {
    const small = await GPT4All.load(EMBEDDED, { nThreads: 1, nCtx: 64 })
    const prompt = (tokens: number) => '7'.repeat(tokens) // digits are single tokens
    expect(await small.countTokens(prompt(60))).toBe(60)
    const fits = await small.generate(prompt(60), { ...GREEDY, maxTokens: Number.POSITIVE_INFINITY }).result
    expect(fits.tokens.length).toBeLessThanOrEqual(5)
    const error = await small.generate(prompt(61)).then(undefined, (reason: unknown) => reason)
    expect(error).toBeInstanceOf(ContextOverflowError)
    expect(error).toMatchObject({
      code: 'ERR_CONTEXT_OVERFLOW',
      promptTokens: 61,
      contextSize: 64,
      maxPromptTokens: 60,
    })
    await expect(small.generate(prompt(6100))).rejects.toMatchObject({ code: 'ERR_CONTEXT_OVERFLOW' })
    await small.close()
  })

  test('a full context ends the generation with "length" at exactly nCtx evaluated tokens', async () => {
    const small = await GPT4All.load(EMBEDDED, { nThreads: 1, nCtx: 50 })
    const prompt = await small.renderPrompt([{ role: 'user', content: 'Count from 1 to 100.' }])
    const result = await small.generate(prompt, { ...GREEDY, maxTokens: Number.POSITIVE_INFINITY }).result
    expect(result.finishReason).toBe('length')
    // The last token drawn needs no cell.
    expect(result.usage.promptTokens + result.tokens.length).toBe(50 + 1)
    expect(small.contextSize).toBe(50)
    await small.close()
  })
})

test('a logitBias that bans every token is ERR_OPTION, before anything is evaluated; one token less is not', async () => {
  await model.open()
  const size = model.config!.vocabularySize
  const ban = (from: number) =>
    Object.fromEntries(Array.from({ length: size - from }, (_, i) => [from + i, Number.NEGATIVE_INFINITY]))
  for (const temp of [0, 0.7]) {
    const refused = expect(model.generate('Hello', { temp, logitBias: ban(0) })).rejects
    await refused.toMatchObject({ code: 'ERR_OPTION', option: 'logitBias' })
    const { tokens } = await model.generate('Hello', { temp, logitBias: ban(1), maxTokens: 2 }).result
    expect(tokens.every((token) => token === 0)).toBe(true)
  }
})

describe('what console.log() shows of a generation', () => {
  test('is its state, and the text so far', async () => {
    const generation = model.generate('The capital of France is', { temp: 0, maxTokens: 3 })
    expect(inspect(generation)).toMatch(/^Generation \{ state: 'not started', text: '' \}$/)
    for await (const piece of generation) {
      expect(inspect(generation)).toBe(`Generation ${inspect({ state: 'running', text: piece })}`)
      break
    }
    expect(inspect(generation)).toContain("state: 'done'")
    const failed = model.generate('Hello', { signal: AbortSignal.abort(new Error('never')) })
    await expect(failed).rejects.toThrow('never')
    expect(inspect(failed)).toContain("state: 'failed'")
    expect(String(failed)).toBe('[object Generation]')
  })
})
