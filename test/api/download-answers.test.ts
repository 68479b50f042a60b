import {
  chownSync,
  linkSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { fetchCatalog } from '../../src/models/catalog/catalog.ts'
import { type DownloadRequest, download } from '../../src/models/download/download.ts'
import { downloadEntry } from '../../src/models/obtain.ts'
import { fileBytes, md5 } from '../support/hostile-server.ts'

const patience = { stallMs: 5000, retryMs: 2, attempts: 4, staleMs: 2000 }
const lines: string[] = []
const logger = { debug() {}, info() {}, warn: (line: string) => void lines.push(line), error() {} }

let server: Server | undefined
let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gpt4all-answers-'))
  lines.length = 0
})
afterEach(() => {
  vi.unstubAllEnvs()
  server?.closeAllConnections()
  server?.close()
  rmSync(folder, { recursive: true, force: true })
})

/** The address of a server that answers so; `ranges` are those it was asked for. */
async function answering(answer: RequestListener): Promise<{ url: string; ranges: unknown[] }> {
  const ranges: unknown[] = []
  server = createServer((request, response) => {
    ranges.push(request.headers.range)
    answer(request, response)
  })
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve))
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/model`, ranges }
}

const target = () => join(folder, 'model.gguf')
const run = (url: string, options: Partial<DownloadRequest> = {}) =>
  download({
    url,
    target: target(),
    size: undefined,
    checksum: undefined,
    signal: new AbortController().signal,
    onProgress: undefined,
    logger,
    patience,
    ...options,
  })

test.each([
  ['no ETag', undefined, undefined],
  ['weak ETags', 'W/"1"', 'W/"2"'],
])('a download does not resume if nothing identifies the file: %s', async (_, first, second) => {
  const [one, other] = [fileBytes(1, 6_000_000), fileBytes(2, 6_000_000)]
  const { url, ranges } = await answering((request, response) => {
    const etag = ranges.length === 1 ? first : second
    const headers = { ...(etag && { etag }) }
    if (ranges.length === 1) {
      response.writeHead(200, { ...headers, 'content-length': one.length })
      response.write(one.subarray(0, 3_000_000), () => request.socket.destroySoon())
      return
    }
    const from = Number(/\d+/.exec(request.headers.range ?? '0')?.[0])
    const range = `bytes ${from}-${other.length - 1}/${other.length}`
    response.writeHead(from > 0 ? 206 : 200, {
      ...headers,
      'content-length': other.length - from,
      ...(from > 0 && { 'content-range': range }),
    })
    response.end(other.subarray(from))
  })
  await run(url)
  expect(ranges).toEqual([undefined, undefined])
  expect(readFileSync(target()).equals(other)).toBe(true)
  expect(readdirSync(folder)).toEqual(['model.gguf'])
})

test('a download ignores an ETag that cannot be sent back', async () => {
  const bytes = fileBytes(3, 6_000_000)
  const { url, ranges } = await answering((request, response) => {
    response.writeHead(200, { 'content-length': bytes.length, etag: Buffer.from('"☃"').toString('latin1') })
    if (ranges.length > 1) return void response.end(bytes)
    response.write(bytes.subarray(0, 3_000_000), () => request.socket.destroySoon())
  })
  await run(url, { checksum: { algorithm: 'md5', digest: md5(bytes) } })
  expect(readFileSync(target()).equals(bytes)).toBe(true)
})

test('a download refuses a body that ends with the connection, unless a size or checksum verifies it', async () => {
  const bytes = fileBytes(4, 1000)
  const { url } = await answering((request) => {
    request.socket.end(Buffer.concat([Buffer.from('HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n'), bytes]))
  })
  await expect(run(url)).rejects.toMatchObject({ name: 'DownloadError', code: 'ERR_DOWNLOAD' })
  expect(readdirSync(folder)).toEqual([])
  await run(url, { checksum: { algorithm: 'md5', digest: md5(bytes) } })
  expect(readFileSync(target()).equals(bytes)).toBe(true)
  rmSync(target())
  await run(url, { size: bytes.length })
})

test('a download accepts a body of unknown length with a warning, and refuses an empty one', async () => {
  let body = fileBytes(5, 1000)
  const { url } = await answering((_, response) => {
    response.write(body)
    response.end()
  })
  await run(url)
  expect(lines).toEqual([expect.stringContaining('cannot be verified')])
  rmSync(target())
  body = Buffer.alloc(0)
  await expect(run(url)).rejects.toMatchObject({ name: 'DownloadError', code: 'ERR_DOWNLOAD' })
  expect(readdirSync(folder)).toEqual([])
})

test('a download that fails before its first byte leaves no part file', async () => {
  const { url } = await answering((_, response) => response.writeHead(404).end())
  await expect(run(url)).rejects.toMatchObject({ status: 404 })
  expect(readdirSync(folder)).toEqual([])
})

test('a download that does not fit on the disk reports the size in GiB, and leaves no part file', async () => {
  const { url } = await answering((_, response) => {
    response.writeHead(200, { 'content-length': 2 ** 50 }).flushHeaders()
  })
  await expect(run(url)).rejects.toMatchObject({
    code: 'ERR_DISK_SPACE',
    message: expect.stringMatching(/needs 1048576.0 GiB, \d+\.\d GiB more/) as unknown,
  })
  expect(readdirSync(folder)).toEqual([])
})

test.skipIf(process.platform === 'win32').each([
  ['symbolic links', symlinkSync],
  ['hard links', linkSync],
])('a download does not write through %s in place of the part file and its note', async (_, linkTo) => {
  const bytes = fileBytes(6, 1000)
  const { url, ranges } = await answering((_, response) => response.end(bytes))
  const victim = join(folder, 'victim')
  writeFileSync(victim, 'mine')
  for (const ending of ['.part', '.part.json']) linkTo(victim, `${target()}${ending}`)
  await run(url)
  expect(ranges).toEqual([undefined])
  expect(lstatSync(victim).nlink).toBe(1)
  expect(readFileSync(victim, 'utf8')).toBe('mine')
  expect(lstatSync(target()).isSymbolicLink()).toBe(false)
  expect(readFileSync(target()).equals(bytes)).toBe(true)
  expect(readdirSync(folder).sort()).toEqual(['model.gguf', 'victim'])
})

test.skipIf(process.geteuid?.() !== 0)(
  'a download does not resume the part file of another user',
  async () => {
    const bytes = fileBytes(8, 1000)
    const digest = md5(bytes)
    const { url, ranges } = await answering((request, response) => {
      const from = Number(/\d+/.exec(request.headers.range ?? '0')?.[0])
      const range = `bytes ${from}-999/1000`
      response.writeHead(from > 0 ? 206 : 200, { ...(from > 0 && { 'content-range': range }) })
      response.end(bytes.subarray(from))
    })
    for (const owner of [process.geteuid?.() ?? 0, 65_534]) {
      writeFileSync(`${target()}.part`, bytes.subarray(0, 400))
      writeFileSync(`${target()}.part.json`, JSON.stringify({ url, digest }))
      chownSync(`${target()}.part`, owner, owner)
      await run(url, { checksum: { algorithm: 'md5', digest } })
      expect(lstatSync(target()).uid).toBe(process.geteuid?.())
      rmSync(target())
    }
    expect(ranges).toEqual(['bytes=400-', undefined])
  },
)

test('the error about an answer quotes none of it', async () => {
  const SECRET = 'sesame'
  const json = (list: unknown) => JSON.stringify(list)
  const bodies = [
    SECRET,
    `<html>${SECRET}`,
    `{"${SECRET}`,
    `{"a": ${SECRET}}`,
    json([{ filename: 7, name: SECRET }]),
    json([{ filename: SECRET, embeddingModel: SECRET }]),
    json([{ filename: `${SECRET}/x` }]),
    json([{ filename: 'x', md5sum: SECRET }]),
    json([{ filename: 'x', filesize: { SECRET } }]),
    json(SECRET),
    `GGU${SECRET}`,
  ]
  const answers: RequestListener[] = [
    ...bodies.map(
      (body): RequestListener =>
        (_, response) =>
          void response.end(body),
    ),
    ({ socket }) => void socket.end(`${SECRET}-2.0-OpenSSH\r\n`),
    ({ socket }) => void socket.end(`HTTP/1.1 200 ${SECRET}\r\n${SECRET}\r\n\r\n`),
    ({ socket }) => void socket.end(`HTTP/1.1 200 OK\r\ncontent-length: ${SECRET}\r\n\r\n`),
    (_, response) => void response.writeHead(500, SECRET, { [SECRET]: SECRET }).end(SECRET),
    (_, response) => void response.writeHead(200, { 'content-encoding': SECRET }).end(SECRET),
    (_, response) => void response.writeHead(302, { location: `gopher://${SECRET}` }).end(SECRET),
    (_, response) => void response.writeHead(302, { location: `http://[${SECRET}` }).end(SECRET),
  ]
  for (const answer of answers) {
    const { url } = await answering(answer)
    const once = { ...patience, attempts: 1 }
    const request = { signal: new AbortController().signal, logger, onProgress: undefined, patience: once }
    const asks = {
      ERR_DOWNLOAD: () => downloadEntry({ filename: 'model.gguf' }, folder, url, request),
      'ERR_DOWNLOAD or ERR_MODEL_CONFIG': () => fetchCatalog({ ...request, url }),
    }
    for (const [codes, ask] of Object.entries(asks)) {
      const error = await ask().catch((reason: unknown) => reason)
      expect(codes, `answer ${answers.indexOf(answer)}`).toContain((error as { code?: string }).code)
      expect(inspect(error, { depth: 12, showHidden: true, maxStringLength: null })).not.toContain(SECRET)
    }
    server?.closeAllConnections()
    server?.close()
  }
})

test("a download keeps a user's file in place of the entry, and replaces an older entry", async () => {
  const bytes = Buffer.concat([Buffer.from('GGUF'), fileBytes(7, 1000)])
  const { url } = await answering((_, response) => response.end(bytes))
  vi.stubEnv('GPT4ALL_MODELS_URL', url.replace('/model', ''))
  const entry = { filename: 'model.gguf', md5sum: md5(bytes), url }
  const request = { signal: new AbortController().signal, logger, onProgress: undefined }
  const keptAfter = async (before: unknown, ownUrl: string | undefined) => {
    rmSync(target(), { force: true })
    writeFileSync(`${target()}.json`, JSON.stringify(before))
    await downloadEntry(entry, folder, ownUrl, request)
    return JSON.parse(readFileSync(`${target()}.json`, 'utf8')) as unknown
  }
  const earlier = { filename: 'model.gguf', name: 'earlier' }
  expect(await keptAfter(earlier, url)).toEqual(earlier)
  expect(await keptAfter(earlier, undefined)).toEqual(entry)
  for (const own of [{ mine: true }, { filename: 'other.gguf' }, 7])
    expect(await keptAfter(own, undefined)).toEqual(own)
})
