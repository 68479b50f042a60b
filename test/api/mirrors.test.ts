import { createHash } from 'node:crypto'
import dns from 'node:dns'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { GPT4All } from '../../src/index.ts'
import { ForwardProxy } from '../support/forward-proxy.ts'
import { fileBytes, HostileServer, md5 } from '../support/hostile-server.ts'

const bytes = Buffer.concat([Buffer.from('GGUF'), fileBytes(2, 3_000_000)])
const entry = { filename: 'known.gguf', filesize: String(bytes.length), md5sum: md5(bytes), name: 'Known' }
const SECRET = 'open:sesame'

let server: HostileServer
let other: HostileServer
let proxy: ForwardProxy | undefined
let folder: string
const lines: string[] = []
const log = (line: string) => void lines.push(line)
const logger = { debug: log, info: log, warn: log, error: log }

beforeAll(async () => {
  server = await HostileServer.start()
  other = await HostileServer.start()
})
afterAll(() => Promise.all([server.close(), other.close()]))
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gpt4all-mirrors-'))
  vi.stubEnv('HOME', folder)
  vi.stubEnv('USERPROFILE', folder)
  vi.stubEnv('GPT4ALL_MODELS_URL', '')
  server.requests.length = 0
  other.requests.length = 0
  lines.length = 0
})
afterEach(async () => {
  vi.unstubAllEnvs()
  vi.restoreAllMocks()
  rmSync(folder, { recursive: true, force: true })
  await proxy?.close()
  proxy = undefined
})

let count = 0
/** The folder of a mirror with a catalog and one file, without a slash at its end. */
function mirror(of = server, options: { credentials?: string } = {}): string {
  const name = `mirror-${count++}/models`
  const list = Buffer.from(JSON.stringify([{ ...entry, url: 'http://127.0.0.1:1/elsewhere' }]))
  of.host(`${name}/known.gguf`, { bytes, faults: [], ...options })
  return of
    .host(`${name}/models3.json`, { bytes: list, faults: [], ...options })
    .replace(/\/models3.json$/, '')
}
const asked = (of = server) => of.requests.map(({ path }) => path.replace(/^\/mirror-\d+/, ''))
const withSecret = (url: string) => url.replace('://', `://${SECRET}@`)
const download = (name: string, options = {}) => GPT4All.downloadModel(name, { logger, ...options })
const failureOf = (promise: Promise<unknown>) =>
  promise.then(
    () => Promise.reject(new Error('no failure')),
    (error: Error & { code: string; status?: number }) => error,
  )
/** Neither the user nor the password is in any of it. */
function expectNoSecret(...things: unknown[]) {
  const told = inspect([...things, lines], { depth: 12, showHidden: true, maxStringLength: null })
  for (const word of [...SECRET.split(':'), Buffer.from(SECRET).toString('base64')])
    expect(told).not.toContain(word)
}

describe('the catalog', () => {
  test('is requested with its ETag, read from the disk if unchanged, and used while the server is down', async () => {
    const passing = await HostileServer.start()
    const url = `${mirror(passing)}/models3.json`
    const first = await GPT4All.listModels({ url, logger })
    expect(first).toMatchObject([{ name: 'Known', filesize: bytes.length }])
    expect(await GPT4All.listModels({ url, logger })).toEqual(first)
    expect(passing.requests.map(({ status }) => status())).toEqual([200, 304])
    expect(lines).toEqual([])
    await passing.close()
    expect(await GPT4All.listModels({ url, logger })).toEqual(first)
    expect(lines).toEqual([expect.stringContaining('Using an earlier copy of the catalog.')])
    vi.stubEnv('HOME', join(folder, 'another'))
    vi.stubEnv('USERPROFILE', join(folder, 'another'))
    await expect(GPT4All.listModels({ url, logger })).rejects.toMatchObject({ code: 'ERR_DOWNLOAD' })
  })

  test('is read from an earlier copy if the server sends something else', async () => {
    let body = JSON.stringify([entry])
    const portal = createServer((_, response) => response.end(body))
    await new Promise<void>((resolve) => portal.listen(0, '127.0.0.1', resolve))
    const url = `http://127.0.0.1:${(portal.address() as AddressInfo).port}/models3.json`
    const first = await GPT4All.listModels({ url, logger })
    body = '<html>Please log in</html>'
    expect(await GPT4All.listModels({ url, logger })).toEqual(first)
    body = '{"error":"not found"}'
    expect(await GPT4All.listModels({ url, logger })).toEqual(first)
    await expect(GPT4All.listModels({ url: `${url}?other`, logger })).rejects.toMatchObject({
      code: 'ERR_MODEL_CONFIG',
      message: expect.stringContaining('is not a catalog of models'),
    })
    portal.closeAllConnections()
    portal.close()
  })
})

