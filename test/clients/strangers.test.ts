import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Running, serve } from '../support/server.ts'

// Programs and libraries of others, as their users run them, pointed at our server: `npm run test:clients`. OpenAI's, Vercel's and
// LangChain's are in test/server/clients.test.ts.

const clients = process.env.CLIENTS ?? ''
const COUNT = 'Count from 1 to 5.'
const COUNTED = '1, 2, 3, 4, 5.'
const FRANCE = 'What is the capital of France?'
const PARIS = 'The capital of France is Paris.'

let running: Running
let home: string
beforeAll(async () => {
  running = await serve({ defaults: { temp: 0, repeatPenalty: 1 } }, { nCtx: 4096 })
  home = mkdtempSync(join(tmpdir(), 'gpt4all-clients-'))
})
afterAll(async () => {
  await running.close()
  rmSync(home, { recursive: true, force: true })
})

async function run(program: string, args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const { PATH } = process.env
  const running = promisify(execFile)(program, args, {
    cwd: home,
    env: { PATH, HOME: home, OPENAI_API_KEY: 'none', ...env },
    timeout: 120_000,
  })
  running.child.stdin?.end()
  return (await running).stdout.trim()
}

describe('llm (PyPI)', () => {
  const llm = (...args: string[]) =>
    run(join(clients, 'python', 'bin', 'llm'), args, { LLM_USER_PATH: join(home, 'llm') })
  beforeAll(() => {
    mkdirSync(join(home, 'llm'))
    const model = (id: string, more = '') =>
      `- model_id: ${id}\n  model_name: tiny\n  api_base: ${running.url}/v1\n${more}`
    const models = model('chat') + model('text', '  completion: true\n')
    writeFileSync(join(home, 'llm', 'extra-openai-models.yaml'), models)
  })

  test('streams, answers whole, with a system prompt, and goes on', async () => {
    expect(await llm('-m', 'chat', COUNT)).toBe(COUNTED)
    expect(await llm('-m', 'chat', '--no-stream', '-s', 'You are a helpful assistant.', COUNT)).toBe(COUNTED)
    expect(await llm('-c', FRANCE)).toBe(PARIS)
  })

  test('completes text', async () => {
    expect(await llm('-m', 'text', '-o', 'max_tokens', '3', 'The capital of France is')).toBe('Paris')
  })
})

test('Pydantic AI (PyPI) answers, goes on and streams', async () => {
  const source = `
import asyncio, sys
from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider
model = OpenAIChatModel('tiny', provider=OpenAIProvider(base_url=sys.argv[1] + '/v1', api_key='none'))
agent = Agent(model, system_prompt='You are a helpful assistant.')
first = agent.run_sync('${COUNT}')
print(first.output)
print(agent.run_sync('${FRANCE}', message_history=first.all_messages()).output)
async def stream():
    async with agent.run_stream('${COUNT}') as pieces:
        print(''.join([piece async for piece in pieces.stream_text(delta=True)]))
asyncio.run(stream())`
  const python = join(clients, 'python', 'bin', 'python')
  expect(await run(python, ['-c', source, running.url])).toBe([COUNTED, PARIS, COUNTED].join('\n'))
})

test.each([['--stream'], ['--no-stream']])('aider (PyPI) answers with %s', async (streaming) => {
  const env = { OPENAI_API_BASE: `${running.url}/v1`, AIDER_ANALYTICS: 'false' }
  const quiet = ['--no-git', '--no-show-model-warnings', '--no-check-update', '--no-pretty', '--yes-always']
  const asked = ['--model', 'openai/tiny', '--chat-mode', 'ask', '--map-tokens', '0', '--message', COUNT]
  const said = await run(join(clients, 'aider', 'bin', 'aider'), [...quiet, streaming, ...asked], env)
  expect(said).toMatch(/Tokens: \d+ sent, \d+ received/)
  expect(running.lines.at(-1)).toMatchObject({ path: '/v1/chat/completions', status: 200 })
})

/** Runs a program in which the packages from npm can be imported; it prints JSON. */
async function fromNpm(source: string): Promise<unknown> {
  const file = join(clients, 'node', 'program.mjs')
  writeFileSync(file, source)
  const said = await run(process.execPath, [file, `${running.url}/v1`])
  return JSON.parse(said.split('\n').at(-1)!)
}

test.each([['openai'], ['lmstudio'], ['llama.cpp'], ['vllm']])(
  "Continue's adapter for %s (npm) answers and streams",
  async (provider) => {
    const source = `
import { constructLlmApi } from '@continuedev/openai-adapters'
const api = constructLlmApi({ provider: '${provider}', apiKey: 'none', apiBase: process.argv[2] + '/' })
const messages = [{ role: 'user', content: '${COUNT}' }]
const { signal } = new AbortController()
const whole = await api.chatCompletionNonStream({ model: 'tiny', messages, stream: false }, signal)
let text = ''
for await (const { choices } of api.chatCompletionStream({ model: 'tiny', messages, stream: true }, signal))
  text += choices[0]?.delta?.content ?? ''
console.log(JSON.stringify([whole.choices[0].message.content, text]))`
    expect(await fromNpm(source)).toEqual([COUNTED, COUNTED])
  },
)

test('multi-llm-ts (npm) lists models, answers and streams', async () => {
  const source = `
import { igniteEngine, loadModels, Message } from 'multi-llm-ts'
const config = { apiKey: 'none', baseURL: process.argv[2] }
const llm = igniteEngine('lmstudio', config)
const models = await loadModels('openai', config)
const thread = [new Message('system', 'You are a helpful assistant.'), new Message('user', '${COUNT}')]
const model = llm.buildModel('tiny')
const { content } = await llm.complete(model, thread)
let text = ''
for await (const piece of llm.generate(model, thread)) if (piece.type === 'content') text += piece.text
console.log(JSON.stringify([models.chat.map(({ id }) => id), content, text]))`
  expect(await fromNpm(source)).toEqual([['tiny'], COUNTED, COUNTED])
})

test('chatgpt (npm) answers, goes on and streams', async () => {
  const source = `
import { ChatGPTAPI } from 'chatgpt'
const api = new ChatGPTAPI({ apiKey: 'none', apiBaseUrl: process.argv[2], completionParams: { model: 'tiny' } })
const first = await api.sendMessage('${COUNT}')
let streamed = ''
const onProgress = ({ text }) => { streamed = text }
const next = await api.sendMessage('${FRANCE}', { parentMessageId: first.id, onProgress })
console.log(JSON.stringify([first.text, next.text, streamed]))`
  expect(await fromNpm(source)).toEqual([COUNTED, PARIS, PARIS])
})
