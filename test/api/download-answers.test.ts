import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type DownloadRequest, download } from '../../src/models/download.ts'
import { fileBytes } from '../support/hostile-server.ts'

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
])('a rest is not asked for where nothing tells whose it is: %s', async (_, first, second) => {
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