describe('GPT4ALL_MODELS_URL', () => {
  test('names the folder of catalog and files, with or without a slash, or the catalog in it, and wins over the addresses in the catalog', async () => {
    for (const end of ['', '/', '/models3.json']) {
      vi.stubEnv('GPT4ALL_MODELS_URL', `${mirror()}${end}`)
      server.requests.length = 0
      const path = await download('known', { modelPath: join(folder, `of${end.length}`) })
      expect(readFileSync(path).equals(bytes)).toBe(true)
      expect(asked()).toEqual(['/models/models3.json', '/models/known.gguf'])
    }
  })

  test('that is not a URL is a typed error that names it', async () => {
    for (const nonsense of ['nonsense', 'ftp://127.0.0.1/models', 'http://']) {
      vi.stubEnv('GPT4ALL_MODELS_URL', nonsense)
      for (const call of [() => GPT4All.listModels(), () => download('known')]) {
        const error = await failureOf(call())
        expect(error).toMatchObject({ name: 'DownloadError', code: 'ERR_DOWNLOAD' })
        expect(error.message).toContain('GPT4ALL_MODELS_URL')
      }
    }
  })
})

describe('a download with its own url', () => {
  test('asks only that URL, whatever catalog and mirror say, and keeps the name', async () => {
    vi.stubEnv('GPT4ALL_MODELS_URL', mirror())
    const url = other.host('somewhere?signature=1234', { bytes, faults: [] }).replace('%3F', '?')
    other.host('somewhere', { bytes, faults: [] })
    const path = await download('known', { url })
    expect(path).toBe(join(folder, '.cache', 'gpt4all', 'known.gguf'))
    expect(readFileSync(path).equals(bytes)).toBe(true)
    expect(asked()).toEqual([])
    expect(asked(other)).toEqual(['/somewhere'])
    expect(lines.join()).not.toContain('1234')
  })

  test('sends user and password to that server only', async () => {
    const url = withSecret(
      server.host('private', { bytes, faults: ['reset at 50 %', '404'], credentials: SECRET }),
    )
    const error = await failureOf(download('private', { url }))
    const part = join(folder, '.cache', 'gpt4all', 'private.gguf.part.json')
    expect(error).toMatchObject({ code: 'ERR_DOWNLOAD', status: 404 })
    expectNoSecret(error, readFileSync(part, 'utf8'))
    const path = await download('private', { url })
    expectNoSecret(readFileSync(`${path}.json`, 'utf8'))
    const wrong = await failureOf(download('x', { url: url.replace('sesame', 'sesam') }))
    expect(wrong).toMatchObject({ status: 401 })
    for (const scheme of ['ftp:', 'nonsense:'])
      expectNoSecret(await failureOf(download('x', { url: url.replace('http:', scheme) })))
    expectNoSecret(await failureOf(download('x', { url: `http://${SECRET}@127.0.0.1:99999/` })))
    vi.stubEnv('GPT4ALL_MODELS_URL', withSecret(mirror(server, { credentials: SECRET })))
    expectNoSecret(await failureOf(download('unknown-model')), await download('known'))
    await expect(GPT4All.verifyModel('known', { logger })).resolves.toMatchObject({ algorithm: 'md5' })
  })

  test('refuses a web page if no checksum is known, and leaves no file', async () => {
    const page = Buffer.from('<!DOCTYPE html><html>Please log in</html>')
    const url = server.host('page', { bytes: page, faults: [] })
    const error = await failureOf(download('page', { url, modelPath: join(folder, 'pages') }))
    expect(error).toMatchObject({ name: 'DownloadError', code: 'ERR_DOWNLOAD' })
    expect(readdirSync(join(folder, 'pages'))).toEqual([])
  })

  test('sends user and password after a redirect only to the same server', async () => {
    const there = other.host('there', { bytes, faults: [] })
    const away = server.host('away', { bytes, faults: [], location: there })
    await download('away', { url: withSecret(away) })
    expect(server.requests.at(-1)?.authorization).toBeDefined()
    expect(other.requests.map(({ authorization }) => authorization)).toEqual([undefined])
    server.host('here', { bytes, faults: [], credentials: SECRET })
    for (const location of ['/here', server.host('near', { bytes, faults: [] }).replace('near', 'here')]) {
      const moved = server.host('moved', { bytes, faults: [], location })
      await download(`moved-${location.length}`, { url: withSecret(moved) })
    }
  })
})

