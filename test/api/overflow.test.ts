import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type ChatMessage, type ChatSession, ContextOverflowError, GPT4All } from '../../src/index.ts'
import { EMBEDDED } from '../support/models.ts'
import { tinyModel } from '../support/tiny-models.ts'

const GREEDY = { temp: 0, repeatPenalty: 1 } as const
const badOption = expect.objectContaining({ code: 'ERR_OPTION' })

describe('a conversation that outgrows the context', () => {
  const turns = (count: number): ChatMessage[] =>
    Array.from({ length: count }, (_, i) => [
      { role: 'user' as const, content: `What is ${i % 10} plus ${i % 7}?` },
      { role: 'assistant' as const, content: `${i % 10} plus ${i % 7} is ${(i % 10) + (i % 7)}.` },
    ]).flat()

  test('a conversation that outgrows the context loses its oldest turns, never the system prompt or the last message', async () => {
    const small = await GPT4All.load(EMBEDDED, { nThreads: 1, nCtx: 256 })
    const session = small.chatSession({ systemPrompt: 'Answer in upper case.', messages: turns(200) })
    const { text, dropped, usage } = await session.generate('What is the capital of France?', GREEDY).result
    expect(text).toBe('THE CAPITAL OF FRANCE IS PARIS.')
    expect(dropped.length).toBeGreaterThan(300)
    expect(dropped[0]).toEqual(turns(1)[0])
    expect(usage.promptTokens).toBeLessThanOrEqual(252)
    expect(session.messages).toHaveLength(403)
    // The next turn leaves out the same, so its prompt is in the cache.
    const next = await session.generate('What is 2 plus 3?', GREEDY).result
    expect(next.dropped).toEqual(dropped)
    expect(next.usage.cachedTokens).toBeGreaterThan(usage.promptTokens - 1)
    await small.close()
  })

  test("overflow 'error' refuses a conversation that does not fit, and a function shortens it", async () => {
    const small = await GPT4All.load(EMBEDDED, { nThreads: 1, nCtx: 128 })
    const messages = turns(40)
    const refused = small.chatSession({ messages, overflow: 'error' }).generate('Hello', GREEDY)
    await expect(refused).rejects.toBeInstanceOf(ContextOverflowError)
    const last = small
      .chatSession({ messages, overflow: (all) => all.slice(-1) })
      .generate('Count to 5.', GREEDY)
    expect(await last).toBe('1, 2, 3, 4, 5.')
    expect((await last.result).dropped).toHaveLength(80)
    const wild = [
      () => undefined,
      async () => messages.slice(0, 2),
      () => 'x',
      () => [{ role: 'bot' }],
      () => [],
    ]
    for (const overflow of wild as never[])
      await expect(small.chatSession({ messages, overflow }).generate('Hello')).rejects.toThrow(badOption)
    const spoiling = small.chatSession({ messages, overflow: (all) => (all as ChatMessage[]).splice(-1) })
    await spoiling.generate('Count to 5.', GREEDY)
    expect(spoiling.messages).toHaveLength(82)
    const tooMuch = small.chatSession({ messages, overflow: (all) => all }).generate('Hello', GREEDY)
    await expect(tooMuch).rejects.toBeInstanceOf(ContextOverflowError)
    await small.close()
  })

  test('turns are also dropped to make room for the answer: maxTokens, a quarter of nCtx at most', async () => {
    const small = await GPT4All.load(EMBEDDED, { nThreads: 1, nCtx: 128 })
    for (const maxTokens of [1, 4, 5, 20, 32, 33, 200]) {
      const room = Math.max(4, Math.min(maxTokens, 32))
      for (let digits = 1; digits <= 60; digits++) {
        const session = small.chatSession({ messages: turns(2) })
        const prompt = '7'.repeat(digits)
        const whole = await session.countTokens(prompt)
        if (whole < 128 - room - 1 || whole > 128 - room + 1) continue
        const { dropped } = await session.generate(prompt, { ...GREEDY, maxTokens }).result
        expect(dropped.length > 0, `${whole} tokens, maxTokens ${maxTokens}`).toBe(whole > 128 - room)
      }
    }
    await small.close()
  })

  test('result.dropped has the very messages that a function left out, also among equal ones', async () => {
    const messages = [1, 2, 3].flatMap((i): ChatMessage[] => [
      { role: 'user', content: `Remember ${i}${'1'.repeat(30)}.` },
      { role: 'assistant', content: 'OK.' },
    ])
    const small = await GPT4All.load(EMBEDDED, { nThreads: 1, nCtx: 128 })
    const overflow = async (all: readonly ChatMessage[]) => all.slice(-3) // a promise will do
    const session = small.chatSession({ messages, overflow })
    const { dropped } = await session.generate('Count to 5.', { ...GREEDY, maxTokens: 1 }).result
    expect(dropped).toEqual(messages.slice(0, 4))
    await small.close()
  })

  test("overflow 'stop' ends the turn at once and leaves the conversation as it was", async () => {
    const small = await GPT4All.load(EMBEDDED, { nThreads: 1, nCtx: 128 })
    const session = small.chatSession({ messages: turns(40), overflow: 'stop' })
    const { text, finishReason, usage, dropped } = await session.generate('Hello', GREEDY).result
    expect({ text, finishReason, dropped }).toEqual({ text: '', finishReason: 'length', dropped: [] })
    expect(usage).toMatchObject({ cachedTokens: 0, completionTokens: 0 })
    expect(usage.promptTokens).toBeGreaterThan(124)
    expect(session.messages).toEqual(turns(40))
    // A message that alone does not fit is refused, whatever stands before it.
    await expect(session.generate('7'.repeat(200), GREEDY)).rejects.toBeInstanceOf(ContextOverflowError)
    session.messages = turns(2)
    expect(await session.generate('Count to 5.', GREEDY)).toBe('1, 2, 3, 4, 5.')
    await small.close()
  })

  test('tokens that remain after dropping turns are moved in the cache, not evaluated again', async () => {
    const small = await GPT4All.load(EMBEDDED, { nThreads: 1, nCtx: 512 })
    const session = small.chatSession({ systemPrompt: 'You are a helpful assistant.' })
    const questions = Array.from({ length: 60 }, (_, i) => `What is ${i} plus ${(i * 7) % 10}?`)
    const drops: { evaluated: number; added: number; kept: number }[] = []
    let left = 0
    for (const question of questions) {
      const { text, usage, dropped } = await session.generate(question, GREEDY).result
      expect(text).toContain(' is ')
      if (dropped.length > left) {
        const added = await small.countTokens(question)
        drops.push({
          evaluated: usage.promptTokens - usage.cachedTokens,
          added,
          kept: usage.promptTokens,
        })
      }
      left = dropped.length
    }
    expect(drops.length).toBeGreaterThanOrEqual(2)
    for (const { evaluated, added, kept } of drops) {
      expect(kept).toBeGreaterThan(150)
      expect(evaluated).toBeLessThan(added + 16) // the new message, and the template around it
    }
    expect(await session.generate('What is the capital of France?', GREEDY)).toBe(
      'The capital of France is Paris.',
    )
    await small.close()
  })

  test('a conversation is unchanged after a turn that did not fit, or was aborted', async () => {
    const small = await GPT4All.load(EMBEDDED, { nThreads: 1, nCtx: 128 })
    for (const spoil of [
      (session: ChatSession) => session.generate('7'.repeat(400), GREEDY),
      (session: ChatSession) => {
        const controller = new AbortController()
        const callback = () => controller.abort('enough')
        return session.generate('7'.repeat(100), { ...GREEDY, callback, signal: controller.signal })
      },
    ]) {
      const session = small.chatSession()
      await session.generate('My name is Zorin.', GREEDY)
      await expect(spoil(session)).rejects.toBeDefined()
      const { text, dropped } = await session.generate('What is my name?', { ...GREEDY, maxTokens: 12 })
        .result
      expect(text).toContain('Zorin')
      expect(dropped).toEqual([])
    }
    await small.close()
  })

  test('a sliding-window model drops turns too, and evaluates the rest again', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'gpt4all-window-'))
    const path = join(folder, 'gemma3.gguf')
    writeFileSync(path, tinyModel('gemma3'))
    const window = await GPT4All.load(path, { nThreads: 1, nCtx: 256 })
    const session = window.chatSession()
    let dropped = 0
    for (let i = 0; i < 8; i++)
      dropped = (await session.generate(`what is number ${i}`, { maxTokens: 5 }).result).dropped.length
    expect(dropped).toBeGreaterThan(0)
    await window.close()
    rmSync(folder, { recursive: true })
  })

  test('a conversation of any length up to 100 times nCtx is answered', async () => {
    const small = await GPT4All.load(EMBEDDED, { nThreads: 1, nCtx: 128 })
    const all = turns(800)
    expect(await small.chatSession({ messages: all }).countTokens()).toBeGreaterThan(100 * 128)
    for (const length of [2, 8, 10, 12, 14, 16, 18, 20, 40, 200, 1600]) {
      const session = small.chatSession({ messages: all.slice(0, length) })
      const whole = await session.countTokens('Count to 5.')
      const { text, usage, dropped } = await session.generate('Count to 5.', GREEDY).result
      expect(usage.promptTokens).toBeLessThanOrEqual(124)
      expect(dropped.length > 0).toBe(whole > 128 - 32) // a quarter is left for the answer
      if (usage.promptTokens <= 100) expect(text).toBe('1, 2, 3, 4, 5.')
    }
    await small.close()
  }, 60_000)

  test('a prompt fits up to exactly nCtx - 4 tokens; a message that does not fit alone is refused with the numbers', async () => {
    const small = await GPT4All.load(EMBEDDED, { nThreads: 1, nCtx: 64 })
    const frame = await small.chatSession().countTokens('')
    for (let digits = 56 - frame; digits <= 64 - frame; digits++) {
      const prompt = '7'.repeat(digits)
      const session = small.chatSession({ messages: turns(3) })
      const tokens = await small.chatSession().countTokens(prompt)
      expect(tokens).toBe(frame + digits)
      const generation = session.generate(prompt, { ...GREEDY, maxTokens: Number.POSITIVE_INFINITY })
      if (tokens > 60) {
        await expect(generation).rejects.toMatchObject({
          promptTokens: tokens,
          contextSize: 64,
          maxPromptTokens: 60,
        })
        expect(session.messages).toHaveLength(6)
      } else {
        const { usage, dropped } = await generation.result
        expect(usage).toMatchObject({ promptTokens: tokens })
        expect(usage.promptTokens + usage.completionTokens).toBeLessThanOrEqual(65)
        expect(dropped).toHaveLength(6)
      }
    }
    await small.close()
  })
})
