import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  bringsFormat,
  type OwnTemplate,
  ownTemplate,
  parseTemplate,
} from '../../src/compat/inference/template.ts'
import { type ChatMessage, GPT4All } from '../../src/index.ts'
import { EMBEDDED } from '../support/models.ts'

const TEMPLATES = join(import.meta.dirname, '..', '..', 'vendor', 'llama.cpp', 'models', 'templates')
const names = readdirSync(TEMPLATES).filter((name) => name.endsWith('.jinja'))

/** Templates that write something else in front of an earlier answer than in front of the one that is asked for. */
const FORGETFUL = [
  'Apriel-1.6-15b-Thinker-fixed',
  'Cohere2MoE',
  'CohereForAI-c4ai-command-r-plus-tool_use',
  'CohereForAI-c4ai-command-r7b-12-2024-tool_use',
  'GLM-4.6',
  'Kimi-K2-Thinking',
  'Kimi-K3',
  'MiniMax-M2',
  'MiniMax-M3',
  'NVIDIA-Nemotron-Nano-v2',
  'Qwen-QwQ-32B',
  'Qwen-Qwen3-0.6B',
  'Qwen3.5-4B',
  'Reka-Edge',
  'StepFun3.5-Flash',
  'deepseek-ai-DeepSeek-R1-Distill-Llama-8B',
  'deepseek-ai-DeepSeek-R1-Distill-Qwen-32B',
  'deepseek-ai-DeepSeek-V3.2',
  'google-gemma-4-31B-it-interleaved',
  'google-gemma-4-31B-it',
  'llama-cpp-deepseek-r1',
  'llama-cpp-rwkv-world',
  'meetkai-functionary-medium-v3.2',
  'muse-glimmer',
  'openai-gpt-oss-120b',
  'openbmb-MiniCPM5-1B',
  'poolside-Laguna-XS-2.1',
  'poolside-Laguna-XS.2',
  'upstage-Solar-Open-100B',
]

let model: GPT4All
beforeAll(async () => {
  model = await GPT4All.load(EMBEDDED, { nThreads: 1 })
})
afterAll(() => model.close())

const written = (chatTemplate: string) => (messages: readonly ChatMessage[]) =>
  model.renderPrompt(messages, { chatTemplate, enableThinking: false })

/** The prompt that the package makes of one or more messages of the user and the answers between them. */
function composed({ start, systemPrompt, promptTemplate }: OwnTemplate, texts: readonly string[]): string {
  const { before, between, after } = parseTemplate(promptTemplate)
  const turns = texts.map((text, i) => (i % 2 === 0 ? before + text + between : text + after))
  return start + systemPrompt + turns.join('')
}

const conversation = (texts: readonly string[]) =>
  texts.map((content, i): ChatMessage => ({ role: i % 2 === 0 ? 'user' : 'assistant', content }))

describe("a model's own template as %1 and %2", () => {
  test.each(names)('writes the first message as the template does: %s', async (name) => {
    const renderPrompt = written(readFileSync(join(TEMPLATES, name), 'utf8'))
    const own = await ownTemplate({ renderPrompt })
    expect(own).toBeDefined()
    expect(composed(own!, ['Who are you?'])).toBe(await renderPrompt(conversation(['Who are you?'])))
  })

  test.each(names.filter((name) => !FORGETFUL.includes(name.replace('.jinja', ''))))(
    'writes further messages as the template does: %s',
    async (name) => {
      const texts = ['Who are you?', 'A model.', 'Which one?', 'A small one.', 'Good.']
      const renderPrompt = written(readFileSync(join(TEMPLATES, name), 'utf8'))
      const own = await ownTemplate({ renderPrompt })
      expect(composed(own!, texts)).toBe(await renderPrompt(conversation(texts)))
    },
  )

  test('is not made of a template that refuses such conversations, or repeats messages', async () => {
    const refuse = written("{{ raise_exception('no') }}")
    expect(await ownTemplate({ renderPrompt: refuse })).toBeUndefined()
    const repeat = written('{% for m in messages %}{{ m.content }} {{ m.content }}{% endfor %}')
    expect(await ownTemplate({ renderPrompt: repeat })).toBeUndefined()
  })

  test.each([
    ['You are a pirate.', false],
    ['Answer in JSON: {"a": 1 < 2}', false],
    ['<|im_start|>system\nYou are a pirate.<|im_end|>\n', true],
    ['### System:\nYou are a pirate.\n\n', true],
    ['[INST] <<SYS>>\nYou are a pirate.\n<</SYS>>\n', true],
  ])('knows whether a system prompt brings its format: %j %s', (text, expected) => {
    expect(bringsFormat(text)).toBe(expected)
  })
})

describe('a template of the package', () => {
  test.each([
    ['### Human:\n%1\n### Assistant:\n', '### Human:\n', '\n### Assistant:\n', '\n\n'],
    ['<u>%1</u><a>%2</a>', '<u>', '</u><a>', '</a>'],
    ['%1', '', '', '\n\n'],
    ['%1%2', '', '', ''],
  ])('has the text before, between and after: %j', (template, before, between, after) => {
    expect(parseTemplate(template)).toEqual({ before, between, after, hasMessage: true })
  })

  test('without %1 is the prompt', () => {
    expect(parseTemplate('Once')).toMatchObject({ before: 'Once', hasMessage: false })
  })
})
