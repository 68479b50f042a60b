import { existsSync } from 'node:fs'
import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { CancellationError, defaultModelPath, Embed4All, GPT4All } from '../../src/index.ts'
import { EMBEDDED } from '../support/models.ts'
import { tinyEncoder } from '../support/tiny-encoders.ts'

// What public programs do with the Python package, as one writes it here. A name in a title is the program's.

const CHAT = 'orca-mini-3b-gguf2-q4_0.gguf'
const MINILM = 'all-MiniLM-L6-v2.gguf2.f16.gguf'
const NOMIC = 'nomic-embed-text-v1.5.f16.gguf'

let home: string
let folder: string

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'gpt4all-patterns-'))
  vi.stubEnv('HOME', home)
  vi.stubEnv('USERPROFILE', home)
  vi.stubEnv('GPT4ALL_MODELS_URL', 'http://127.0.0.1:9/') // nobody answers there
  folder = defaultModelPath()
  await mkdir(folder, { recursive: true })
  await copyFile(EMBEDDED, join(folder, CHAT))
  await writeFile(join(folder, MINILM), tinyEncoder('bert', 'all-MiniLM-L6-v2'))
  await writeFile(join(folder, NOMIC), tinyEncoder('nomic-bert', 'nomic-embed-text-v1.5'))
})
afterAll(async () => {
  vi.unstubAllEnvs()
  await rm(home, { recursive: true })
})

describe('programs written for GPT4All in Python', () => {
  test("21. LangChain's language model sets threads, then reads token by token with a top_p of its own", async () => {
    const client = new GPT4All(CHAT, {
      modelPath: folder,
      modelType: 'orca',
      allowDownload: false,
      device: 'cpu',
    })
    client.threadCount = 1
    expect([client.threadCount, client.modelType]).toEqual([1, 'orca'])
    const params = { maxTokens: 200, nPredict: 12, topK: 40, topP: 0.1, temp: 0.7, nBatch: 8 }
    let text = ''
    for await (const token of client.generate('Once upon a time', { ...params, streaming: false }))
      text += token
    expect(text).not.toBe('')
    expect((await client.tokenize(text)).length).toBeLessThanOrEqual(params.nPredict + 1)
    await client.close()
  })

  test("22. LangChain's embeddings go one text at a time and are lists of plain numbers", async () => {
    const client = await Embed4All.load(MINILM, { nThreads: 1, device: 'cpu', allowDownload: false })
    const embedDocuments = async (texts: string[]) => {
      const lists: number[][] = []
      for (const text of texts) lists.push(Array.from((await client.embed(text)).embedding, Number))
      return lists
    }
    const documents = await embedDocuments(['the cat', 'the dog'])
    expect(documents.map((list) => list.length)).toEqual([client.dimensionality, client.dimensionality])
    expect((await embedDocuments(['the cat']))[0]).toEqual(documents[0])
    expect(JSON.parse(JSON.stringify(documents))).toEqual(documents)
    await client.close()
  })

  test("23. nomic's local mode counts tokens, and its callback can cancel before anything is computed", async () => {
    const embedder = await Embed4All.load(NOMIC, { nThreads: 1, device: 'cpu' })
    const options = { prefix: 'search_document', longTextMode: 'mean', atlas: true } as const
    const { embeddings, usage } = await embedder.embed(['the cat', 'the dog'], {
      ...options,
      dimensionality: 16,
      cancelCallback: (batches, backend) => batches.length === 0 || backend !== 'cpu',
    })
    expect(embeddings.map((one) => one.length)).toEqual([16, 16])
    expect(usage.promptTokens).toBeGreaterThan(0)
    const cancelled = embedder.embed(['the cat'], { ...options, cancelCallback: () => true })
    await expect(cancelled).rejects.toThrow(CancellationError)
    await embedder.close()
  })

  test('24. llm-gpt4all looks for the file itself, and downloads only what is not there', async () => {
    class Found extends GPT4All {
      static override async retrieveModel(name: Parameters<typeof GPT4All.retrieveModel>[0]) {
        return { ...(await GPT4All.retrieveModel(name)), name: 'found' }
      }
    }
    const isThere = existsSync(join(folder, CHAT))
    expect(await Found.retrieveModel(CHAT)).toMatchObject({ path: join(folder, CHAT), name: 'found' })
    const model = new Found(CHAT, { allowDownload: !isThere, nThreads: 1 })
    const response = model.generate('Once upon a time', { maxTokens: 400, streaming: true })
    const tokens: string[] = []
    for await (const token of response) tokens.push(token)
    expect(tokens.length).toBeGreaterThan(1)
    await model.close()
  })

  test("25. weaviate's vectorizer serves requests at once from the default model", async () => {
    const vectorizer = await Embed4All.load(undefined, { nThreads: 1 })
    expect(vectorizer.name).toBe(MINILM.replace('.gguf2.f16.gguf', '.gguf2.f16'))
    const vectors = await Promise.all(
      ['the cat', 'the dog', 'the cat'].map(async (text) => [...(await vectorizer.embed(text)).embedding]),
    )
    expect(vectors[0]).toEqual(vectors[2])
    expect(vectors[0]).not.toEqual(vectors[1])
    await vectorizer.close()
  })

  test('26. devices are tried one after the other until one loads, and the GPUs may be none', async () => {
    const failures: string[] = []
    const names: string[] = []
    try {
      names.push(...GPT4All.listGpus())
    } catch (error) {
      failures.push(String(error))
    }
    expect(failures).toEqual([])
    let model: GPT4All | undefined
    for (const device of ['cuda', 'kompute', 'cpu']) {
      try {
        model = await GPT4All.load(CHAT, { device, strictDevice: true, allowDownload: false, nThreads: 1 })
        break
      } catch (error) {
        expect(error).toMatchObject({ code: 'ERR_DEVICE' })
        failures.push(device)
      }
    }
    expect(model?.backend).toBeDefined()
    if (names.length === 0) expect(failures).toEqual(['cuda', 'kompute'])
    await model?.close()
  })

  test("27. a course's chat loop prints what generate() says inside a session", async () => {
    const model = await GPT4All.load(CHAT, { nThreads: 1 })
    const printed: string[] = []
    await model.withChatSession(async () => {
      for (const prompt of ['My name is Ada.', 'What is my name?'])
        printed.push(await model.generate(prompt, { temp: 0, maxTokens: 60 }))
      expect(model.currentChatSession?.messages).toHaveLength(4)
    })
    expect(printed[1]).toContain('Ada')
    expect(model.currentChatSession).toBeUndefined()
    await model.close()
  })
})
