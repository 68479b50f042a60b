import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { GPT4All } from '../../src/index.ts'
import { templatesFromCatalog } from '../../src/models/catalog/entry.ts'

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

const list = (count: number, piece: (i: number) => string) =>
  Array.from({ length: count }, (_, i) => piece(i)).join()

async function mirror(answer: RequestListener): Promise<string> {
  server = createServer(answer)
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve))
  const folder = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  vi.stubEnv('GPT4ALL_MODELS_URL', folder)
  return `${folder}/models3.json`
}

describe('the download of a catalog', () => {
  test('is retried twice, but not if there is a saved copy', async () => {
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

  test('is refused at once if it is long and arrives in one-byte chunks', async () => {
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

  test('fails after three attempts, or at once after an abort', async () => {
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

  test('ignores sizes that are not positive integers, and empty checksums', async () => {
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
  })

  test.each([
    ['depths', /nested arrays/, `[{"filename":"a.gguf","x":${'['.repeat(20)}${']'.repeat(20)}}]`],
    ['depths that never end', /nested arrays/, '['.repeat(1_000_000)],
    ['names', /more than \d+ names/, `[{"filename":"a.gguf",${list(50_000, (i) => `"k${i}":0`)}}]`],
    ['entries', /more than \d+ names/, `[${list(50_000, () => '{"filename":"a.gguf"}')}]`],
    ['numbers', /more than \d+ numbers/, `[{"filename":"a.gguf"},${list(60_000, () => '0')}]`],
  ])('refuses more %s than any list has, from a file and from a server', async (_, why, json) => {
    const refused = { code: 'ERR_MODEL_CONFIG', message: expect.stringMatching(why) }
    const file = join(folder, 'list.json')
    writeFileSync(file, json)
    await expect(GPT4All.listModels({ file })).rejects.toMatchObject(refused)
    const url = await mirror((_, response) => response.end(json))
    await expect(GPT4All.listModels({ url, logger })).rejects.toMatchObject(refused)
  })

  test('does not block the event loop while it is checked', async () => {
    const file = join(folder, 'list.json')
    writeFileSync(file, `[{"filename":"a.gguf"},${list(21_000, () => '0')}]`)
    let turns = 0
    let isOver = false
    const turn = () => {
      turns++
      if (!isOver) setImmediate(turn)
    }
    const read = GPT4All.listModels({ file })
    turn()
    expect(await read.finally(() => (isOver = true))).toHaveLength(1)
    expect(turns).toBeGreaterThan(40)
  })

  test("accepts four hundred models with entries as long as GPT4All's", async () => {
    const entry = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`field${i}`, 'something']))
    const models = Array.from({ length: 400 }, (_, i) => ({ ...entry, filename: `${i}.gguf` }))
    const url = await mirror((_, response) => response.end(JSON.stringify(models)))
    expect(await GPT4All.listModels({ url, logger })).toHaveLength(400)
  })
})

describe('the look-up of a template', () => {
  const model = () => join(folder, 'tiny.gguf')

  test('ends at its time limit, however slowly the catalog arrives', async () => {
    await mirror((_, response) => {
      const trickle = setInterval(() => response.write(' '), 20)
      response.once('close', () => clearInterval(trickle))
    })
    const { signal } = new AbortController()
    expect(await templatesFromCatalog(model(), { signal, logger, limitMs: 300 })).toBeUndefined()
    expect(lines).toEqual([expect.stringContaining('within 300 ms')])
  })

  test('rejects when it is aborted', async () => {
    const controller = new AbortController()
    await mirror(() => controller.abort('enough'))
    await expect(templatesFromCatalog(model(), { signal: controller.signal, logger })).rejects.toBe('enough')
  })
})
