import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { GPT4All, type Part } from '../../src/index.ts'
import { EMBEDDED } from '../support/models.ts'

// The embedded model repeats what it is told and was trained on this very frame: so it "thinks" when it is asked to.
const templates = join(import.meta.dirname, '../../vendor/llama.cpp/models/templates')
const chatTemplate = readFileSync(join(templates, 'Qwen-Qwen3-0.6B.jinja'), 'utf8')
const model = new GPT4All(EMBEDDED, { nThreads: 1 })
afterAll(() => model.close())

const GREEDY = { temp: 0, repeatPenalty: 1 } as const
const THINK = 'Repeat: <think>I see.</think>It is 5.'
const thought = { text: 'It is 5.', reasoning: 'I see.' }

describe('a reasoning model', () => {
  test('has its answer in the text, and its reasoning in result.reasoning', async () => {
    const session = model.chatSession({ chatTemplate })
    const { text, reasoning, usage } = await session.generate(THINK, GREEDY).result
    expect({ text, reasoning }).toEqual(thought)
    expect(usage.completionTokens).toBeGreaterThan(4)
    expect(session.messages.at(-1)).toEqual({ role: 'assistant', content: 'It is 5.', reasoning: 'I see.' })
  })

  test('streams only the answer; parts() gives both, each with its channel', async () => {
    const generation = model.chatSession({ chatTemplate }).generate(THINK, GREEDY)
    const parts: Part[] = []
    for await (const part of generation.parts()) parts.push(part)
    const joined = (channel: string) =>
      parts.map((part) => (part.channel === channel ? part.text : '')).join('')
    expect(joined('reasoning')).toBe('I see.')
    expect(joined('answer')).toBe('It is 5.')
    expect(parts.findLastIndex(({ channel }) => channel === 'reasoning')).toBeLessThan(
      parts.findIndex(({ channel }) => channel === 'answer'),
    )
    expect(parts.length).toBeGreaterThan(4)
    const pieces: string[] = []
    for await (const piece of generation) pieces.push(piece)
    expect(pieces.join('')).toBe('It is 5.')
  })

  test('passes to the callback the text that each token adds to the answer', async () => {
    const pieces: string[] = []
    const callback = (_: number, piece: string) => void pieces.push(piece)
    const { tokens } = await model.chatSession({ chatTemplate }).generate(THINK, { ...GREEDY, callback })
      .result
    expect(pieces.join('')).toBe('It is 5.')
    expect(pieces.length).toBeGreaterThanOrEqual(tokens.length)
  })

  test('that is cut off while it thinks has no answer', async () => {
    const session = model.chatSession({ chatTemplate })
    const { text, reasoning, finishReason } = await session.generate(THINK, { ...GREEDY, maxTokens: 6 })
      .result
    expect(text).toBe('')
    expect('I see.').toContain(reasoning)
    expect(reasoning).not.toBe('')
    expect(finishReason).toBe('length')
  })

  test.each([1, 2, 3, 4, 5, 6, 8, 10, 12, 14])(
    'that is cut off after %d tokens never shows a tag, and continues from there',
    async (maxTokens) => {
      const session = model.chatSession({ chatTemplate })
      const generation = session.generate(THINK, { ...GREEDY, maxTokens })
      let streamed = ''
      for await (const { channel, text } of generation.parts()) if (channel === 'reasoning') streamed += text
      const { text, reasoning } = await generation.result
      expect(thought.text.startsWith(text)).toBe(true)
      expect(thought.reasoning.startsWith(reasoning)).toBe(true)
      expect(streamed).toBe(reasoning)
      if (reasoning === '') return // there is nothing yet to go on with
      await session.continue(GREEDY)
      expect(session.messages.at(-1)).toEqual({ role: 'assistant', content: 'It is 5.', reasoning: 'I see.' })
    },
  )

  test('that is aborted while it thinks leaves what it thought in partial', async () => {
    const controller = new AbortController()
    const generation = model
      .chatSession({ chatTemplate })
      .generate(THINK, { ...GREEDY, signal: controller.signal })
    await expect(
      (async () => {
        for await (const _ of generation.parts()) controller.abort('enough')
      })(),
    ).rejects.toBe('enough')
    expect(generation.partial.text).toBe('')
    expect('I see.').toContain(generation.partial.reasoning)
  })

  test('does not think with enableThinking: false in a session or turn, or if the answer is begun', async () => {
    const prompts: string[] = []
    const logger = { debug() {}, info: (line: string) => void prompts.push(line), warn() {}, error() {} }
    const logged = await GPT4All.load(EMBEDDED, { nThreads: 1, logger })
    const off = logged.chatSession({ chatTemplate, enableThinking: false })
    await off.generate('Hello', { ...GREEDY, maxTokens: 1 })
    const on = logged.chatSession({ chatTemplate })
    await on.generate('Hello', { ...GREEDY, maxTokens: 1, enableThinking: false })
    await on.generate('Hello', { ...GREEDY, maxTokens: 1, prefill: 'Well, ' })
    await on.generate('Hello', { ...GREEDY, maxTokens: 1 })
    const [first, second, third, last] = prompts.filter((line) => line.startsWith('prompt of'))
    for (const prompt of [first, second]) expect(prompt).toMatch(/<think>\n\n<\/think>\n\n$/)
    expect(third).toMatch(/<\/think>\n\nWell, $/)
    expect(last).toMatch(/<\|im_start\|>assistant\n$/)
    await logged.close()
  })

  test("sees its earlier reasoning as the template says, or by 'keep' and 'strip'", async () => {
    const source =
      '{% for m in messages %}<|im_start|>{{ m.role }}\n{% if m.reasoning_content and (preserve_thinking | default(false)) %}<think>{{ m.reasoning_content }}</think>{% endif %}{{ m.content }}<|im_end|>\n{% endfor %}<|im_start|>assistant\n{% if false %}<think></think>{% endif %}'
    const messages = [
      { role: 'user', content: 'One' },
      { role: 'assistant', content: 'Two', reasoning: 'Three' },
    ] as const
    const lengthWith = (options: { reasoning?: 'keep' | 'strip' }) =>
      model.chatSession({ chatTemplate: source, messages, ...options }).countTokens('Four')
    const [byDefault, kept, stripped] = await Promise.all([
      lengthWith({}),
      lengthWith({ reasoning: 'keep' }),
      lengthWith({ reasoning: 'strip' }),
    ])
    expect(kept).toBeGreaterThan(byDefault)
    expect(stripped).toBe(byDefault)
  })

  test('keeps the cache up to where the template rewrites the past', async () => {
    const session = model.chatSession({ chatTemplate, systemPrompt: 'You are a helpful assistant.' })
    const first = await session.generate(THINK, GREEDY).result
    const second = await session.generate('Count to 5.', GREEDY).result
    // The first answer lost its reasoning: what stood before it is still there.
    expect(second.usage.cachedTokens).toBeGreaterThanOrEqual(first.usage.promptTokens - 1)
    expect(second.usage.cachedTokens).toBeLessThan(first.usage.promptTokens + first.usage.completionTokens)
    const fresh = model.chatSession({ chatTemplate, messages: session.messages.slice(0, 3) })
    expect(await fresh.generate('Count to 5.', GREEDY)).toBe(second.text)
  })

  test("does not take a user's text for its tags", async () => {
    const session = model.chatSession({ chatTemplate })
    const { text, reasoning } = await session.generate('Repeat: a <think> b', GREEDY).result
    expect({ text, reasoning }).toEqual({ text: 'a <think> b', reasoning: '' })
    expect(session.messages[0]).toEqual({ role: 'user', content: 'Repeat: a <think> b' })
    // Nor does a tag in a message take away what stands before it, as the template does with the model's own.
    const told = model.chatSession({
      chatTemplate,
      messages: [
        { role: 'user', content: 'My name is Zorin.' },
        { role: 'assistant', content: 'Hello Zorin </think> and welcome.' },
      ],
    })
    expect(await told.countTokens('Hi')).toBeGreaterThan(
      await model.chatSession({ chatTemplate }).countTokens('My name is Zorin. Hello Zorin'),
    )
  })

  test('returns its raw text from generate() outside a session', async () => {
    const prompt = await model.renderPrompt([{ role: 'user', content: THINK }], { chatTemplate })
    expect(await model.generate(prompt, GREEDY)).toBe('<think>I see.</think>It is 5.')
  })
})
