import { execFileSync, spawn } from 'node:child_process'
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
import { GPT4All, isGPT4AllError } from '../../src/index.ts'
import { download } from '../../src/models/download/download.ts'
import { asGguf } from '../../src/models/ggml/convert.ts'
import { createServer } from '../../src/server/index.ts'
import { writeAdapter } from '../support/adapter.ts'
import { GgufWriter } from '../support/gguf-writer.ts'
import { fileBytes, HostileServer, md5 } from '../support/hostile-server.ts'
import { EMBEDDED } from '../support/models.ts'
import { NO_FILES } from '../support/no-files.ts'
import { oldFile, sha256 } from '../support/old-files.ts'
import { TINY_MODELS } from '../support/tiny-models.ts'
import { until } from '../support/until.ts'

// Whatever lies where a file is expected: nothing waits for it, and what is said of it has a code. A door is a way by which a path
// comes in.

const lines: string[] = []
const log = (line: string) => void lines.push(line)
const logger = { debug: log, info: log, warn: log, error: log }
// Each exchange makes a file that is not known yet; trials have tests of their own.
const options = { tryFirst: false, nThreads: 1, nCtx: 256, allowDownload: false, logger }
const bytes = fileBytes(9, 100_000)

let folder: string
let server: HostileServer
let model: GPT4All
beforeAll(async () => {
  server = await HostileServer.start()
  model = await GPT4All.load(EMBEDDED, options)
})
afterAll(() => Promise.all([server.close(), model.close()]))
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gpt4all-doors-'))
  vi.stubEnv('HOME', folder)
  vi.stubEnv('USERPROFILE', folder)
})
afterEach(() => {
  vi.unstubAllEnvs()
  rmSync(folder, { recursive: true, force: true })
})

const at = (name: string) => join(folder, name)
const loaded = async (path: string, more = {}) => {
  const opened = await GPT4All.load(path, { ...options, ...more })
  await opened.close()
}
const listUrl = () => server.host('list.json', { bytes: Buffer.from('[]'), faults: [] })
const fetched = () =>
  download({
    url: server.host('file', { bytes, faults: [] }),
    target: at('model.gguf'),
    size: undefined,
    checksum: { algorithm: 'md5', digest: md5(bytes) },
    signal: new AbortController().signal,
    onProgress: undefined,
    logger,
    patience: { stallMs: 20_000, retryMs: 2, attempts: 4, staleMs: 2000 },
  })

type Door = {
  /** What the path is called. */
  readonly name: string | (() => string)
  /** Makes what lies beside it. */
  readonly beside?: () => void
  readonly enter: (path: string) => Promise<unknown>
  /** What it may say. */
  readonly codes: readonly string[]
}

const NO_MODEL = ['ERR_MODEL_NOT_FOUND', 'ERR_MODEL_UNREADABLE', 'ERR_NOT_GGUF', 'ERR_MODEL_DAMAGED']

