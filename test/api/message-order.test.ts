import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { type ChatMessage, GPT4All } from '../../src/index.ts'
import { EMBEDDED, VENDOR_MODELS } from '../support/models.ts'

const model = await GPT4All.load(EMBEDDED, { nThreads: 1 })
afterAll(() => model.close())

const system = (content: string): ChatMessage => ({ role: 'system', content })
const user = (content: string): ChatMessage => ({ role: 'user', content })
const answer = (content: string): ChatMessage => ({ role: 'assistant', content })

/** Conversations as clients send them. */
const CONVERSATIONS: Readonly<Record<string, readonly ChatMessage[]>> = {
  'several system messages first': [system('One.'), system('Two.'), user('Three?')],
  'a system message in the middle': [
    system('One.'),
    user('Two?'),
    answer('Three.'),
    system('Four.'),
    user('Five?'),
  ],
  'a system message after the question': [user('One?'), system('Two.')],
  'a system message after the answer': [system('One.'), user('Two?'), answer('Three.'), system('Four.')],
  'nothing but a system message': [system('One.')],
  'nothing but system messages': [system('One.'), system('Two.')],
  'an answer first': [answer('One.'), user('Two?')],
  'an answer after the system message': [system('One.'), answer('Two.'), user('Three?')],
  'two questions': [user('One?'), user('Two?')],
  'two answers': [user('One?'), answer('Two.'), answer('Three.'), user('Four?')],
}

const FOLDER = join(VENDOR_MODELS, 'templates')
const templates = readdirSync(FOLDER).filter((name) => name.endsWith('.jinja'))

describe.each(Object.entries(CONVERSATIONS))('%s', (_, messages) => {
  test.each(templates)('loses nothing in %s', async (name) => {
    const chatTemplate = readFileSync(join(FOLDER, name), 'utf8')
    const prompt = await model.renderPrompt(messages, { chatTemplate })
    for (const { content } of messages) expect(prompt.split(content)).toHaveLength(2)
  })

  test("loses nothing in the model's own template, nor in a promptTemplate", async () => {
    for (const options of [{}, { promptTemplate: 'User: {0}\nBot: ' }]) {
      const prompt = await model.renderPrompt(messages, options)
      for (const { content } of messages) expect(prompt.split(content)).toHaveLength(2)
    }
  })
})

/** Takes turns alone, as Mistral's first template did, and asks for an answer only by ending a question. */
const STRICT = `{%- if messages[0].role == 'system' %}{% set first = messages[0].content + '\\n' %}{% set rest = messages[1:] %}
{%- else %}{% set first = '' %}{% set rest = messages %}{% endif %}
{%- for m in rest %}
{%- if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Roles must alternate.') }}{% endif %}
{%- if m.role == 'user' %}[{{ (first if loop.first else '') + m.content }}]{% else %}{{ m.content }};{% endif %}
{%- endfor %}`

const PLAIN = `{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}`

describe('system messages', () => {
  test('stay where they are in a template that takes them there', async () => {
    const messages = [system('a'), user('b'), system('c'), answer('d'), system('e')]
    expect(await model.renderPrompt(messages, { chatTemplate: PLAIN })).toBe(
      '<system>a<user>b<system>c<assistant>d<system>e<assistant>',
    )
  })

  test('join the first one elsewhere, in order', async () => {
    const messages = [user('b'), answer('c'), system('d'), user('e'), system('f')]
    expect(await model.renderPrompt(messages, { chatTemplate: STRICT })).toBe('[d\n\nf\nb]c;[e]')
  })

  test('are a question of the user where nothing else asks for an answer', async () => {
    const render = (messages: readonly ChatMessage[]) =>
      model.renderPrompt(messages, { chatTemplate: STRICT })
    expect(await render([system('a'), system('b')])).toBe('[a\n\nb]')
    expect(await render([system('a'), user('b'), answer('c'), system('d')])).toBe('[a\nb]c;[d]')
  })
})

test('messages of one role become one where a template wants turns', async () => {
  const messages = [user('a'), user('b'), answer('c'), answer('d'), user('e')]
  expect(await model.renderPrompt(messages, { chatTemplate: STRICT })).toBe('[a\n\nb]c\n\nd;[e]')
})

test('an answer that comes first follows an empty question where a template wants one', async () => {
  const messages = [system('a'), answer('b'), user('c')]
  expect(await model.renderPrompt(messages, { chatTemplate: STRICT })).toBe('[a\n]b;[c]')
})

describe('a chat session', () => {
  test('answers a conversation that ends with a system message', async () => {
    const messages = [user('Hello'), answer('Hello! How can I help you?'), system('Count from 1 to 5.')]
    const chat = model.chatSession({ messages })
    const text = await chat.regenerate({ maxTokens: 3 })
    expect(chat.messages).toEqual([...messages, answer(text)])
  })

  test('continues an answer that nobody asked for', async () => {
    const chat = model.chatSession({ messages: [answer('1, 2, 3')] })
    const text = await chat.continue({ maxTokens: 3 })
    expect(chat.messages).toEqual([answer(`1, 2, 3${text}`)])
  })
})
