import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { DownloadError, GPT4All, type Progress } from '../../src/index.ts'
import { type DownloadRequest, download } from '../../src/models/download/download.ts'
import { FATAL, FAULTS, type Fault, fileBytes, HostileServer, md5 } from '../support/hostile-server.ts'
import { EMBEDDED } from '../support/models.ts'
import { until } from '../support/until.ts'

const LENGTH = 3 * 2 ** 20 + 12_345 // more than one block is written at once
const silent = { debug() {}, info() {}, warn() {}, error() {} }
const patience = { stallMs: 250, retryMs: 2, attempts: 4, staleMs: 2000 }

let server: HostileServer
let folder: string
beforeAll(async () => {
  server = await HostileServer.start()
})
afterAll(() => server.close())
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gpt4all-download-'))
  server.requests.length = 0
})
afterEach(() => {
  vi.unstubAllEnvs()
  rmSync(folder, { recursive: true, force: true })
})

let count = 0
function prepare(faults: readonly Fault[], options: Partial<DownloadRequest> = {}) {
  const bytes = fileBytes(count, LENGTH)
  const url = server.host(`file-${count++}`, { bytes, faults })
  const target = join(folder, 'model.gguf')
  const request: DownloadRequest = {
    url,
    target,
    size: LENGTH,
    checksum: { algorithm: 'md5', digest: md5(bytes) },
    signal: new AbortController().signal,
    onProgress: undefined,
    logger: silent,
    patience,
    ...options,
  }
  const files = () => readdirSync(folder).sort()
  return { bytes, target, request, files, run: () => download(request) }
}

describe('the signal of load()', () => {
  const reason = new Error('enough')

  test('that is already aborted rejects at once, without a request', async () => {
    const options = { modelPath: folder, signal: AbortSignal.abort(reason) }
    vi.stubEnv('GPT4ALL_MODELS_URL', server.host('nothing', { bytes: Buffer.alloc(0), faults: [] }))
    await expect(GPT4All.load('absent', options)).rejects.toBe(reason)
    const model = new GPT4All('absent', options)
    await expect(model.open()).rejects.toBe(reason)
    await expect(model.generate('a').result).rejects.toBe(reason)
    expect(server.requests).toEqual([])
    await model.close()
    await expect(model.open()).rejects.toMatchObject({ code: 'ERR_CLOSED' })
  })

  test('ends a download that stalls, and keeps the part that arrived', async () => {
    const bytes = readFileSync(EMBEDDED)
    const url = server.host('stalling/model.gguf', { bytes, faults: ['stall'] })
    const catalog = Buffer.from(JSON.stringify([{ filename: 'model.gguf', md5sum: md5(bytes) }]))
    server.host('stalling/models3.json', { bytes: catalog, faults: [] })
    vi.stubEnv('GPT4ALL_MODELS_URL', url.replace('/model.gguf', ''))
    const controller = new AbortController()
    const options = { modelPath: folder, nThreads: 1, logger: silent }
    const onProgress = () => controller.abort(reason)
    const aborted = GPT4All.load('model', { ...options, onProgress, signal: controller.signal })
    await expect(aborted).rejects.toBe(reason)
    expect(readdirSync(folder)).toContain('model.gguf.part')
    await (await GPT4All.load('model', options)).close()
  })

  test('ends the loading of the weights', async () => {
    const controller = new AbortController()
    const onProgress = () => controller.abort(reason)
    const aborted = GPT4All.load(EMBEDDED, { nThreads: 1, onProgress, signal: controller.signal })
    await expect(aborted).rejects.toBe(reason)
  })

  test('has no effect on what is generated later', async () => {
    const controller = new AbortController()
    const model = await GPT4All.load(EMBEDDED, { nThreads: 1, signal: controller.signal })
    controller.abort(reason)
    expect(await model.generate('The capital of France is', { temp: 0, maxTokens: 4 })).toContain('Paris')
    await model.close()
  })
})