const DOORS: Readonly<Record<string, Door>> = {
  'a model': { name: 'x.gguf', enter: (path) => loaded(path), codes: NO_MODEL },
  'a model by its name': { name: 'x.gguf', enter: () => loaded('x', { modelPath: folder }), codes: NO_MODEL },
  'a model of Hugging Face': {
    name: 'a--b--x.gguf',
    enter: () => GPT4All.retrieveModel('hf:a/b', { modelPath: folder, allowDownload: false, logger }),
    codes: NO_MODEL,
  },
  'a model to be downloaded from there': {
    name: 'a--b--x.gguf',
    enter: () => GPT4All.downloadModel('hf:a/b', { modelPath: folder, logger }),
    codes: [...NO_MODEL, 'done'], // there is nothing to download, and it is not read
  },
  'the token for it': {
    name: 'token',
    enter: (path) => {
      vi.stubEnv('HF_TOKEN', '')
      vi.stubEnv('HUGGING_FACE_HUB_TOKEN', '')
      vi.stubEnv('HF_TOKEN_PATH', path)
      vi.stubEnv('HF_ENDPOINT', server.host('hub', { bytes, faults: [] }))
      return GPT4All.downloadModel('hf:a/b', { logger }) // which the server does not have
    },
    codes: ['ERR_MODEL_NOT_FOUND'],
  },
  'a draft model': {
    name: 'x.gguf',
    enter: (draftModel) => loaded(EMBEDDED, { draftModel }),
    codes: NO_MODEL,
  },
  'a LoRA adapter': {
    name: 'x.gguf',
    enter: (path) => loaded(EMBEDDED, { lora: [{ path, scale: 1 }] }),
    codes: NO_MODEL,
  },
  'the second file of a split model': {
    name: 'x-00002-of-00002.gguf',
    beside: () => {
      const first = TINY_MODELS.llama().set('split.count', 'u16', 2).set('split.no', 'u16', 0)
      writeFileSync(at('x-00001-of-00002.gguf'), first.bytes())
    },
    enter: () => GPT4All.describeModel(at('x-00001-of-00002.gguf')),
    codes: NO_MODEL,
  },
  'retrieveModel()': {
    name: 'x.gguf',
    enter: (path) => GPT4All.retrieveModel(path, { logger }),
    codes: NO_MODEL,
  },
  'an old model': {
    name: 'x.bin',
    enter: (path) => GPT4All.retrieveModel(path, { logger }),
    codes: NO_MODEL,
  },
  'the place of what an old model becomes': {
    name: 'x.bin.gguf',
    beside: () => writeFileSync(at('x.bin'), oldFile('v3-Q4_0.bin')),
    enter: () => GPT4All.retrieveModel(at('x.bin'), { logger }),
    codes: [...NO_MODEL, 'done'],
  },
  'verifyModel()': {
    name: 'x.gguf',
    enter: (path) => GPT4All.verifyModel(path, { md5sum: md5(bytes), logger }),
    codes: [...NO_MODEL, 'ERR_CHECKSUM'],
  },
  'estimateMemory()': { name: 'x.gguf', enter: (path) => GPT4All.estimateMemory(path), codes: NO_MODEL },
  'describeModel()': { name: 'x.gguf', enter: (path) => GPT4All.describeModel(path), codes: NO_MODEL },
  'downloadModel()': {
    name: 'x.gguf',
    enter: () => {
      const url = server.host('x.gguf', { bytes, faults: [] })
      return GPT4All.downloadModel('x', { url, md5sum: md5(bytes), modelPath: folder, logger })
    },
    codes: [...NO_MODEL, 'ERR_CHECKSUM', 'ERR_DOWNLOAD', 'done'],
  },
  modelConfigFile: {
    name: 'x.json',
    enter: (modelConfigFile) => loaded(EMBEDDED, { modelConfigFile }),
    codes: ['ERR_MODEL_CONFIG'],
  },
  'modelConfigFile of retrieveModel()': {
    name: 'x.json',
    enter: (modelConfigFile) => GPT4All.retrieveModel(EMBEDDED, { modelConfigFile, logger }),
    codes: ['ERR_MODEL_CONFIG'],
  },
  'listModels()': {
    name: 'x.json',
    enter: (file) => GPT4All.listModels({ file }),
    codes: ['ERR_MODEL_CONFIG'],
  },
  'the entry beside a model': {
    name: 'x.gguf.json',
    beside: () => copyFileSync(EMBEDDED, at('x.gguf')),
    enter: () => loaded(at('x.gguf')),
    codes: ['done'],
  },
  'a list beside a model': {
    name: 'models3.json',
    beside: () => copyFileSync(EMBEDDED, at('x.gguf')),
    enter: () => loaded(at('x.gguf')),
    codes: ['done'],
  },
  'the entry that a download keeps': {
    name: 'x.gguf.json',
    enter: () => {
      const url = server.host('x.gguf', { bytes, faults: [] })
      return GPT4All.downloadModel('x', { url, md5sum: md5(bytes), modelPath: folder, logger })
    },
    codes: ['ERR_DOWNLOAD', 'done'],
  },
  'a session that is restored': {
    name: 'x.json',
    enter: async (restore) => model.chatSession({ restore }).close(),
    codes: ['ERR_SESSION_FILE'],
  },
  'a session that is saved': {
    name: 'x.json',
    enter: (path) => model.chatSession().save(path),
    codes: ['ERR_SESSION_FILE', 'done'],
  },
  'what is there of a download': { name: 'model.gguf.part', enter: fetched, codes: ['done', 'ERR_DOWNLOAD'] },
  'the note beside that': { name: 'model.gguf.part.json', enter: fetched, codes: ['done', 'ERR_DOWNLOAD'] },
  'the lock of a download': { name: 'model.gguf.lock', enter: fetched, codes: ['ERR_DOWNLOAD', 'done'] },
  'the lock of a conversion': {
    name: 'x.bin.gguf.lock',
    beside: () => writeFileSync(at('x.bin'), oldFile('v3-Q4_0.bin')),
    enter: async () => {
      // A folder is somebody's lock: that is waited for.
      const { signal } = new AbortController()
      const patience = { stallMs: 20_000, retryMs: 2, attempts: 4, staleMs: 2000 }
      await asGguf(at('x.bin'), { signal, logger, onProgress: undefined, patience })
    },
    codes: ['ERR_MODEL_UNREADABLE', 'done'],
  },
  'what is left of a conversion': {
    name: 'x.bin.gguf.1.part',
    beside: () => writeFileSync(at('x.bin'), oldFile('v3-Q4_0.bin')),
    enter: () => GPT4All.retrieveModel(at('x.bin'), { logger }),
    codes: ['ERR_MODEL_UNREADABLE', 'done'],
  },
  'a list that was kept': {
    name: () => join('.cache', 'gpt4all-ts', 'catalogs', `${sha256(Buffer.from(listUrl()))}.json`),
    beside: () => mkdirSync(at(join('.cache', 'gpt4all-ts', 'catalogs')), { recursive: true }),
    enter: () => GPT4All.listModels({ url: listUrl(), logger }),
    codes: ['done'],
  },
  'the folder of a server': {
    name: 'x.gguf',
    beside: () => copyFileSync(EMBEDDED, at('fine.gguf')),
    enter: async () => {
      const serving = createServer({}, { modelPath: folder, logger })
      const { url } = await serving.listen({ port: 0 })
      const listed = (await (await fetch(`${url}/v1/models`)).json()) as { data: { id: string }[] }
      const body = JSON.stringify({ model: 'x', prompt: 'Hi', max_tokens: 1 })
      const headers = { 'content-type': 'application/json' }
      const { status } = await fetch(`${url}/v1/completions`, { method: 'POST', headers, body })
      await serving.close()
      expect(listed.data.map(({ id }) => id)).toEqual(['fine'])
      expect([404, 500]).toContain(status)
    },
    codes: ['done'],
  },
}

