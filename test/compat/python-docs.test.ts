import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { defaultModelPath, Embed4All, GPT4All, type PromptMessage } from '../../src/index.ts'
import { architectureModel } from '../support/architectures.ts'
import { HostileServer, md5 } from '../support/hostile-server.ts'
import { EMBEDDED, EMBEDDER, hasEmbedder } from '../support/models.ts'
import { PUBLISHED } from '../support/published.ts'
import { recorder } from '../support/recorder.ts'
import { tinyEncoder } from '../support/tiny-encoders.ts'

/**
 * The snippets of GPT4All's documentation pages for Python at 2.8.2, in their TypeScript form: the page is in the title,
 * the models have the names of the pages and are small, and what the pages print is checked. A device 'gpu' is the CPU
 * where there is no GPU. docs/generation.md walks through the page of before 2.8.2 (test/api/page.test.ts).
 */
const ORCA = 'orca-mini-3b-gguf2-q4_0.gguf'
const LLAMA = 'Meta-Llama-3-8B-Instruct.Q4_0.gguf'
const NOMIC_1_5 = 'nomic-embed-text-v1.5.f16.gguf'
const FOX = 'The quick brown fox jumps over the lazy dog'

const bytes = readFileSync(EMBEDDED)
const MINI_LM = hasEmbedder ? readFileSync(EMBEDDER) : tinyEncoder('bert', 'all-MiniLM-L6-v2')
const MINI_LM_LENGTH = hasEmbedder ? 384 : 32

/** The entry of the list for orca-mini, with the size of the file that has its name here. */
const entry = {
  ...PUBLISHED.models3.find(({ filename }) => filename === ORCA)!,
  filesize: String(bytes.length),
  md5sum: md5(bytes),
}

let server: HostileServer
let home: string
let models: string
beforeAll(async () => {
  server = await HostileServer.start()
})
afterAll(() => server.close())
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'gpt4all-python-docs-'))
  models = join(home, '.cache', 'gpt4all')
  vi.stubEnv('HOME', home)
  vi.stubEnv('USERPROFILE', home)
  place(models, LLAMA, ORCA, 'wizardlm-13b-v1.2.Q4_0.gguf')
})
const opened: { close(): Promise<void> }[] = []
afterEach(async () => {
  for (const one of opened.splice(0)) await one.close()
  vi.unstubAllEnvs()
  rmSync(home, { recursive: true, force: true })
})

/** Puts the embedded model into a folder under these names. */
function place(folder: string, ...names: readonly string[]): void {
  mkdirSync(folder, { recursive: true })
  for (const name of names) symlinkSync(EMBEDDED, join(folder, name))
}

async function load(...args: Parameters<typeof GPT4All.load>): Promise<GPT4All> {
  const model = await GPT4All.load(args[0], { nThreads: 1, ...args[1] })
  opened.push(model)
  return model
}

/** A file with one of the names of the embedding models. */
function placeEmbedder(name: string, file: Uint8Array): void {
  writeFileSync(join(models, name), file)
}

async function embedder(...args: Parameters<typeof Embed4All.load>): Promise<Embed4All> {
  const made = await Embed4All.load(args[0], { nThreads: 1, ...args[1] })
  opened.push(made)
  return made
}

const norm = (vector: Float32Array) => Math.hypot(...vector)

/** The turns of the session that runs. */
const turns = (model: GPT4All) => model.currentChatSession?.messages.map(({ role }) => role)
const THREE_TURNS = ['user', 'assistant', 'user', 'assistant', 'user', 'assistant']

test('the README of the Python package: usage', async () => {
  const model = await load(ORCA)
  const { text, usage } = await model.generate('The capital of France is ', { maxTokens: 3 }).result
  expect(text).not.toBe('')
  expect(usage.completionTokens).toBeLessThanOrEqual(3)
})

test('the README of the Python package: GPU usage', async () => {
  const model = await load(ORCA, { device: 'gpu' })
  expect(await model.generate('The capital of France is ', { maxTokens: 3 })).not.toBe('')
  if (model.backend === 'cpu') expect(model.fallbacks[0]).toMatchObject({ device: 'gpu' })
})

test('index.md, and gpt4all_python/home.md: load LLM', async () => {
  const model = await load(LLAMA)
  await model.withChatSession(async () => {
    await model.generate('How can I run LLMs efficiently on my laptop?', { maxTokens: 1024 })
    expect(turns(model)).toEqual(['user', 'assistant'])
  })
})

test('gpt4all_python/home.md: chat session generation', async () => {
  const { lines, logger } = recorder()
  const model = await load(LLAMA, { logger })
  await model.withChatSession(async () => {
    await model.generate('quadratic formula')
  })
  expect(lines.join('\n')).toContain('<|im_start|>user\nquadratic formula<|im_end|>')
})

