import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { runChild } from '../support/child.ts'
import { ForwardProxy } from '../support/forward-proxy.ts'
import { fileBytes, HostileServer, md5 } from '../support/hostile-server.ts'
import { CERTIFICATE } from '../support/localhost.ts'

// Only a process that starts with it trusts the certificate of the tests.

const bytes = fileBytes(1, 5_000_000)
const md5sum = md5(bytes)
const SECRET = 'open:sesame'
const NO_PROXIES = Object.fromEntries(
  ['http_proxy', 'https_proxy', 'no_proxy', 'all_proxy', 'npm_config_proxy', 'npm_config_https_proxy']
    .flatMap((name) => [name, name.toUpperCase()])
    .map((name) => [name, '']),
)

type Told = {
  readonly path?: string
  readonly code?: string
  readonly message?: string
  readonly status?: number
  readonly inspected?: string
  readonly lines: readonly string[]
}

let secure: HostileServer
let plain: HostileServer
let folder: string
let proxy: ForwardProxy | undefined
beforeAll(async () => {
  secure = await HostileServer.start({ secure: true })
  plain = await HostileServer.start()
})
afterAll(() => Promise.all([secure.close(), plain.close()]))
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gpt4all-https-'))
})
afterEach(async () => {
  rmSync(folder, { recursive: true, force: true })
  await proxy?.close()
  proxy = undefined
})

async function downloadInChild(url: string, env: NodeJS.ProcessEnv = {}): Promise<Told> {
  const options = JSON.stringify({ url, md5sum, modelPath: folder })
  const { messages, stderr } = await runChild('download.mjs', ['model', options], {
    env: { ...NO_PROXIES, NODE_EXTRA_CA_CERTS: CERTIFICATE, GPT4ALL_LOG: '', ...env },
  })
  expect(stderr).toBe('')
  const told = messages[0] as Told
  for (const word of SECRET.split(':')) expect(JSON.stringify(told)).not.toContain(word)
  return told
}

const expectWhole = ({ path, inspected }: Told) => {
  expect(inspected).toBeUndefined()
  expect(path).toBe(join(folder, 'model.gguf'))
  expect(readFileSync(path!).equals(bytes)).toBe(true)
}

describe('a download over https', () => {
  test('is complete, resumes after a reset, and follows redirects to https', async () => {
    const url = secure.host('file', { bytes, faults: ['reset at 50 %', 'stall'] })
    secure.host('short', { bytes, faults: ['reset at 50 %'] })
    const moved = secure.host('moved', { bytes, faults: [], location: url.replace('file', 'short') })
    expectWhole(await downloadInChild(moved))
    expect(secure.requests.map(({ path }) => path)).toEqual(['/moved', '/short', '/moved', '/short'])
    expect(secure.requests.at(-1)?.range).toMatch(/^bytes=[1-9]/)
  })

  test('refuses redirects to http, and certificates that are not trusted', async () => {
    const http = plain.host('file', { bytes, faults: [] })
    const url = secure.host('away', { bytes, faults: [], location: http })
    const told = await downloadInChild(url)
    expect(told).toMatchObject({ code: 'ERR_DOWNLOAD' })
    expect(told.message).toContain('from https to http:')
    expect(plain.requests).toEqual([])
    const mistrusting = await downloadInChild(url, { NODE_EXTRA_CA_CERTS: '' })
    expect(mistrusting).toMatchObject({ code: 'ERR_DOWNLOAD' })
    expect(mistrusting.message).toContain('NODE_EXTRA_CA_CERTS')
  })

  test('uses the tunnel of a proxy with user and password, and does not reveal them', async () => {
    proxy = await ForwardProxy.start({ credentials: SECRET })
    const url = secure.host('tunnelled', { bytes, faults: ['reset at 50 %'] })
    expectWhole(await downloadInChild(url, { HTTPS_PROXY: `http://${SECRET}@${proxy.host}` }))
    expect(proxy.requests).toEqual([`CONNECT ${new URL(url).host}`, `CONNECT ${new URL(url).host}`])
    rmSync(join(folder, 'model.gguf'))
    // Without a scheme too, as curl understands it.
    expectWhole(await downloadInChild(url, { https_proxy: `${SECRET}@${proxy.host}` }))
    expect(proxy.requests).toHaveLength(3)
    rmSync(join(folder, 'model.gguf'))
    const bypassed = { HTTPS_PROXY: `http://${proxy.host}`, NO_PROXY: '127.0.0.1' }
    expectWhole(await downloadInChild(url, bypassed))
    expect(proxy.requests).toHaveLength(3)
  })

  test('names the proxy that refuses it', async () => {
    proxy = await ForwardProxy.start({ credentials: SECRET })
    const url = secure.host('refused', { bytes, faults: [] })
    const told = await downloadInChild(url, { HTTPS_PROXY: `http://open:sesam@${proxy.host}` })
    expect(told).toMatchObject({ code: 'ERR_DOWNLOAD', status: 407 })
    expect(told.message).toContain(`the proxy http://${proxy.host} refuses with status 407`)
    expect(proxy.requests).toHaveLength(1) // asking again would not help
    const nonsense = await downloadInChild(url, { HTTPS_PROXY: `socks5://${SECRET}@${proxy.host}` })
    expect(nonsense.code).toBe('ERR_DOWNLOAD')
    expect(nonsense.message).toContain(`"socks5://${proxy.host}"`)
  })
})