/** As `sh` would: exchanges file and pipe under one name, until the pipe to it closes. */
const EXCHANGE = `
const { linkSync, renameSync } = require('node:fs')
const [, path, most, ...others] = process.argv
let turns = 0
const exchange = () => {
  const other = turns++ % 2
  linkSync(others[other], path + '.next')
  renameSync(path + '.next', path)
  if (turns > 1e6) return
  if (most === '0') setImmediate(exchange)
  else setTimeout(exchange, other === 0 ? Math.random() * Number(most) : 1)
}
process.stdin.once('end', () => process.exit()).resume()
exchange()
`

const outcome = (work: Promise<unknown>) =>
  work.then(
    () => 'done',
    (error: unknown) => (isGPT4AllError(error) ? error.code : `untyped: ${String(error)}`),
  )

describe.skipIf(process.platform === 'win32').each(Object.entries(NO_FILES))('%s', (_, { place, during }) => {
  test.each(Object.entries(DOORS))('as %s is refused, with what the path is', async (_, door) => {
    door.beside?.()
    const path = at(typeof door.name === 'string' ? door.name : door.name())
    await place(path)
    const enter = async () => door.enter(path)
    expect(door.codes).toContain(await outcome(during ? during(enter) : enter()))
  })
})

const MOST_RUNS = 2000

