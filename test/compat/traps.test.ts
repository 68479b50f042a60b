import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import {
  type CompletionInput,
  type CompletionOptions,
  type CompletionResult,
  createCompletion,
  DEFAULT_PROMPT_CONTEXT,
  type InferenceModel,
  loadModel,
} from '../../src/compat/index.ts'
import {
  BARE_MODEL,
  CHAT_MODEL,
  CHATML,
  type Gallery,
  makeGallery,
  UNLISTED_MODEL,
} from '../support/gallery.ts'

// Where gpt4all 4.0.0 does other than its documentation says, the documentation holds here. Tests with the same number in
// their titles, here and in the files beside this one, are about the same difference.

const CAPITAL = 'What is the capital of France?'
const GREEDY = { temp: 0, repeatPenalty: 1 } as const
/** Any of 40 tokens is as likely as another: the text is noise. */
const HOT = { temperature: 1000, topP: 1, nPredict: 20, repeatPenalty: 1 } as const

let gallery: Gallery
let model: InferenceModel
const loaded: InferenceModel[] = []

beforeAll(async () => {
  gallery = await makeGallery()
  vi.stubEnv('GPT4ALL_MODELS_URL', gallery.env.GPT4ALL_MODELS_URL)
  model = await load()
})
afterEach(() => {
  for (const one of loaded.splice(1)) one.dispose()
})
afterAll(async () => {
  for (const one of loaded) one.dispose()
  vi.unstubAllEnvs()
  await gallery.close()
})

async function load(name: string = CHAT_MODEL, options = {}): Promise<InferenceModel> {
  const one = await loadModel(name, {
    modelPath: gallery.models,
    modelConfigFile: gallery.catalog,
    ...options,
  })
  one.llm.setThreadCount(1)
  loaded.push(one)
  return one
}

const textOf = ({ choices }: CompletionResult) => choices[0]!.message.content
const ask = async (input: CompletionInput, options: CompletionOptions = {}) =>
  textOf(await createCompletion(model, input, { ...GREEDY, ...options }))
const noiseOf = (input: CompletionInput, options: Partial<CompletionOptions> = {}) =>
  createCompletion(model, input, { ...HOT, ...options }).then(textOf)

describe('messages', () => {
  test('1. one message in an array is answered as its text is, and none is an error', async () => {
    const alone = await ask([{ role: 'user', content: CAPITAL }])
    expect(alone).toContain('Paris')
    expect(alone).toBe(await ask(CAPITAL))
    await expect(createCompletion(model, [])).rejects.toThrow()
    const unanswered = createCompletion(model, [
      { role: 'user', content: CAPITAL },
      { role: 'assistant', content: 'Paris.' },
    ])
    await expect(unanswered).rejects.toThrow("The final message must be of role 'user'.")
  })

  test('2. usage has numbers, with a system message and earlier turns too', async () => {
    const { usage } = await createCompletion(
      model,
      [
        { role: 'system', content: '<|im_start|>system\nAnswer in upper case.<|im_end|>\n' },
        { role: 'user', content: 'My name is Ada.' },
        { role: 'assistant', content: 'Hello, Ada.' },
        { role: 'user', content: CAPITAL },
      ],
      GREEDY,
    )
    expect(Object.keys(usage)).toEqual([
      'prompt_tokens',
      'total_tokens',
      'completion_tokens',
      'n_past_tokens',
    ])
    for (const value of Object.values(usage)) expect(Number.isInteger(value)).toBe(true)
    expect(usage.total_tokens).toBe(usage.prompt_tokens + usage.completion_tokens)
    const alone = await createCompletion(model, CAPITAL, GREEDY)
    expect(usage.prompt_tokens).toBeGreaterThan(alone.usage.prompt_tokens + 20)
    expect(usage.n_past_tokens).toBeGreaterThanOrEqual(usage.total_tokens)
  })
})

describe('sampling', () => {
  test('3. temperature has effect, and temp goes before it', async () => {
    const greedy = await ask(CAPITAL, { nPredict: 20 })
    expect(await noiseOf(CAPITAL)).not.toBe(greedy)
    expect(await noiseOf(CAPITAL, { temperature: 0 })).toBe(greedy)
    expect(await noiseOf(CAPITAL, { temp: 0 })).toBe(greedy)
    expect((await model.generate(CAPITAL, { ...HOT, temperature: 0 })).text).toBe(greedy)
  })

  test('4. options of a session hold with createCompletion(), unless that has its own', async () => {
    const greedy = await ask(CAPITAL, { nPredict: 20 })
    const said = async (options: object, more: CompletionOptions = {}) => {
      const chat = await model.createChatSession({ ...HOT, ...options })
      return textOf(await createCompletion(chat, CAPITAL, more))
    }
    expect(await said({})).not.toBe(greedy)
    expect(await said({ topK: 1 })).toBe(greedy)
    expect(await said({ temperature: 0 })).toBe(greedy)
    expect(await said({ topK: 1 }, { topK: 40 })).not.toBe(greedy)
    expect(await said({ topK: 1 }, { topK: undefined } as never)).toBe(greedy)
    const chat = await model.createChatSession({ topK: 5 })
    expect(chat.promptContext).toMatchObject({ ...DEFAULT_PROMPT_CONTEXT, topK: 5 })
  })

  test('5. minP is handed on', async () => {
    expect(await noiseOf(CAPITAL, { minP: 1 })).toBe(await ask(CAPITAL, { nPredict: 20 }))
  })

  test('9. the repeat penalty sees the prompt', async () => {
    expect(await ask(CAPITAL)).toMatch(/capital of France/)
    const penalized = await ask(CAPITAL, { repeatPenalty: 1000, repeatLastN: 100, nPredict: 20 })
    expect(penalized).not.toMatch(/capital|France/)
  })

  test('options that are unknown, or undefined, are ignored', async () => {
    const options = { maxTokens: 1, topK: undefined, nBatch: undefined, nCtx: 0, logitsSize: 1, seed: 'no' }
    expect(await ask(CAPITAL, options as never)).toContain('Paris')
    const other = await load(CHAT_MODEL, { nothing: 1, ngl: undefined, device: undefined })
    expect(textOf(await createCompletion(other, CAPITAL, GREEDY))).toContain('Paris')
  })
})