describe('a server on the internet', () => {
  const INSIDE = Buffer.from('secret of this machine')
  /** A proxy that knows one host of the internet, which moves all that is asked of it to `location`. */
  async function internet(location: string) {
    const url = server.host('moves', { bytes, faults: [], location })
    proxy = await ForwardProxy.start({ hosts: { 'models.example': new URL(url).host } })
    vi.stubEnv('HTTP_PROXY', `http://${proxy.host}`)
    return 'http://models.example/moves'
  }
  /** What the system says that a name means. */
  function meaning(name: string, address: string) {
    const lookup = dns.lookup as (...args: unknown[]) => void
    vi.spyOn(dns, 'lookup').mockImplementation(((
      asked: string,
      options: object,
      done: (...told: unknown[]) => void,
    ) => (asked === name ? done(null, [{ address, family: 4 }]) : lookup(asked, options, done))) as never)
  }
  const inside = () => other.host('inside', { bytes: INSIDE, faults: [] })
  const port = () => new URL(inside()).port

  test.each([
    ['127.0.0.1', (at: string) => `http://127.0.0.1:${at}/inside`],
    ['a name of this machine', (at: string) => `http://any.localhost.:${at}/inside`],
    ['a number', (at: string) => `http://2130706433:${at}/inside`],
    ['hexadecimal digits', (at: string) => `http://0x7f.0.0.0x1:${at}/inside`],
    ['no number at all', (at: string) => `http://0:${at}/inside`],
    ['IPv6', (at: string) => `http://[::1]:${at}/inside`],
    ['IPv4 in IPv6', (at: string) => `http://[::ffff:127.0.0.1]:${at}/inside`],
    ['a link-local address', () => 'http://169.254.169.254/latest/meta-data/'],
    ['a private network', () => 'http://192.168.0.1/'],
    ['a file', () => 'file:///etc/passwd'],
    ['something else', () => 'gopher://127.0.0.1:70/x'],
    ['an invalid URL', () => 'http://'],
  ])('that redirects to %s is refused, with and without a proxy', async (_, locationOf) => {
    const url = await internet(locationOf(port()))
    for (const noProxy of ['', '127.0.0.1,localhost,::1,0.0.0.0']) {
      vi.stubEnv('NO_PROXY', noProxy)
      for (const ask of [() => download('moved', { url }), () => GPT4All.listModels({ url, logger })])
        expect(await failureOf(ask())).toMatchObject({ name: 'DownloadError', code: 'ERR_DOWNLOAD' })
    }
    expect(other.requests).toEqual([])
    expect(existsSync(join(folder, '.cache', 'gpt4all', 'moved.gguf'))).toBe(false)
  })

  test('may redirect within the internet', async () => {
    const url = await internet('http://models.example/moved')
    server.host('moved', { bytes, faults: ['reset at 50 %'] })
    expect(readFileSync(await download('moved', { url, md5sum: md5(bytes) })).equals(bytes)).toBe(true)
  })

  test('that the user names may be this machine, and redirect to it', async () => {
    meaning('models.example', '127.0.0.1')
    const there = other.host('there', { bytes, faults: [] })
    const url = server.host('named', { bytes, faults: [], location: there })
    const path = await download('named', { url: url.replace('127.0.0.1', 'models.example') })
    expect(readFileSync(path).equals(bytes)).toBe(true)
  })

  test('may be named by a catalog, but a place on this machine may not, in any notation', async () => {
    const list = (url: string) => Buffer.from(JSON.stringify([{ filename: 'known.gguf', url }]))
    const kept = join(folder, '.cache', 'gpt4all-ts', 'catalogs')
    mkdirSync(kept, { recursive: true })
    vi.stubEnv('HTTPS_PROXY', 'http://127.0.0.1:1') // GPT4All's own is out of reach: the copy is used
    const catalog = createHash('sha256').update('https://gpt4all.io/models/models3.json').digest('hex')
    meaning('models.example', '127.0.0.1')
    for (const host of ['127.0.0.1', 'localhost', '2130706433', '[::ffff:127.0.0.1]', 'models.example']) {
      const json = list(`http://${host}:${port()}/inside`).toString()
      writeFileSync(join(kept, `${catalog}.json`), JSON.stringify({ json }))
      const error = await failureOf(download('known'))
      expect(error).toMatchObject({ name: 'DownloadError', code: 'ERR_DOWNLOAD' })
      expect(error.message).toContain('the catalog must not lead')
    }
    expect(other.requests).toEqual([])
  })
})

