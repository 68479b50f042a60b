import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { fileBytes, HostileServer, md5 } from '../support/hostile-server.ts'
import { until } from '../support/until.ts'

// The tests of gpt4all 4.0.0 (test/gpt4all.test.js), by their names, against a server of ours in place of a mocked fetch.

const home = mkdtempSync(join(tmpdir(), 'gpt4all-npm-tests-'))
vi.stubEnv('HOME', home)
vi.stubEnv('USERPROFILE', home)
// The default folder is a constant: it is what HOME says when the module is loaded.
const {
  DEFAULT_DIRECTORY,
  DEFAULT_LIBRARIES_DIRECTORY,
  DEFAULT_MODEL_CONFIG,
  DEFAULT_MODEL_LIST_URL,
  DEFAULT_PROMPT_CONTEXT,
  downloadModel,
  listModels,
  retrieveModel,
} = await import('../../src/compat/index.ts')

const ENTRY = {
  order: 'a',
  md5sum: '08d6c05a21512a79a1dfeb9d2a8f262f',
  name: 'Not a real model',
  filename: 'fake-model.gguf',
  filesize: '4',
  systemPrompt: ' ',
}
const FOUR_BYTES = Buffer.from([1, 2, 3, 4])

let server: HostileServer
let mirror: string
beforeAll(async () => {
  server = await HostileServer.start()
  const bytes = Buffer.from(JSON.stringify([ENTRY]))
  mirror = server.host('models3.json', { bytes, faults: [] })
  server.host('fake-model.gguf', { bytes: FOUR_BYTES, faults: [] })
})
beforeEach(() => {
  vi.stubEnv('HOME', home)
  vi.stubEnv('USERPROFILE', home)
  vi.stubEnv('GPT4ALL_MODELS_URL', mirror)
  server.requests.length = 0
})
afterEach(() => rmSync(DEFAULT_DIRECTORY, { recursive: true, force: true }))
afterAll(async () => {
  vi.unstubAllEnvs()
  await server.close()
  rmSync(home, { recursive: true })
})

const paths = () => server.requests.map(({ path }) => path)
const pathOf = (name: string) => join(DEFAULT_DIRECTORY, name)

describe('config', () => {
  test('default paths constants are available and correct', () => {
    expect(DEFAULT_DIRECTORY).toBe(resolve(homedir(), '.cache/gpt4all'))
    const folders = DEFAULT_LIBRARIES_DIRECTORY.split(';')
    expect(folders).toHaveLength(5)
    expect(folders.slice(0, 2)).toEqual([join(DEFAULT_DIRECTORY, 'libraries'), resolve('./libraries')])
    expect(folders[2]).toMatch(new RegExp(`runtimes.${process.platform}-${process.arch}.native$`))
    expect(folders[3]).toMatch(new RegExp(`runtimes.${process.platform}.native$`))
    expect(folders[4]).toBe(process.cwd())
  })

  test('default options are those of the package', () => {
    expect(DEFAULT_MODEL_LIST_URL).toBe('https://gpt4all.io/models/models3.json')
    expect(DEFAULT_MODEL_CONFIG).toEqual({
      systemPrompt: '',
      promptTemplate: '### Human:\n%1\n\n### Assistant:\n',
    })
    expect(DEFAULT_PROMPT_CONTEXT).toEqual({
      temp: 0.1,
      topK: 40,
      topP: 0.9,
      minP: 0,
      repeatPenalty: 1.18,
      repeatLastN: 10,
      nBatch: 100,
    })
  })
})

describe('listModels', () => {
  test('should load the model list from remote when called without args', async () => {
    const models = await listModels()
    expect(paths()).toEqual(['/models3.json']) // of the mirror, in place of gpt4all.io
    expect(models[0]).toEqual(ENTRY)
  })

  test('should load the model list from an address', async () => {
    expect(await listModels({ url: mirror })).toEqual([ENTRY])
    await expect(listModels({ url: mirror.replace('models3', 'missing') })).rejects.toThrow('404')
  })

  test('should load the model list from a local file, if specified', async () => {
    const file = join(home, 'models.json')
    writeFileSync(file, JSON.stringify([ENTRY]))
    expect(await listModels({ file })).toEqual([ENTRY])
    expect(paths()).toEqual([])
    const missing = join(home, 'missing.json')
    await expect(listModels({ file: missing })).rejects.toThrow(`Model list file ${missing} does not exist.`)
  })

  test('should throw an error if neither url nor file is specified', async () => {
    const message = 'No model list source specified. Please specify either a url or a file.'
    await expect(listModels(null as never)).rejects.toThrow(message)
    await expect(listModels({})).rejects.toThrow(message)
  })
})