/**
 * What comes of `work` while `file` and a pipe lie at `path` in turns, the file for `most` ms at most: `runs` times, and on until it
 * has met both.
 */
async function whileExchanged(path: string, most: number, runs: number, work: () => Promise<unknown>) {
  execFileSync('mkfifo', [at('pipe')])
  const args = ['-e', EXCHANGE, path, String(most), at('file'), at('pipe')]
  const exchanging = spawn(process.execPath, args, { stdio: ['pipe', 'inherit', 'inherit'] })
  const ended = new Promise((resolve) => exchanging.once('close', resolve))
  await until(() => expect(existsSync(path)).toBe(true))
  const told = new Set<string>()
  for (let run = 0; run < runs || (told.size < 2 && run < MOST_RUNS); run++) told.add(await outcome(work()))
  exchanging.stdin?.end()
  await ended
  return told
}

describe.skipIf(process.platform === 'win32')('a file that is replaced by a pipe, again and again,', () => {
  test.each<[string, string, (file: string) => unknown]>([
    ['describeModel()', 'x.gguf', (file) => copyFileSync(EMBEDDED, file)],
    ['verifyModel()', 'x.gguf', (file) => copyFileSync(EMBEDDED, file)],
    ['retrieveModel()', 'x.gguf', (file) => copyFileSync(EMBEDDED, file)],
    ['listModels()', 'x.json', (file) => writeFileSync(file, '[]')],
    ['a session that is restored', 'x.json', (file) => model.chatSession().save(file)],
  ])('as %s blocks nothing', async (name, fileName, make) => {
    const { enter, codes } = DOORS[name]!
    await make(at('file'))
    const told = await whileExchanged(at(fileName), 0, 300, async () => enter(at(fileName)))
    for (const code of told) expect([...codes, 'done']).toContain(code)
    expect(told.size).toBeGreaterThan(1)
  })

  // Elsewhere llama.cpp opens paths.
  test.skipIf(process.platform !== 'linux').each<[string, () => Buffer | Promise<Buffer>]>([
    ['a model', () => readFileSync(EMBEDDED)],
    ['a draft model', () => readFileSync(EMBEDDED)],
    ['a LoRA adapter', async () => (await writeAdapter()).bytes()],
    [
      'the second file of a split model',
      () => partOf(new GgufWriter().tensor('output_norm.weight', [32]), 1),
    ],
  ])('as %s blocks no loading thread', async (name, bytesOf) => {
    writeFileSync(at('file'), await bytesOf())
    writeFileSync(
      at('x-00001-of-00002.gguf'),
      partOf(TINY_MODELS.llama().removeTensor('output_norm.weight'), 0),
    )
    const door = DOORS[name]!
    const path = at(String(door.name))
    const enter =
      name === 'the second file of a split model'
        ? () => loaded(at('x-00001-of-00002.gguf'))
        : () => door.enter(path)
    const told = await whileExchanged(path, 40, 60, enter)
    for (const code of told) expect([...NO_MODEL, 'done']).toContain(code)
    expect(told).toContain('done')
  })
})

function partOf(file: GgufWriter, no: number): Buffer {
  const tensors = 20 // of the whole model
  return file
    .set('split.no', 'u16', no)
    .set('split.count', 'u16', 2)
    .set('split.tensors.count', 'i32', tensors)
    .bytes()
}
