import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { GPT4All, type ModelOptions } from '../../src/index.ts'
import { successorOf } from '../../src/models/catalog/successors.ts'
import { HostileServer, md5 } from '../support/hostile-server.ts'
import { EMBEDDED } from '../support/models.ts'
import { oldFile } from '../support/old-files.ts'
import { PUBLISHED } from '../support/published.ts'
import { tinyModel } from '../support/tiny-models.ts'

const bytes = readFileSync(EMBEDDED)
const lines: string[] = []
const logger = { debug() {}, info() {}, warn: (line: string) => void lines.push(line), error() {} }

let server: HostileServer
let home: string
let models: string
let count = 0
beforeAll(async () => {
  server = await HostileServer.start()
})
afterAll(() => server.close())
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'gpt4all-finding-'))
  models = join(home, '.cache', 'gpt4all')
  mkdirSync(models, { recursive: true })
  vi.stubEnv('HOME', home)
  vi.stubEnv('USERPROFILE', home)
  server.requests.length = 0
  lines.length = 0
})
afterEach(() => {
  vi.unstubAllEnvs()
  rmSync(home, { recursive: true, force: true })
})

/** A mirror with these entries and, by name, these files. */
function mirror(entries: readonly object[], files: Readonly<Record<string, Buffer>> = {}): void {
  const name = `finding-${count++}`
  for (const [file, content] of Object.entries(files))
    server.host(`${name}/${file}`, { bytes: content, faults: [] })
  const list = Buffer.from(JSON.stringify(entries))
  const url = server.host(`${name}/models3.json`, { bytes: list, faults: [] })
  vi.stubEnv('GPT4ALL_MODELS_URL', url.replace('models3.json', ''))
}

const MESSAGES = [{ role: 'user', content: 'Hi' }] as const

describe('a model that was published before GGUF', () => {
  const OLD = 'orca-mini-3b.ggmlv3.q4_0.bin'
  const NEW = 'orca-mini-3b-gguf2-q4_0.gguf'
  const entry = { filename: NEW, filesize: String(bytes.length), md5sum: md5(bytes) }

  test('is downloaded as its successor, with a log line; then it opens without a network', async () => {
    mirror([entry], { [NEW]: bytes })
    const first = await GPT4All.load(OLD, { nThreads: 1, logger })
    expect(first.config?.filename).toBe(NEW)
    await first.close()
    expect(lines.join()).toMatch(
      /orca-mini-3b\.ggmlv3\.q4_0\.bin is older than GGUF: orca-mini-3b-gguf2-q4_0\.gguf is used, the same model/,
    )
    const asked = server.requests.length
    for (const name of [OLD, 'orca-mini-3b.ggmlv3.q4_0', NEW])
      await (await GPT4All.load(name, { nThreads: 1, allowDownload: false })).close()
    expect(await GPT4All.downloadModel(OLD)).toBe(join(models, NEW))
    expect(server.requests).toHaveLength(asked)
  })

  test('is taken from a mirror that still has it, and converted', async () => {
    const old = oldFile('v3-Q4_0.bin')
    const listed = { filename: OLD, filesize: String(old.length), md5sum: md5(old), promptTemplate: '<%1>' }
    mirror([entry, listed], { [OLD]: old })
    const model = await GPT4All.load(OLD, { nThreads: 1 })
    expect(model.config?.filename).toBe(`${OLD}.gguf`)
    expect(await model.renderPrompt(MESSAGES)).toBe('<Hi>')
    await model.close()
    expect(await GPT4All.retrieveModel(OLD)).toMatchObject({
      path: join(models, `${OLD}.gguf`),
      filename: `${OLD}.gguf`,
      promptTemplate: '<%1>',
    })
    expect(await GPT4All.verifyModel(OLD)).toMatchObject({ digest: md5(old) })
  })

  test('is verified against its own entry, never against that of another', async () => {
    writeFileSync(join(models, OLD), oldFile('v3-Q4_0.bin'))
    mirror([entry])
    await expect(GPT4All.verifyModel(OLD)).rejects.toMatchObject({ code: 'ERR_MODEL_CONFIG' })
  })

  test("has a successor in today's catalog, except for one", () => {
    const today = PUBLISHED.models3.map(({ filename }) => filename)
    const old = PUBLISHED.models.map(({ filename }) => filename)
    expect(old).toHaveLength(13)
    for (const name of old) if (successorOf(name)) expect(today).toContain(successorOf(name)?.filename)
    expect(old.filter((name) => !successorOf(name))).toEqual(['wizardLM-13B-Uncensored.ggmlv3.q4_0.bin'])
  })
})

