import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { GPT4All, IsolatedEngine } from '../../src/index.ts'
import { environmentOf } from '../../src/native/child/environment.ts'
import { open, owners } from '../support/isolated.ts'
import { tinyModel } from '../support/tiny-models.ts'

const SECRETS = [
  'OPENAI_API_KEY',
  'GPT4ALL_API_KEY',
  'NVIDIA_API_KEY',
  'LLAMA_API_KEY',
  'CUDA_ACCESS_TOKEN',
  'AMD_CLIENT_SECRET',
  'LD_PASSWORD',
  'LD_SDK_PASS',
  'LLAMA_CLOUD_PW',
  'NVIDIA_PAT',
  'NVIDIA_BEARER',
  'GGML_RPC_PWD',
  'CUDA_PASSPHRASE',
  'VK_SESSION',
  'VK_COOKIE',
  'KMP_SID',
  'UR_DSN',
  'OCL_PIN_2',
  'UV_INDEX_URL', // of Python's uv
  'UV_PUBLISH_USERNAME',
  'HF_TOKEN',
  'AWS_SECRET_ACCESS_KEY',
  'DATABASE_URL',
  'NPM_TOKEN',
  'npm_config__auth',
  'GITHUB_TOKEN',
  'NODE_AUTH_TOKEN',
  'SSH_AUTH_SOCK',
  'PRIVATE',
  'NODE_OPTIONS',
]
const NEEDED = [
  'LD_LIBRARY_PATH',
  'TMPDIR',
  'LC_ALL',
  'XDG_CACHE_HOME',
  'CUDA_VISIBLE_DEVICES',
  'GGML_VK_VISIBLE_DEVICES',
  'OMP_NUM_THREADS',
  'GGML_SCHED_PASSES',
  'VK_DRIVER_PATHS',
  'UV_THREADPOOL_SIZE',
  'UV_USE_IO_URING',
  'GPT4ALL_LOG',
]
const FOR_DOWNLOADS = ['HTTPS_PROXY', 'http_proxy', 'no_proxy', 'NODE_EXTRA_CA_CERTS', 'GPT4ALL_MODELS_URL']

const folder = mkdtempSync(join(tmpdir(), 'gpt4all-environment-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

beforeEach(() => {
  for (const name of SECRETS) vi.stubEnv(name, 'hunter2')
  for (const name of [...NEEDED, ...FOR_DOWNLOADS]) vi.stubEnv(name, 'wanted')
})
afterEach(() => {
  vi.unstubAllEnvs()
})

describe('the environment of children', () => {
  test('of both kinds has what they need, and no secrets, whatever their names', () => {
    for (const role of ['opening', 'engine'] as const) {
      const env = environmentOf(role)
      expect(Object.keys(env)).toEqual(expect.arrayContaining([...NEEDED, 'PATH']))
      expect(Object.values(env)).not.toContain('hunter2')
      expect(FOR_DOWNLOADS.every((name) => name in env)).toBe(role === 'engine')
      expect(env).toMatchObject({ GPT4ALL_CHILD: role, ELECTRON_RUN_AS_NODE: '1', NODE_OPTIONS: '' })
    }
    vi.stubEnv('https_PROXY', 'any case')
    expect(environmentOf('engine')).toHaveProperty('https_PROXY', 'any case')
  })

  test('has no URL with a password, except those of proxies and downloads', () => {
    const address = 'https://user:hunter2@host'
    const names = ['GGML_MIRROR', 'LC_ALL', 'HTTPS_PROXY', 'GPT4ALL_MODELS_URL']
    for (const name of names) vi.stubEnv(name, address)
    vi.stubEnv('LLAMA_MIRROR', 'https://token@host')
    vi.stubEnv('GGML_SERVER', 'https://host/a@b')
    const env = environmentOf('engine')
    expect(env).toMatchObject({ HTTPS_PROXY: address, GPT4ALL_MODELS_URL: address })
    expect(env).toHaveProperty('GGML_SERVER', 'https://host/a@b')
    for (const name of ['GGML_MIRROR', 'LLAMA_MIRROR', 'LC_ALL']) expect(env).not.toHaveProperty(name)
  })

  // What has really arrived, where the system tells.
  const hasProc = existsSync('/proc/self/environ')
  const environmentIn = (pid: number) => textOf(`/proc/${pid}/environ`).split('\0')

  test.skipIf(!hasProc)('of an isolated engine is filtered, and has its own env added', async () => {
    for (const name of ['GPT4ALL_LOG', 'LD_LIBRARY_PATH', 'UV_THREADPOOL_SIZE', 'OMP_NUM_THREADS'])
      vi.stubEnv(name, '1')
    const engine = new IsolatedEngine({ env: { PRIVATE: 'for it', LC_ALL: 'C' } })
    owners.unshift(engine)
    const model = await open({ isolated: engine })
    const env = environmentIn(engine.pid!)
    expect(env.join()).not.toContain('hunter2')
    for (const name of FOR_DOWNLOADS) expect(env).toContain(`${name}=wanted`)
    expect(env).toEqual(expect.arrayContaining(['PRIVATE=for it', 'LC_ALL=C', 'GPT4ALL_CHILD=engine']))
    await model.close()
  })

  test.skipIf(!hasProc)('of the child that tries a model is filtered, and has no proxies', async () => {
    vi.stubEnv('LD_LIBRARY_PATH', '/nowhere')
    vi.stubEnv('HOME', folder) // where nothing is remembered
    vi.stubEnv('XDG_CACHE_HOME', folder)
    const path = join(folder, 'new.gguf')
    writeFileSync(path, tinyModel('llama'))
    const opening = GPT4All.load(path, { nThreads: 1, nCtx: 64 })
    const isTrying = (env: readonly string[]) => env.includes('GPT4ALL_CHILD=opening')
    const find = () => childrenOf(process.pid).map(environmentIn).find(isTrying)
    const child = await vi.waitUntil(find, { interval: 1, timeout: 20_000 })
    expect(child.join()).not.toContain('hunter2')
    for (const name of FOR_DOWNLOADS) expect(child).not.toContain(`${name}=wanted`)
    expect(child).toEqual(expect.arrayContaining(['LD_LIBRARY_PATH=/nowhere', 'CUDA_VISIBLE_DEVICES=wanted']))
    owners.unshift(await opening)
  })

  test.each([
    { env: 'PATH' },
    { env: { A: 1 } },
    { env: { 'A=B': 'c' } },
    { env: { A: 'b\0c' } },
    { env: null },
  ])('of an isolated engine is checked: %o', (options) => {
    expect(() => new IsolatedEngine(options as object)).toThrow(
      expect.objectContaining({ code: 'ERR_OPTION', option: 'env' }),
    )
  })
})

/** Empty where the process has gone. */
function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

function childrenOf(pid: number): readonly number[] {
  return readdirSync(`/proc/${pid}/task`).flatMap((task) =>
    textOf(`/proc/${pid}/task/${task}/children`).split(' ').filter(Boolean).map(Number),
  )
}