describe('a proxy for http', () => {
  test('gets the whole URL, user and password, unless NO_PROXY names the server', async () => {
    proxy = await ForwardProxy.start({ credentials: SECRET })
    const url = server.host('proxied', { bytes, faults: ['reset at 50 %'] })
    vi.stubEnv('HTTP_PROXY', `http://${SECRET}@${proxy.host}`)
    const path = await download('proxied', { url, md5sum: md5(bytes) })
    expect(readFileSync(path).equals(bytes)).toBe(true)
    expect(proxy.requests).toEqual([`GET ${url}`, `GET ${url}`])
    expect(server.requests).toHaveLength(2)
    vi.stubEnv('NO_PROXY', 'example.org,127.0.0.1')
    await download('straight', { url })
    expect(proxy.requests).toHaveLength(2)
    expectNoSecret()
  })

  test('that refuses, or is missing, is named by the error without user and password', async () => {
    proxy = await ForwardProxy.start({ credentials: 'another:one' })
    const url = server.host('refused', { bytes, faults: [] })
    vi.stubEnv('HTTP_PROXY', `http://${SECRET}@${proxy.host}`)
    const refused = await failureOf(download('refused', { url }))
    expect(refused).toMatchObject({ code: 'ERR_DOWNLOAD', status: 407 })
    expect(refused.message).toContain(`the proxy http://${proxy.host} refuses with status 407`)
    await proxy.close()
    const gone = await failureOf(GPT4All.listModels({ url, logger }))
    expect(gone.message).toContain(`through the proxy http://${proxy.host}`)
    proxy = await ForwardProxy.start({ status: 502 })
    vi.stubEnv('HTTP_PROXY', `http://${SECRET}@${proxy.host}`)
    const bad = await failureOf(GPT4All.listModels({ url, logger }))
    expect(bad).toMatchObject({ code: 'ERR_DOWNLOAD', status: 502 })
    expect(bad.message).toContain(`through the proxy http://${proxy.host}`)
    vi.stubEnv('HTTP_PROXY', `gopher://${SECRET}@127.0.0.1:1`)
    const nonsense = await failureOf(download('refused', { url }))
    expect(nonsense.message).toContain('gopher://127.0.0.1:1')
    expectNoSecret(refused, gone, bad, nonsense)
    expect(server.requests).toEqual([])
    expect(existsSync(join(folder, '.cache', 'gpt4all', 'refused.gguf'))).toBe(false)
  })
})