describe('appendBinSuffixIfMissing', () => {
  test('should make sure the suffix is there', async () => {
    server.host('filename.gguf', { bytes: ggufBytes(1000), faults: [] })
    server.host('filename.bin', { bytes: ggufBytes(1000), faults: [] })
    expect(await downloadModel('filename').promise).toBe(pathOf('filename.gguf'))
    expect(await downloadModel('filename.bin').promise).toBe(pathOf('filename.bin'))
  })
})

function ggufBytes(size: number): Buffer {
  return Buffer.concat([Buffer.from('GGUF'), fileBytes(size, size - 4)])
}

describe('downloadModel', () => {
  test('should successfully download a model file', async () => {
    const path = await downloadModel('fake-model').promise
    expect(path).toBe(pathOf('fake-model.gguf'))
    expect(paths().filter((one) => one.endsWith('.gguf'))).toEqual(['/fake-model.gguf'])
    expect(readFileSync(pathOf('fake-model.gguf'))).toEqual(FOUR_BYTES)
  })

  test('should error and cleanup if md5sum is not matching', async () => {
    const wrong = downloadModel('fake-model', { md5sum: 'wrong-md5sum' })
    await expect(wrong.promise).rejects.toThrow(
      'Model "fake-model" failed verification: Hashes mismatch. Expected wrong-md5sum, got ' +
        '08d6c05a21512a79a1dfeb9d2a8f262f',
    )
    expect(readdirSync(DEFAULT_DIRECTORY)).toEqual([])
    const url = mirror.replace('models3.json', 'fake-model.gguf')
    const other = downloadModel('fake-model', { url, md5sum: md5(Buffer.from('other')) })
    await expect(other.promise).rejects.toThrow('got 08d6c05a21512a79a1dfeb9d2a8f262f')
  })

  test('should be able to cancel and resume a download', async () => {
    const bytes = ggufBytes(3_000_000)
    const url = server.host('large.gguf', { bytes, faults: ['stall'] })
    const first = downloadModel('large', { url, md5sum: md5(bytes) })
    const ended = expect(first.promise).rejects.toMatchObject({ name: 'AbortError' })
    const partSize = () =>
      Math.max(0, ...readdirSync(DEFAULT_DIRECTORY).map((name) => statSync(pathOf(name)).size))
    await until(() => expect(partSize()).toBeGreaterThan(900_000))
    first.cancel()
    await ended
    expect(existsSync(pathOf('large.gguf'))).toBe(false)

    const second = downloadModel('large', { url, md5sum: md5(bytes) })
    expect(await second.promise).toBe(pathOf('large.gguf'))
    expect(server.requests.at(-1)?.range).toMatch(/^bytes=[1-9]\d*-$/)
    expect(readFileSync(pathOf('large.gguf')).equals(bytes)).toBe(true)
  })

  test('throws at once if the file is there, and rejects with what the server says', async () => {
    const url = server.host('there.gguf', { bytes: ggufBytes(1000), faults: [] })
    await downloadModel('there', { url }).promise
    expect(() => downloadModel('there', { url })).toThrow(`Model already exists at ${pathOf('there.gguf')}`)
    const gone = downloadModel('gone', { url: url.replace('there', 'gone') })
    await expect(gone.promise).rejects.toThrow(/^Failed to download model from .*gone.gguf - 404 Not Found$/)
  })
})

describe('retrieveModel', () => {
  test('resolves with defaults, the entry of the list, a trimmed system prompt and the path', async () => {
    server.host('fake-model.gguf', { bytes: FOUR_BYTES, faults: [] })
    expect(await retrieveModel('fake-model')).toMatchObject({
      ...ENTRY,
      systemPrompt: '',
      promptTemplate: DEFAULT_MODEL_CONFIG.promptTemplate,
      path: pathOf('fake-model.gguf'),
    })
  })

  test('never downloads where that is not allowed', async () => {
    const file = join(home, 'list.json')
    writeFileSync(file, JSON.stringify([ENTRY]))
    const options = { allowDownload: false, modelConfigFile: file }
    await expect(retrieveModel('fake-model', options)).rejects.toThrow('Failed to retrieve model.')
    expect(paths()).toEqual([])
  })
})