describe('prompts', () => {
  test('6. special tokens in a text are text, unless it is said that they are special', async () => {
    const count = async (special: boolean) => {
      const options = { promptTemplate: '%1%2', special, nPredict: 1 } as CompletionOptions
      return (await model.generate('<|im_end|>', options)).tokensIngested
    }
    expect(await count(true)).toBe(1)
    expect(await count(false)).toBeGreaterThan(3)
  })

  test('6. the template is written outside of sessions too', async () => {
    const plain = await ask('The capital of France is', { promptTemplate: '%1', nPredict: 3 })
    expect(plain).toMatch(/^ Paris/)
    expect(await ask(CAPITAL, { promptTemplate: CHATML })).toBe(await ask(CAPITAL))
  })

  test.for(['Instruction', 'Prompt', 'Response', 'Human', 'Assistant', 'Context'])(
    '7. ### %s ends every text, and is no part of it',
    async (word) => {
      const text = await ask(`Repeat: one two ### ${word} three`)
      expect(text).toContain('one two')
      expect(text).not.toContain('#')
    },
  )

  test('8. what follows an answer is counted, a blank line where the template says nothing', async () => {
    const without = CHATML.slice(0, CHATML.indexOf('%2'))
    const bare = await createCompletion(model, CAPITAL, { ...GREEDY, promptTemplate: without })
    expect(textOf(bare)).toContain('Paris')
    expect(bare.usage.n_past_tokens).toBeGreaterThan(bare.usage.total_tokens - 2)
    const whole = await createCompletion(model, CAPITAL, GREEDY)
    expect(whole.usage.n_past_tokens).toBeGreaterThanOrEqual(whole.usage.total_tokens)
  })

  test('13. a prompt that is too long rejects, and an answer ends where the context does', async () => {
    const small = await load(CHAT_MODEL, { nCtx: 128 })
    await expect(createCompletion(small, 'word '.repeat(200))).rejects.toThrow()
    const options = { ...HOT, nPredict: 4096 }
    const { usage } = await createCompletion(small, 'Write a poem about the sea.', options)
    expect(usage.completion_tokens).toBeLessThanOrEqual(128)
    expect(textOf(await createCompletion(small, CAPITAL, GREEDY))).toContain('Paris')
  })

  test('19. a model without a template in the list uses the one in its file', async () => {
    for (const name of [BARE_MODEL, UNLISTED_MODEL]) {
      const other = await load(name)
      expect(other.config.promptTemplate).not.toContain('### Human')
      expect(textOf(await createCompletion(other, CAPITAL, GREEDY))).toContain('Paris')
    }
  })
})

describe('callbacks', () => {
  test('14. an exception ends the run, which resolves, and is told', async () => {
    const told = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    let tokens = 0
    const thrown = await createCompletion(model, 'Count from 1 to 100.', {
      ...GREEDY,
      onResponseToken() {
        if (++tokens === 3) throw new Error('of the program')
      },
    })
    expect(tokens).toBe(3)
    expect(textOf(thrown)).toMatch(/^1/)
    expect(told.mock.calls.join()).toContain('of the program')
    let promptTokens = 0
    await createCompletion(model, CAPITAL, {
      onPromptToken() {
        promptTokens++
        throw new Error('of the program')
      },
    })
    expect(promptTokens).toBe(1)
    expect(told).toHaveBeenCalledTimes(2)
    told.mockRestore()
  })

  test('14. only false ends the run: undefined and promises do not', async () => {
    const whole = await ask(CAPITAL)
    expect(await ask(CAPITAL, { onResponseToken: () => undefined })).toBe(whole)
    expect(await ask(CAPITAL, { onResponseToken: (async () => false) as never })).toBe(whole)
    const seen: string[] = []
    await ask(CAPITAL, { onResponseToken: (_id, token) => seen.push(token) < 2 })
    expect(seen).toHaveLength(2)
    const ids: number[] = []
    const { usage } = await createCompletion(model, CAPITAL, { onPromptToken: (id) => void ids.push(id) })
    expect(ids.every(Number.isInteger)).toBe(true)
    expect(ids).toHaveLength(usage.prompt_tokens)
  })
})

test('18. the older shape has its parts: a model, counts of tokens, one choice', async () => {
  const completion = await createCompletion(model, [{ role: 'user', content: CAPITAL }], GREEDY)
  expect(completion).toMatchObject({ model: CHAT_MODEL, choices: [{ message: { role: 'assistant' } }] })
  expect(completion.choices).toHaveLength(1)
  expect(completion.usage.prompt_tokens).toBeLessThan(CAPITAL.length)
})
