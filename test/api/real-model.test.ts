import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { afterAll, describe, expect, test } from 'vitest'
import { GPT4All } from '../../src/index.ts'
import { hasReal, REAL } from '../support/models.ts'

describe.skipIf(!hasReal)('SmolLM2-135M', () => {
  const model = new GPT4All(REAL, { nThreads: 1 })
  afterAll(() => model.close())
  const ask = (content: string) => model.renderPrompt([{ role: 'user', content }])

  test('answers in its own chat format', async () => {
    const prompt = await ask('What is the capital of France?')
    expect(prompt).toContain('<|im_start|>user\nWhat is the capital of France?<|im_end|>')
    const result = await model.generate(prompt, { temp: 0, maxTokens: 40 }).result
    expect(result.text).toContain('Paris')
    expect(result.finishReason).toBe('stop')
  })

  test('writes whole characters whatever the tokens cut: streamed equals final, no U+FFFD', async () => {
    const prompt = '日本語の例文：今日は天気がいいです。🚀🎉😀🌍 Ünïcödé '
    for (const maxTokens of [1, 2, 3, 5, 8, 13, 21, 34]) {
      const generation = model.generate(prompt, { temp: 1, topK: 0, topP: 1, seed: maxTokens, maxTokens })
      let text = ''
      for await (const piece of generation) text += piece
      expect(text).toBe((await generation.result).text)
      expect(Buffer.from(text, 'utf8').toString('utf8')).toBe(text) // no lone surrogate
      expect(text).not.toContain('\uFFFD')
    }
  })

  test('a chat session evaluates no more than what its template adds, over 20 turns', async () => {
    const own = await GPT4All.load(REAL, { nThreads: 1 })
    const session = own.chatSession()
    const prompts: string[] = []
    const listen = (message: unknown) => void prompts.push((message as { prompt: string }).prompt)
    subscribe('gpt4all-ts:prompt', listen)
    let before = ''
    for (let turn = 0; turn < 20; turn++) {
      const asked = `Tell me something about the number ${turn}, please.`
      const { text, usage } = await session.generate(asked, {
        temp: 0.7,
        topP: 0.9,
        seed: turn,
        maxTokens: 30,
      }).result
      const prompt = prompts.at(-1)!
      expect(prompt.startsWith(before)).toBe(true)
      const suffix = await own.tokenize(prompt.slice(before.length), { parseSpecial: true })
      if (turn > 0) expect(usage.promptTokens - usage.cachedTokens).toBeLessThanOrEqual(suffix.length + 4)
      before = prompt + text
    }
    unsubscribe('gpt4all-ts:prompt', listen)
    expect(session.messages).toHaveLength(40)
    await own.close()
  })

  test('default stop strings end answers of pattern templates, and only those', async () => {
    const text = `${'The sun ### Human moon\n'.repeat(4)}The sun`
    const options = { temp: 0, repeatPenalty: 1, maxTokens: 12 }
    const raw = { promptTemplate: '%1' }
    const jinja = { chatTemplate: '{{ messages[-1].content }}' }
    const { text: stopped, stopSequence } = await model.chatSession(raw).generate(text, options).result
    expect({ stopped, stopSequence }).toEqual({ stopped: ' ', stopSequence: '### Human' })
    for (const free of [{ ...raw, defaultStops: false }, jinja])
      expect(await model.chatSession(free).generate(text, options)).toContain('### Human moon')
    const bound = model.chatSession({ ...jinja, defaultStops: true }).generate(text, options)
    expect(await bound).toBe(' ')
  })

  test('with its default sampling gives different texts, and the same with one seed', async () => {
    const run = (seed?: number) =>
      model.generate('Once upon a time', { maxTokens: 12, temp: 1, topP: 1, seed })
    expect(await run(7)).toBe(await run(7))
    expect(new Set([await run(1), await run(2), await run(3), await run(4)]).size).toBeGreaterThan(1)
  })
})