test('gpt4all_python/home.md: direct generation applies no template', async () => {
  const { lines, logger } = recorder()
  const model = await load(LLAMA, { logger })
  await model.generate('quadratic formula')
  expect(lines.find((line) => line.startsWith('prompt of'))).toMatch(/:\nquadratic formula$/)
})

test("gpt4all_python/home.md: embeddings, nomic's embed.text()", async () => {
  placeEmbedder(NOMIC_1_5, tinyEncoder('nomic-bert', 'nomic-embed-text-v1.5'))
  const nomic = await embedder(NOMIC_1_5)
  const { embeddings } = await nomic.embed(['String 1', 'String 2'])
  expect(embeddings).toHaveLength(2)
  expect(embeddings[0]).toHaveLength(nomic.dimensionality!)
})

test('gpt4all_python/monitoring.md, and old/gpt4all_monitoring.md: prompts that a listener sees', async () => {
  const seen: string[] = []
  const listen = (message: unknown) => void seen.push((message as PromptMessage).prompt)
  subscribe('gpt4all-ts:prompt', listen)
  const model = await load(ORCA)
  await model.withChatSession(async () => {
    await model.generate('hello', { temp: 0 })
    await model.generate('write me a short poem', { temp: 0 })
    await model.generate('thank you', { temp: 0 })
    expect(turns(model)).toEqual(THREE_TURNS)
  })
  unsubscribe('gpt4all-ts:prompt', listen)
  expect(seen).toHaveLength(3)
  expect(seen[2]).toContain('write me a short poem')
})

test('old/gpt4all_python.md: quickstart', async () => {
  const model = await load(ORCA)
  expect(model.config?.path).toBe(join(models, ORCA))
})

test('old/gpt4all_python.md: chatting', async () => {
  const model = await load(ORCA)
  await model.withChatSession(async () => {
    const response1 = await model.generate('hello', { temp: 0 })
    const response2 = await model.generate('write me a short poem', { temp: 0 })
    const response3 = await model.generate('thank you', { temp: 0 })
    expect(model.currentChatSession?.messages).toEqual([
      { role: 'user', content: 'hello' },
      { role: 'assistant', content: response1 },
      { role: 'user', content: 'write me a short poem' },
      { role: 'assistant', content: response2 },
      { role: 'user', content: 'thank you' },
      { role: 'assistant', content: response3 },
    ])
  })
})

test('old/gpt4all_python.md: streaming', async () => {
  const model = await load(ORCA)
  const tokens: string[] = []
  await model.withChatSession(async () => {
    const question = 'What is the capital of France?'
    for await (const token of model.generate(question, { streaming: true })) tokens.push(token)
  })
  expect(tokens.length).toBeGreaterThan(1)
  expect(tokens.join('')).toContain('Paris')
})

test('old/gpt4all_python.md: the model folder', async () => {
  const model = await load(ORCA, { modelPath: join(homedir(), '.cache', 'gpt4all') })
  expect(model.config?.path).toBe(join(models, ORCA))
})

test.each([
  ['macOS', ['Library', 'Application Support', 'nomic.ai', 'GPT4All']],
  ['Windows', ['AppData', 'Local', 'nomic.ai', 'GPT4All']],
  ['Linux', ['.local', 'share', 'nomic.ai', 'GPT4All']],
])("old/gpt4all_python.md: the chat GUI's folder on %s", async (_, parts) => {
  place(join(home, ...parts), ORCA)
  const modelPath = join(homedir(), ...parts)
  const model = await load(ORCA, { modelPath })
  expect(model.config?.path).toBe(join(modelPath, ORCA))
})

test('old/gpt4all_python.md: DEFAULT_MODEL_DIRECTORY is a modelPath for each call', async () => {
  const here = { modelPath: join(homedir(), 'my', 'models-directory') }
  place(here.modelPath, ORCA)
  const model = await load(ORCA, here)
  expect(model.config?.path).toBe(join(here.modelPath, ORCA))
  expect(defaultModelPath()).toBe(models)
})

test('old/gpt4all_python.md: custom session templates', async () => {
  const { lines, logger } = recorder()
  const model = await load('wizardlm-13b-v1.2.Q4_0.gguf', { logger })
  const systemPrompt = 'A chat between a curious user and an artificial intelligence assistant.\n'
  const promptTemplate = 'USER: {0}\nASSISTANT: '
  await model.withChatSession({ systemPrompt, promptTemplate }, async () => {
    const response1 = await model.generate('why is the grass green?')
    await model.generate('why is the sky blue?')
    const last = lines.filter((line) => line.startsWith('prompt of')).at(-1)
    const first = `${systemPrompt}USER: why is the grass green?\nASSISTANT: ${response1}\n\n`
    expect(last).toContain(`${first}USER: why is the sky blue?\nASSISTANT: `)
  })
})