describe('a model without a template on the disk', () => {
  const file = () => join(models, 'bare.gguf')
  const bare = tinyModel('llama')

  test('is looked up in the catalog when it is first needed, and kept beside the file', async () => {
    writeFileSync(file(), bare)
    mirror([{ filename: 'bare.gguf', filesize: String(bare.length), promptTemplate: '<%1>' }])
    for (const asked of [0, 1]) {
      const model = await GPT4All.load('bare', { nThreads: 1, nCtx: 64 })
      await model.generate('abc', { maxTokens: 1 })
      expect(server.requests, 'plain generation needs no template').toHaveLength(asked)
      expect(await model.renderPrompt(MESSAGES)).toBe('<Hi>')
      await model.close()
      expect(server.requests, 'the entry is kept').toHaveLength(1)
    }
    expect(JSON.parse(readFileSync(`${file()}.json`, 'utf8'))).toMatchObject({ promptTemplate: '<%1>' })
  })

  test('uses the default template if no catalog has one, or downloads are forbidden', async () => {
    writeFileSync(file(), bare)
    mirror([{ filename: 'bare.gguf', filesize: String(bare.length + 1), promptTemplate: '<%1>' }])
    const prompt = async (allowDownload: boolean, template?: string) => {
      const model = await GPT4All.load('bare', { nThreads: 1, nCtx: 64, allowDownload, logger })
      const text = await model.renderPrompt(
        MESSAGES,
        template === undefined ? {} : { promptTemplate: template },
      )
      await model.close()
      return text
    }
    expect(await prompt(false)).toBe(await prompt(true))
    expect(server.requests).toHaveLength(1)
    expect(await prompt(true, '[%1]')).toBe('[Hi]')
    expect(server.requests).toHaveLength(1)
    vi.stubEnv('GPT4ALL_MODELS_URL', 'http://127.0.0.1:1/')
    expect(await prompt(true)).toBe(await prompt(false))
    expect(lines.join()).toMatch(/the catalog with the template of .*bare\.gguf cannot be read/)
    expect(existsSync(`${file()}.json`)).toBe(false)
  })
})

describe('retrieveModel()', () => {
  test('finds a model, or downloads it, and returns its path and its entry', async () => {
    const entry = { filename: 'tiny.gguf', filesize: String(bytes.length), md5sum: md5(bytes), name: 'Tiny' }
    mirror([entry], { 'tiny.gguf': bytes })
    const path = join(models, 'tiny.gguf')
    await expect(GPT4All.retrieveModel('tiny', { allowDownload: false })).rejects.toMatchObject({
      code: 'ERR_MODEL_NOT_FOUND',
    })
    expect(await GPT4All.retrieveModel('tiny')).toMatchObject({ path, filename: 'tiny.gguf', name: 'Tiny' })
    const asked = server.requests.length
    expect(await GPT4All.retrieveModel('tiny')).toMatchObject({ path, name: 'Tiny' })
    copyFileSync(EMBEDDED, join(models, 'mine.gguf'))
    expect(await GPT4All.retrieveModel('mine')).toEqual({
      path: join(models, 'mine.gguf'),
      filename: 'mine.gguf',
    })
    expect(server.requests).toHaveLength(asked)
    expect(await GPT4All.retrieveModel('tiny', { verbose: false })).toMatchObject({ path })
    await expect(GPT4All.retrieveModel('tiny', { verbose: 1 } as object)).rejects.toMatchObject({
      code: 'ERR_OPTION',
      option: 'verbose',
    })
    await expect(GPT4All.retrieveModel('x', { typo: 1 } as object)).rejects.toMatchObject({
      code: 'ERR_OPTION',
    })
  })
})

describe('retrieve()', () => {
  const entry = {
    filename: 'tiny.gguf',
    filesize: String(bytes.length),
    md5sum: md5(bytes),
    promptTemplate: 'Q: %1\nA: ',
    systemPrompt: 'Be brief. ',
  }
  const opened: GPT4All[] = []
  const named = (options: ModelOptions = {}) => {
    const model = new GPT4All('tiny', { nThreads: 1, logger, ...options })
    opened.push(model)
    return model
  }
  afterEach(async () => {
    for (const model of opened.splice(0)) await model.close()
  })

  test('downloads the model and tells its entry with the templates, without loading it; open() uses the file', async () => {
    mirror([entry], { 'tiny.gguf': bytes })
    const model = named()
    const path = join(models, 'tiny.gguf')
    const { promptTemplate, systemPrompt } = entry
    const expected = { path, filename: 'tiny.gguf', filesize: bytes.length, promptTemplate, systemPrompt }
    expect(await model.retrieve()).toMatchObject(expected)
    expect(model.backend).toBeUndefined()
    const asked = server.requests.length
    await model.open()
    expect(await model.retrieve()).toMatchObject(expected)
    expect(server.requests).toHaveLength(asked)
    expect(model.config?.path).toBe(path)
  })

  test('reads the entry of modelConfigFile, and rejects as open() where that has none', async () => {
    copyFileSync(EMBEDDED, join(models, 'tiny.gguf'))
    const modelConfigFile = join(home, 'list.json')
    writeFileSync(modelConfigFile, JSON.stringify([entry]))
    expect(await named({ modelConfigFile }).retrieve()).toMatchObject({ promptTemplate: 'Q: %1\nA: ' })
    expect(await GPT4All.retrieveModel('tiny', { modelConfigFile })).toMatchObject({
      systemPrompt: 'Be brief. ',
    })
    writeFileSync(modelConfigFile, JSON.stringify([{ ...entry, filename: 'other.gguf' }]))
    const model = named({ modelConfigFile })
    const error = await model.open().catch((reason: unknown) => reason)
    expect(error).toMatchObject({ code: 'ERR_MODEL_CONFIG' })
    await expect(model.retrieve()).rejects.toEqual(error)
  })

  test('follows allowDownload, signal and close()', async () => {
    await expect(named({ allowDownload: false }).retrieve()).rejects.toMatchObject({
      code: 'ERR_MODEL_NOT_FOUND',
    })
    const reason = new Error('enough')
    await expect(named({ signal: AbortSignal.abort(reason) }).retrieve()).rejects.toBe(reason)
    const model = named()
    await model.close()
    await expect(model.retrieve()).rejects.toMatchObject({ code: 'ERR_CLOSED' })
  })
})