describe('a download', () => {
  test('gets its final name only when it is whole, and leaves no other files', async () => {
    const told: Progress[] = []
    const { target, bytes, run, files } = prepare([], { onProgress: (progress) => told.push(progress) })
    await run()
    expect(readFileSync(target).equals(bytes)).toBe(true)
    expect(files()).toEqual(['model.gguf'])
    expect(told.at(-1)).toMatchObject({ phase: 'download', bytes: LENGTH, total: LENGTH })
  })

  test('names the library and its version to the server', async () => {
    const { run } = prepare([])
    await run()
    expect(server.requests.at(-1)?.userAgent).toMatch(/^gpt4all-ts\/\d+\.\d+\.\d+/)
  })

  test.each([null, undefined, 'a text', new Error('an error')])(
    'rejects with %s if that is what its callback throws',
    async (thrown) => {
      const { run } = prepare([], {
        onProgress: () => {
          throw thrown
        },
      })
      const outcome = await run().then(
        () => 'resolved',
        (reason: unknown) => ({ reason }),
      )
      expect(outcome).toEqual({ reason: thrown })
    },
  )

  test.each(FAULTS.filter((fault) => !FATAL.includes(fault)))('survives: %s', async (fault) => {
    const sequences: Fault[][] = [[fault], ['reset at 50 %', fault], [fault, 'reset at 99 %', fault]]
    // Without a range there is nothing that could not be satisfied.
    for (const faults of fault === '416' ? sequences.slice(1, 2) : sequences) {
      const { target, bytes, run, files } = prepare(faults)
      await run()
      expect(readFileSync(target).equals(bytes)).toBe(true)
      expect(files()).toEqual(['model.gguf'])
      rmSync(target)
    }
  })

  test.each(FATAL)('fails with a typed error, and without the file: %s', async (fault) => {
    for (const faults of [[fault], ['reset at 50 %', fault]] as Fault[][]) {
      const { target, run } = prepare(faults)
      const error = await run().catch((reason: unknown) => reason)
      expect(error).toBeInstanceOf(DownloadError)
      expect((error as DownloadError).code).toBe(fault === 'wrong hash' ? 'ERR_CHECKSUM' : 'ERR_DOWNLOAD')
      expect(existsSync(target)).toBe(false)
      expect(existsSync(`${target}.lock`)).toBe(false)
    }
  })

  test('fails after several failures in a row, and resumes the next time', async () => {
    const { bytes, target, run } = prepare([
      'reset at 99 %',
      ...Array.from({ length: patience.attempts }, () => '503' as const),
    ])
    await expect(run()).rejects.toMatchObject({ code: 'ERR_DOWNLOAD', status: 503 })
    const before = statSync(`${target}.part`).size
    expect(before).toBeGreaterThan(0)
    await run()
    expect(server.requests.at(-1)?.range).toBe(`bytes=${before}-`)
    expect(readFileSync(target).equals(bytes)).toBe(true)
  })

  test('without a checksum resumes only if the ETag is the same', async () => {
    const faults: Fault[] = ['reset at 99 %', '404']
    const known = prepare(faults, { checksum: undefined, size: undefined })
    await expect(known.run()).rejects.toMatchObject({ status: 404 })
    await known.run()
    expect(server.requests.at(-1)?.range).toMatch(/^bytes=[1-9]/)
    expect(readFileSync(known.target).equals(known.bytes)).toBe(true)
    rmSync(known.target)
    const unknown = prepare(['no ETag'], { checksum: undefined, size: undefined })
    writeFileSync(`${unknown.target}.part`, 'something')
    await unknown.run()
    expect(readFileSync(unknown.target).equals(unknown.bytes)).toBe(true)
  })

  test('stops at once when it is aborted, keeps its part, and never gets its final name', async () => {
    const controller = new AbortController()
    const { target, run } = prepare(['stall'], { signal: controller.signal })
    const running = run()
    await until(() => expect(server.requests).toHaveLength(1))
    controller.abort('enough')
    await expect(running).rejects.toBe('enough')
    expect(existsSync(target)).toBe(false)
    expect(existsSync(`${target}.lock`)).toBe(false)
    const early = prepare([], { signal: AbortSignal.abort('early') })
    await expect(early.run()).rejects.toBe('early')
  })

  test('that is requested twice at once happens once', async () => {
    const { target, bytes, run } = prepare([])
    await Promise.all([run(), run(), run()])
    expect(server.requests).toHaveLength(1)
    expect(readFileSync(target).equals(bytes)).toBe(true)
  })

  test('refuses a file that does not fit on the disk before it begins', async () => {
    const { run } = prepare([], { size: 2 ** 60, checksum: undefined })
    await expect(run()).rejects.toMatchObject({ code: 'ERR_DOWNLOAD' }) // the server has another size
    const huge = prepare([])
    const url = server.host('huge', { bytes: huge.bytes, faults: [] })
    await expect(
      download({ ...huge.request, url, size: undefined, checksum: undefined }),
    ).resolves.toBeUndefined()
  })

  test('refuses invalid URLs', async () => {
    for (const url of ['ftp://127.0.0.1/x', 'nonsense', 'http://127.0.0.1:1/x']) {
      const { request } = prepare([])
      await expect(download({ ...request, url })).rejects.toMatchObject({ code: 'ERR_DOWNLOAD' })
    }
  })
})

