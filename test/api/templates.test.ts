import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { type ChatMessage, GPT4All } from '../../src/index.ts'
import { EMBEDDED, VENDOR_MODELS } from '../support/models.ts'

/** What Jinja2 renders, recorded by test/golden/templates.py, which has these messages and this date too. */
type Recorded = {
  /** With the variables of Hugging Face transformers; an error instead where it fails. */
  readonly text?: string
  readonly error?: string
  /** With llama.cpp's, one at a time, where that changes the text. */
  readonly thinking?: string
  readonly dated?: string
  readonly toolless?: string
  readonly functionless?: string
}

const MESSAGES: readonly ChatMessage[] = [
  { role: 'system', content: 'You are terse.' },
  { role: 'user', content: 'Hello' },
  { role: 'assistant', content: 'Hi, how can I help?' },
  { role: 'user', content: 'What is 2 plus 3?' },
]
const DATES = ['2003-02-01', '01 Feb 2003', 'Feb 01 2003'] as const

const FOLDER = join(VENDOR_MODELS, 'templates')
const files = readdirSync(FOLDER)
  .filter((name) => name.endsWith('.jinja'))
  .sort()
const golden: Readonly<Record<string, Recorded>> = JSON.parse(
  readFileSync(join(import.meta.dirname, '..', 'golden', 'templates.json'), 'utf8'),
)

/** `like` names one of the recorded texts, `text` is one that Jinja2 does not make. */
type Difference = { readonly why: string; readonly like?: keyof Recorded; readonly text?: string }

// common_chat_template_direct_apply_impl() always defines `enable_thinking`, as true unless told otherwise.
const thinking = (why: string): Difference => ({ why, like: 'thinking' })
// common_chat_extra_context() always defines `date_string`.
const dated = (why: string): Difference => ({ why, like: 'dated' })
// common_chat_template_direct_apply_impl() defines `tools` only where there are some.
const toolless = (why: string): Difference => ({ why, like: 'toolless' })

const DIFFERENCES: Readonly<Record<string, Difference>> = {
  'Apertus-8B-Instruct.jinja': thinking('says "Deliberation: enabled" to a model that may think'),
  'Bielik-11B-v3.0-Instruct.jinja': thinking('asks for thinking in the system prompt, and opens <think>'),
  'CohereForAI-c4ai-command-r-plus-tool_use.jinja': toolless('loops over tools, which None forbids'),
  'CohereForAI-c4ai-command-r7b-12-2024-tool_use.jinja': thinking('skips thinking where it is undefined'),
  'NousResearch-Hermes-2-Pro-Llama-3-8B-tool_use.jinja': toolless('loops over tools, which None forbids'),
  'NousResearch-Hermes-3-Llama-3.1-8B-tool_use.jinja': toolless('loops over tools, which None forbids'),
  'Qwen-QwQ-32B.jinja': thinking('closes the <think> that it opens where it is undefined'),
  'Reka-Edge.jinja': thinking('opens <think> only where it is true'),
  'deepseek-ai-DeepSeek-R1-Distill-Qwen-32B.jinja': thinking('closes <think> where it is undefined'),
  'deepseek-ai-DeepSeek-V3.1.jinja': thinking('closes <think> where it is undefined'),
  'deepseek-ai-DeepSeek-V3.2.jinja': thinking('closes <think> where it is undefined'),
  'deepseek-ai-DeepSeek-V4-Flash-0731.jinja': thinking('writes </think> for <think> where it is undefined'),
  'deepseek-ai-DeepSeek-V4.jinja': thinking('writes </think> for <think> where it is undefined'),
  'fireworks-ai-llama-3-firefunction-v2.jinja': {
    why: 'adds `functions` to a string: it gets an empty one where there are none',
    like: 'functionless',
  },
  'google-gemma-2-2b-it.jinja': {
    why: 'refuses system messages: system_message_not_supported() puts them in front of the first question',
    text: `<|endoftext|><start_of_turn>user
You are terse.
Hello<end_of_turn>
<start_of_turn>model
Hi, how can I help?<end_of_turn>
<start_of_turn>user
What is 2 plus 3?<end_of_turn>
<start_of_turn>model
`,
  },
  'google-gemma-4-31B-it-interleaved.jinja': thinking(
    'asks for thinking instead of writing an empty thought',
  ),
  'google-gemma-4-31B-it.jinja': thinking('asks for thinking instead of writing an empty thought'),
  'llama-cpp-rwkv-world.jinja': thinking('opens <think> only where it is true'),
  'meta-llama-Llama-3.1-8B-Instruct.jinja': dated('has a date of its own where none is given'),
  'meta-llama-Llama-3.3-70B-Instruct.jinja': dated('has a date of its own where none is given'),
  'openbmb-MiniCPM5-1B.jinja': thinking('opens <think> only where it is true'),
  'poolside-Laguna-XS-2.1.jinja': thinking('writes </think> for <think> where it is undefined'),
  'poolside-Laguna-XS.2.jinja': thinking('writes </think> for <think> where it is undefined'),
}

// The embedded model adds no start token to prompts, so llama.cpp takes none away from them.
const model = new GPT4All(EMBEDDED, { nThreads: 1 })
afterAll(() => model.close())

/** Midnight may come between asking for the day and rendering, so both days count as the recorded one. */
function undated(text: string, ...days: readonly Date[]): string {
  for (const day of days) {
    const [, month, date, year] = day.toDateString().split(' ')
    const iso = `${year}-${String(day.getMonth() + 1).padStart(2, '0')}-${date}`
    const today = [iso, `${date} ${month} ${year}`, `${month} ${date} ${year}`]
    text = today.reduce((changed, form, i) => changed.replaceAll(form, DATES[i]!), text)
  }
  return text
}

async function render(file: string): Promise<string> {
  const before = new Date()
  const chatTemplate = readFileSync(join(FOLDER, file), 'utf8')
  return undated(await model.renderPrompt(MESSAGES, { chatTemplate }), before, new Date())
}

test('the recorded texts are those of the 70 templates that llama.cpp brings', () => {
  expect(files).toHaveLength(70)
  expect(Object.keys(golden).sort()).toEqual(files)
  expect(files).toEqual(expect.arrayContaining(Object.keys(DIFFERENCES)))
})

describe('a template renders to the text of Jinja2', () => {
  test.each(files.filter((file) => !DIFFERENCES[file]))('%s', async (file) => {
    expect(golden[file]).toHaveProperty('text')
    expect(await render(file)).toBe(golden[file]?.text)
  })
})

describe('a template renders to another text, for a reason', () => {
  test.each(Object.entries(DIFFERENCES))('%s', async (file, { why, like, text }) => {
    const rendered = await render(file)
    expect(rendered, why).toBe(like ? golden[file]?.[like] : text)
    expect(rendered, `no longer true: ${why}`).not.toBe(golden[file]?.text)
    for (const { content } of MESSAGES) expect(rendered).toContain(content)
  })
})
