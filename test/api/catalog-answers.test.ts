import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { GPT4All } from '../../src/index.ts'
import { lookUpEntry } from '../../src/models/catalog-entry.ts'

const CATALOG = JSON.stringify([{ filename: 'tiny.gguf', chatTemplate: 'hello' }])
const lines: string[] = []
const logger = { debug() {}, info() {}, warn: (line: string) => void lines.push(line), error() {} }

let server: Server | undefined
let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gpt4all-catalog-answers-'))
  vi.stubEnv('HOME', folder)
  vi.stubEnv('USERPROFILE', folder)
  lines.length = 0
})
afterEach(() => {
  vi.unstubAllEnvs()
  server?.closeAllConnections()
  server?.close()
  rmSync(folder, { recursive: true, force: true })
})

async function mirror(answer: RequestListener): Promise<string> {
  server = createServer(answer)
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve))
  const folder = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  vi.stubEnv('GPT4ALL_MODELS_URL', folder)
  return `${folder}/models3.json`
}

describe('a catalog', () => {
  test('that cannot be had is asked for again, twice, and only once where a copy is kept', async () => {
    let asked = 0
    const url = await mirror((request, response) => {
      asked++
      if (asked === 1) return void response.writeHead(503, { 'retry-after': '0' }).end()
      if (asked === 2) return void request.socket.resetAndDestroy()
      response.writeHead(asked === 3 ? 200 : 503).end(CATALOG)
    })
    expect(await GPT4All.listModels({ url, logger })).toHaveLength(1)
    expect(asked).toBe(3)
    expect(await GPT4All.listModels({ url, logger })).toHaveLength(1)
    expect(asked).toBe(4)
  })

  test('that comes in a chunk for each byte, and is long, is refused at once', async () => {
    let asked = 0
    const url = await mirror((_, response) => {
      asked++
      response.socket?.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n')
      response.socket?.end(`${'1\r\n \r\n'.repeat(200_000)}0\r\n\r\n`)
    })
    await expect(GPT4All.listModels({ url, logger })).rejects.toMatchObject({
      code: 'ERR_DOWNLOAD',
      message: expect.stringContaining('pieces of a few bytes'),
    })
    expect(asked).toBe(1)
  })

  test('that stays away is an error after three attempts, at once after an abort', async () => {
    let asked = 0
    const controller = new AbortController()
    const url = await mirror((_, response) => {
      if (++asked === 4) response.once('close', () => controller.abort('enough'))
      response.writeHead(503).end()
    })
    await expect(GPT4All.listModels({ url, logger })).rejects.toMatchObject({ status: 503 })
    expect(asked).toBe(3)
    await expect(GPT4All.listModels({ url, logger, signal: controller.signal })).rejects.toBe('enough')
    expect(asked).toBe(4)
  })

  test('has sizes that are positive integers, checksums that are not empty, and no depths', async () => {
    const file = join(folder, 'list.json')
    const read = (json: string) => {
      writeFileSync(file, json)
      return GPT4All.listModels({ file })
    }
    const filename = 'a.gguf'
    for (const filesize of ['', '-5', -5, 0, 1.5, 'many', null])
      expect((await read(JSON.stringify([{ filename, filesize }])))[0]?.filesize).toBeUndefined()
    for (const md5sum of [null, ''])
      expect((await read(JSON.stringify([{ filename, md5sum }])))[0]?.md5sum).toBeUndefined()
    const deep = `{"filename":"deep.gguf","x":${'['.repeat(200_000)}${']'.repeat(200_000)}}`
    expect(await read(`[${deep},{"filename":"a.gguf"}]`)).toHaveLength(1)
    for (const json of [deep, `[${deep}]`])
      await expect(read(json)).rejects.toMatchObject({ code: 'ERR_MODEL_CONFIG' })
  })
})

describe('the look-up of a template', () => {
  const model = () => join(folder, 'tiny.gguf')

  test('ends after its time, however slowly the catalog trickles in', async () => {
    await mirror((_, response) => {
      const trickle = setInterval(() => response.write(' '), 20)
      response.once('close', () => clearInterval(trickle))
    })
    const { signal } = new AbortController()
    expect(await lookUpEntry(model(), { signal, logger, limitMs: 300 })).toBeUndefined()
    expect(lines).toEqual([expect.stringContaining('within 300 ms')])
  })

  test('passes an abort on', async () => {
    const controller = new AbortController()
    await mirror(() => controller.abort('enough'))
    await expect(lookUpEntry(model(), { signal: controller.signal, logger })).rejects.toBe('enough')
  })
})