describe('GPT4All', () => {
  const bytes = readFileSync(EMBEDDED)
  const entry = { filename: 'tiny.gguf', filesize: String(bytes.length), md5sum: md5(bytes), name: 'Tiny' }
  const catalog = Buffer.from(JSON.stringify([entry, { filename: 'other-model-7b.Q4_0.gguf' }]))

  /** A mirror with a catalog and the file, and an empty home folder. */
  function mirror(faults: readonly Fault[] = []) {
    const name = `mirror-${count++}`
    server.host(`${name}/models3.json`, { bytes: catalog, faults: [] })
    const url = server.host(`${name}/tiny.gguf`, { bytes, faults })
    vi.stubEnv('GPT4ALL_MODELS_URL', url.replace('tiny.gguf', ''))
    vi.stubEnv('HOME', folder)
    vi.stubEnv('USERPROFILE', folder)
    return name
  }

  test('load() downloads a model of the catalog once, and keeps its entry beside it', async () => {
    mirror()
    const told: Progress[] = []
    const model = await GPT4All.load('tiny', { nThreads: 1, onProgress: (progress) => told.push(progress) })
    expect(await model.generate('The capital of France is', { maxTokens: 3, temp: 0 })).toContain('Paris')
    await model.close()
    expect(new Set(told.map(({ phase }) => phase))).toEqual(new Set(['download', 'load']))
    const path = join(folder, '.cache', 'gpt4all', 'tiny.gguf')
    expect(JSON.parse(readFileSync(`${path}.json`, 'utf8'))).toMatchObject({
      name: 'Tiny',
      filesize: bytes.length,
    })
    const requests = server.requests.length
    await (await GPT4All.load('tiny.gguf', { nThreads: 1 })).close()
    expect(server.requests).toHaveLength(requests)
    expect(await GPT4All.verifyModel('tiny')).toMatchObject({ path, algorithm: 'md5', digest: md5(bytes) })
    writeFileSync(path, 'something else')
    await expect(GPT4All.verifyModel('tiny')).rejects.toMatchObject({ code: 'ERR_CHECKSUM' })
  })

  test('load() suggests a similar name, and says if downloads are forbidden', async () => {
    mirror()
    const load = (name: string, allowDownload = true) => GPT4All.load(name, { allowDownload })
    await expect(load('other model 7b')).rejects.toThrow(/Did you mean "other-model-7b.Q4_0.gguf"/)
    await expect(load('nothing-like-it')).rejects.toMatchObject({ code: 'ERR_MODEL_NOT_FOUND' })
    const before = server.requests.length
    await expect(load('tiny', false)).rejects.toThrow(/allowDownload/)
    await expect(load('./tiny.gguf')).rejects.toThrow(/only plain names/)
    expect(server.requests).toHaveLength(before)
  })

  test('listModels() reads a catalog, asks with its ETag, and uses the old one while offline', async () => {
    const name = mirror()
    expect((await GPT4All.listModels()).map(({ filename }) => filename)).toEqual([
      'tiny.gguf',
      'other-model-7b.Q4_0.gguf',
    ])
    vi.stubEnv('GPT4ALL_MODELS_URL', '')
    await expect(GPT4All.listModels({ url: 'http://127.0.0.1:1/models3.json' })).rejects.toMatchObject({
      code: 'ERR_DOWNLOAD',
    })
    const file = join(folder, 'mine.json')
    writeFileSync(file, catalog)
    expect(await GPT4All.listModels({ file })).toHaveLength(2)
    await expect(GPT4All.listModels({ file, url: 'http://127.0.0.1:1/' })).rejects.toMatchObject({
      code: 'ERR_OPTION',
    })
    await expect(GPT4All.listModels({ file: 'package.json' })).rejects.toMatchObject({
      code: 'ERR_MODEL_CONFIG',
      message: expect.stringContaining('is not a catalog of models'),
    })
    writeFileSync(file, '[]')
    expect(await GPT4All.listModels({ file })).toEqual([])
    expect(name).not.toBe('')
  })

  test('downloadModel() checks a file that exists as far as possible, and downloads it again with force', async () => {
    mirror()
    const path = await GPT4All.downloadModel('tiny')
    writeFileSync(path, bytes.subarray(0, 1000))
    await expect(GPT4All.downloadModel('tiny')).rejects.toMatchObject({
      code: 'ERR_CHECKSUM',
      message: expect.stringContaining('force'),
    })
    expect(await GPT4All.downloadModel('tiny', { force: true })).toBe(path)
    expect(readFileSync(path).equals(bytes)).toBe(true)
    expect(await GPT4All.downloadModel('tiny', { md5sum: md5(bytes) })).toBe(path)
    const wrong = { md5sum: 'ab'.repeat(16) }
    await expect(GPT4All.downloadModel('tiny', wrong)).rejects.toMatchObject({ code: 'ERR_CHECKSUM' })
    await expect(GPT4All.downloadModel('tiny', { ...wrong, force: true })).rejects.toMatchObject({
      code: 'ERR_CHECKSUM',
    })
    expect(readFileSync(path).equals(bytes)).toBe(true) // what was there stays until there is something better
  })

  test('verifyModel() uses a checksum, or a list beside the file, or says that no checksum is known', async () => {
    mirror()
    const modelPath = join(folder, 'mine')
    mkdirSync(modelPath)
    const path = join(modelPath, 'own.gguf')
    writeFileSync(path, bytes)
    for (const allowDownload of [true, false])
      await expect(GPT4All.verifyModel('own', { modelPath, allowDownload })).rejects.toMatchObject({
        code: 'ERR_MODEL_CONFIG',
      })
    const digest = md5(bytes)
    expect(await GPT4All.verifyModel('own', { modelPath, md5sum: digest })).toMatchObject({ path, digest })
    await expect(GPT4All.verifyModel('own', { modelPath, sha256sum: 'ab'.repeat(32) })).rejects.toMatchObject(
      {
        code: 'ERR_CHECKSUM',
      },
    )
    writeFileSync(join(modelPath, 'models.json'), JSON.stringify([{ filename: 'own.gguf', md5sum: digest }]))
    expect(await GPT4All.verifyModel('own', { modelPath })).toMatchObject({ digest })
    await expect(GPT4All.verifyModel('owm', { modelPath })).rejects.toThrow(/Did you mean "own\.gguf"/)
  })

  test('downloadModel() accepts a URL and a checksum', async () => {
    mirror()
    const url = server.host('mine.gguf', { bytes, faults: ['reset at 50 %'] })
    const modelPath = join(folder, 'models')
    const path = await GPT4All.downloadModel('mine', { url, modelPath, md5sum: md5(bytes) })
    expect(path).toBe(join(modelPath, 'mine.gguf'))
    await expect(
      GPT4All.downloadModel('other', { url, modelPath, sha256sum: 'ab'.repeat(32) }),
    ).rejects.toMatchObject({ code: 'ERR_CHECKSUM' })
    await expect(GPT4All.downloadModel('x', { md5sum: 'short' })).rejects.toMatchObject({
      code: 'ERR_OPTION',
    })
    await expect(GPT4All.downloadModel('a/b')).rejects.toMatchObject({ code: 'ERR_OPTION' })
    expect(basename(path)).toBe('mine.gguf')
  })

  test('downloadModel() refuses a file that has another size than expectedSize, on the disk and from a server', async () => {
    mirror()
    const url = server.host('sized.gguf', { bytes, faults: [] })
    const options = { url, modelPath: folder }
    await expect(
      GPT4All.downloadModel('sized', { ...options, expectedSize: bytes.length - 1 }),
    ).rejects.toMatchObject({ code: 'ERR_DOWNLOAD', message: expect.stringContaining(String(bytes.length)) })
    expect(existsSync(join(folder, 'sized.gguf'))).toBe(false)
    const right = { ...options, expectedSize: bytes.length }
    const path = await GPT4All.downloadModel('sized', right)
    expect(await GPT4All.downloadModel('sized', right)).toBe(path)
    await expect(
      GPT4All.downloadModel('sized', { ...options, expectedSize: 5, md5sum: md5(bytes) }),
    ).rejects.toMatchObject({ code: 'ERR_CHECKSUM' })
    for (const expectedSize of [0, -1, 1.5, '5'])
      await expect(
        GPT4All.downloadModel('sized', { ...options, expectedSize } as object),
      ).rejects.toMatchObject({ code: 'ERR_OPTION', option: 'expectedSize' })
  })
})
