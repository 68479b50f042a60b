import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { defaultModelPath, Embed4All, GPT4All } from '../../src/index.ts'
import { HostileServer, md5 } from '../support/hostile-server.ts'
import { EMBEDDED } from '../support/models.ts'
import { tinyEncoder } from '../support/tiny-encoders.ts'
import { tinyModel } from '../support/tiny-models.ts'

const NAME = 'all-MiniLM-L6-v2.gguf2.f16.gguf'
const CHAT = 'chat.gguf'
const BERT = tinyEncoder('bert', 'all-MiniLM-L6-v2')
const LLAMA = tinyModel('llama')

const listed = (filename: string, bytes: Buffer, more: object) => ({
  filename,
  filesize: String(bytes.length),
  md5sum: md5(bytes),
  ...more,
})
const LIST = [
  listed(NAME, BERT, { embeddingModel: true }),
  listed(CHAT, LLAMA, { promptTemplate: '<%1>' }),
  listed('unsaid.gguf', BERT, {}),
  // GPT4All still lists it, for old programs of its own.
  listed('all-MiniLM-L6-v2-f16.gguf', LLAMA, { embeddingModel: true }),
]

let server: HostileServer
let folder: string
let count = 0
const lines: string[] = []
const add = (line: string) => void lines.push(line)
const logger = { debug: add, info: add, warn: add, error: add }
const options = () => ({ modelPath: folder, nThreads: 1, logger })

beforeAll(async () => {
  server = await HostileServer.start()
})
afterAll(() => server.close())
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gpt4all-embedder-files-'))
  const name = `embedders-${count++}`
  const host = (file: string, bytes: Buffer) => server.host(`${name}/${file}`, { bytes, faults: [] })
  host(NAME, BERT)
  host(CHAT, LLAMA)
  host('unsaid.gguf', BERT)
  const url = host('models3.json', Buffer.from(JSON.stringify(LIST)))
  vi.stubEnv('GPT4ALL_MODELS_URL', url.replace('models3.json', ''))
  lines.length = 0
})
afterEach(() => {
  vi.unstubAllEnvs()
  rmSync(folder, { recursive: true, force: true })
})

const isDownloaded = (name: string) => readdirSync(folder).some((file) => file.startsWith(name))

describe('Embed4All downloads', () => {
  test.each([
    NAME,
    'all-MiniLM-L6-v2.gguf2.f16',
    'ggml-all-MiniLM-L6-v2-f16.bin',
    'all-MiniLM-L6-v2-f16.gguf',
    'all-MiniLM-L6-v2-f16',
  ])('%s from the list, and the second time finds it on the disk', async (name) => {
    const embedder = await Embed4All.load(name, options())
    expect(embedder.config?.filename).toBe(NAME)
    expect((await embedder.embed('one')).embeddings).toHaveLength(1)
    await embedder.close()
    await (await Embed4All.load(name, { ...options(), allowDownload: false })).close()
    if (/v2-f16/.test(name)) expect(lines.join('\n')).toMatch(/is used, the same model/)
  })

  // Ported from gpt4all/tests/test_gpt4all.py; its name, which the list no longer has, leads to the successor.
  test('test_download_model: a default folder gets a file of the size that the list says', async () => {
    const home = join(folder, 'home')
    mkdirSync(home)
    vi.stubEnv('HOME', home)
    vi.stubEnv('XDG_CACHE_HOME', join(home, '.cache'))
    const embedder = await Embed4All.load('ggml-all-MiniLM-L6-v2-f16.bin', { nThreads: 1, logger })
    expect(embedder.config?.path).toBe(join(defaultModelPath(), NAME))
    expect(embedder.config?.path.startsWith(home)).toBe(true)
    expect(statSync(embedder.config!.path).size).toBe(BERT.length)
    await embedder.close()
  })

  test('in an isolated engine, with progress', async () => {
    const told: string[] = []
    const embedder = new Embed4All(NAME, {
      ...options(),
      isolated: { env: { GPT4ALL_MODELS_URL: process.env.GPT4ALL_MODELS_URL! } },
      onProgress: ({ phase }) => told.push(phase),
    })
    expect((await embedder.embed('one')).embeddings).toHaveLength(1)
    expect(told).toContain('download')
    await embedder.close()
  })

  test('what a list does not say the kind of', async () => {
    await (await Embed4All.load('unsaid', options())).close()
    expect(isDownloaded('unsaid')).toBe(true)
  })

  test('no model that writes text, unless a pooling is given', async () => {
    const opening = Embed4All.load(CHAT, options())
    await expect(opening).rejects.toMatchObject({
      code: 'ERR_MODEL_UNSUPPORTED',
      message: expect.stringMatching(/writes text.*not downloaded.*GPT4All/),
    })
    expect(isDownloaded(CHAT)).toBe(false)
    const embedder = await Embed4All.load(CHAT, { ...options(), pooling: 'last' })
    expect((await embedder.embed('one', { prefix: '' })).embeddings).toHaveLength(1)
    await embedder.close()
  })
})

test('downloadModel() and retrieveModel() get embedding models', async () => {
  expect(await GPT4All.downloadModel(NAME, { modelPath: folder })).toBe(join(folder, NAME))
  rmSync(join(folder, NAME))
  const { path, embeddingModel } = await GPT4All.retrieveModel(NAME, { modelPath: folder })
  expect({ path, embeddingModel }).toEqual({ path: join(folder, NAME), embeddingModel: true })
})

test('GPT4All refuses an embedding model before it is downloaded, and names Embed4All', async () => {
  for (const name of [NAME, 'all-MiniLM-L6-v2-f16.gguf']) {
    await expect(GPT4All.load(name, options())).rejects.toMatchObject({
      code: 'ERR_MODEL_UNSUPPORTED',
      message: expect.stringMatching(/makes embeddings, not text.*not downloaded.*Embed4All/),
    })
    expect(readdirSync(folder)).toEqual([])
  }
})

test.each([
  ['GPT4All', 'an embedding model', 'Embed4All', () => GPT4All.load(NAME, options())],
  ['Embed4All', 'a model that writes text', 'GPT4All', () => Embed4All.load(CHAT, options())],
  ['Embed4All', 'the embedded model', 'GPT4All', () => Embed4All.load(EMBEDDED, { nThreads: 1 })],
])('%s names the class that opens %s on the disk', async (_, __, other, load) => {
  writeFileSync(join(folder, NAME), BERT)
  writeFileSync(join(folder, CHAT), LLAMA)
  await expect(load()).rejects.toMatchObject({
    code: 'ERR_MODEL_UNSUPPORTED',
    message: expect.stringContaining(other),
  })
})

test('GPT4All does not send a reranker to Embed4All', async () => {
  writeFileSync(join(folder, 'ranker.gguf'), tinyEncoder('reranker-bert'))
  const error = await GPT4All.load('ranker', options()).catch((reason: Error) => reason)
  expect(error).toMatchObject({ code: 'ERR_MODEL_UNSUPPORTED' })
  expect((error as Error).message).not.toContain('Embed4All')
})
