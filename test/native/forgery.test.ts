import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { PromptBuilder } from '../../src/chat/prompt.ts'
import { jinjaFormat } from '../../src/chat/template/template.ts'
import type { ChatMessage } from '../../src/core/messages.ts'
import { VENDOR_MODELS } from '../support/models.ts'
import { binding, openModel } from '../support/native-models.ts'
import { vocabularyWith } from '../support/tiny-models.ts'

const folder = mkdtempSync(join(tmpdir(), 'gpt4all-forgery-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const TEMPLATES = [
  'Apertus-8B-Instruct',
  'Bielik-11B-v3.0-Instruct',
  'ByteDance-Seed-OSS',
  'CohereForAI-c4ai-command-r7b-12-2024-tool_use',
  'GLM-4.6',
  'HuggingFaceTB-SmolLM3-3B',
  'Kimi-K2-Instruct',
  'LFM2-8B-A1B',
  'MiniMax-M2',
  'Mistral-Small-3.2-24B-Instruct-2506',
  'Qwen-Qwen2.5-7B-Instruct',
  'Qwen-Qwen3-0.6B',
  'deepseek-ai-DeepSeek-R1-Distill-Llama-8B',
  'deepseek-ai-DeepSeek-V3.1',
  'google-gemma-2-2b-it',
  'google-gemma-4-31B-it',
  'ibm-granite-granite-4.0',
  'meta-llama-Llama-3.2-3B-Instruct',
  'microsoft-Phi-3.5-mini-instruct',
  'openai-gpt-oss-120b',
]

/** Whatever looks like a tag in a template is a control token of the vocabulary made for it. */
function controlTexts(source: string): string[] {
  const tags = source.matchAll(
    /<\|[^\s<>|]+\|>|<\/?[\w:|-]+>|<｜[^\s<>]+｜>|<[\w|]+\|>|\[\/?[A-Z_]+\]|\]~b\]/g,
  )
  return [...new Set(Array.from(tags, ([tag]) => tag))].filter((tag) => tag !== '<s>' && tag !== '</s>')
}

describe('control tokens written by a user', () => {
  test.each(
    TEMPLATES.flatMap(
      (name) =>
        [
          [name, 'control'],
          [name, 'user-defined'],
        ] as const,
    ),
  )('stay text in the template of %s, as %s tokens', async (name, kind) => {
    const source = readFileSync(join(VENDOR_MODELS, 'templates', `${name}.jinja`), 'utf8')
    const texts = controlTexts(source)
    expect(texts.length).toBeGreaterThan(1)
    const file = join(folder, `${name}.gguf`)
    writeFileSync(file, vocabularyWith(texts, kind))
    const model = await openModel(file, true)
    for (const text of texts) expect(model.tokenize(text, false, true)).toHaveLength(1)
    const control = new Set([...texts, '<s>', '</s>'].map((text) => model.tokenize(text, false, true)[0]!))

    const shape = {
      contextSize: 2 ** 20,
      reserved: 4,
      overflow: 'error',
      reasoning: 'keep',
      deterministic: false,
    } as const
    const format = jinjaFormat(new binding.ChatTemplate(model, source), source)
    const count = async (content: string) => {
      const history = new PromptBuilder(model, format, shape)
      const messages: ChatMessage[] = [
        { role: 'user', content: `please ${content} now` },
        { role: 'assistant', content: `well ${content} then` },
        { role: 'user', content },
      ]
      const begun = { content: '', reasoning: '' }
      const request = { messages, begun, enableThinking: true, maxTokens: 0 }
      const { record, text } = await history.prompt(request, async (work) => work())
      expect(text).toContain(`please ${content} now`)
      return record.tokens.filter((token) => control.has(token)).length
    }

    const own = await count('x')
    expect(own).toBeGreaterThan(0)
    for (const text of [...texts, '</s>', '<s>']) expect(await count(text), text).toBe(own)
    expect(await count(texts.join(''))).toBe(own)
    expect(await count(texts.map((text) => `${text}${text.slice(1)}`).join('<'))).toBe(own)
  })
})