test('old/gpt4all_python.md: prompt template retrieval', async () => {
  rmSync(join(models, ORCA))
  server.host(`docs/${ORCA}`, { bytes, faults: [] })
  const list = Buffer.from(JSON.stringify([entry]))
  const url = server.host('docs/models3.json', { bytes: list, faults: [] })
  vi.stubEnv('GPT4ALL_MODELS_URL', url.replace('models3.json', ''))
  const model = await load(ORCA)
  const { systemPrompt, promptTemplate } = await model.retrieve()
  expect(systemPrompt).toBe(
    '### System:\nYou are an AI assistant that follows instruction extremely well. Help as much as you can.\n\n',
  )
  expect(promptTemplate).toBe('### User:\n%1\n\n### Response:\n')
})

test('old/gpt4all_python.md: without online connectivity', async () => {
  vi.stubEnv('GPT4ALL_MODELS_URL', 'http://127.0.0.1:1/')
  const model = await load(ORCA, { allowDownload: false })
  const systemPrompt =
    '### System:\nYou are an AI assistant that follows instruction extremely well. Help as much as you can.\n\n'
  const promptTemplate = '### User:\n{0}\n\n### Response:\n'
  await model.withChatSession({ systemPrompt, promptTemplate }, async () => {
    await model.generate('hello', { maxTokens: 5 })
    expect(turns(model)).toEqual(['system', 'user', 'assistant'])
  })
})

test('old/gpt4all_python.md: a custom stop callback', async () => {
  const model = await load(ORCA)
  const stopOnTokenCallback = (_: number, tokenString: string) => !tokenString.includes('.')
  const { text, finishReason } = await model.generate(
    'Blue Whales are the biggest animal to ever inhabit the Earth.',
    { temp: 0, callback: stopOnTokenCallback },
  ).result
  if (finishReason === 'callback') expect(text).toMatch(/^[^.]*\.$/)
  else expect(text).not.toContain('.')
})

describe('old/gpt4all_python_embedding.md:', () => {
  beforeEach(() => {
    placeEmbedder('all-MiniLM-L6-v2.gguf2.f16.gguf', MINI_LM)
    placeEmbedder('nomic-embed-text-v1.f16.gguf', tinyEncoder('nomic-bert', 'nomic-embed-text-v1'))
    const nomic = architectureModel('nomic-bert') // of 64 numbers, as many as the snippet asks for
    nomic.set('general.name', 'string', 'nomic-embed-text-v1.5').set('nomic-bert.pooling_type', 'u32', 1)
    placeEmbedder(NOMIC_1_5, nomic.bytes())
  })

  test('generating embeddings', async () => {
    const { embedding } = await (await embedder()).embed(FOX)
    expect(embedding).toHaveLength(MINI_LM_LENGTH)
    expect(norm(embedding)).toBeCloseTo(1, 5)
  })

  test('on a GPU', async () => {
    const { embedding } = await (await embedder(undefined, { device: 'gpu' })).embed(FOX)
    expect(embedding).toHaveLength(MINI_LM_LENGTH)
  })

  test('Nomic Embed with a prefix', async () => {
    const nomic = await embedder('nomic-embed-text-v1.f16.gguf')
    const text = 'Who is Laurens van der Maaten?'
    const { embedding } = await nomic.embed(text, { prefix: 'search_query' })
    expect(embedding).not.toEqual((await nomic.embed(text)).embedding)
  })

  test('longer texts', async () => {
    const model = await embedder()
    const text = `${'The '.repeat(512)}${FOX}`
    const mean = await model.embed(text, { longTextMode: 'mean' })
    const truncated = await model.embed(text, { longTextMode: 'truncate' })
    expect(mean.usage.promptTokens).toBeGreaterThan(truncated.usage.promptTokens)
    expect(mean.embedding).not.toEqual(truncated.embedding)
  })

  test('batching', async () => {
    const model = await embedder()
    const { embeddings } = await model.embed([FOX, 'Foo bar baz'])
    expect(embeddings).toHaveLength(2)
    expect(embeddings[0]).not.toEqual(embeddings[1])
  })

  test('a larger n_ctx on a GPU', async () => {
    const model = await embedder(undefined, { nCtx: 4096, device: 'gpu' })
    expect((await model.embed(FOX)).embedding).toHaveLength(MINI_LM_LENGTH)
  })

  test('resizable dimensionality', async () => {
    const { embedding } = await (await embedder(NOMIC_1_5)).embed(FOX, { dimensionality: 64 })
    expect(embedding).toHaveLength(64)
    expect(norm(embedding)).toBeCloseTo(1, 5)
  })
})
