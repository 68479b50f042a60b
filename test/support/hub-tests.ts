import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, vi } from 'vitest'
import { GPT4All } from '../../src/index.ts'
import type { HostileServer } from './hostile-server.ts'
import { HubServer } from './hub-server.ts'

/** Each test has a hub without requests, a home of its own, no token, and no other server. */
class HubTests {
  hub!: HubServer
  home = ''
  readonly lines: string[] = []
  readonly #log = (line: string) => void this.lines.push(line)
  readonly logger = { debug: this.#log, info: this.#log, warn: this.#log, error: this.#log }

  readonly at = (...names: string[]) => join(this.home, '.cache', 'gpt4all', ...names)
  readonly download = (name: string, options = {}) =>
    GPT4All.downloadModel(name, { logger: this.logger, ...options })
}

export function withHub(): HubTests {
  const tests = new HubTests()
  beforeAll(async () => {
    tests.hub = await HubServer.start()
  })
  afterAll(() => tests.hub.close())
  beforeEach(() => {
    tests.home = mkdtempSync(join(tmpdir(), 'gpt4all-hub-'))
    for (const name of ['HOME', 'USERPROFILE']) vi.stubEnv(name, tests.home)
    for (const name of ['HF_TOKEN', 'HUGGING_FACE_HUB_TOKEN', 'HF_TOKEN_PATH', 'HF_HOME', 'XDG_CACHE_HOME'])
      vi.stubEnv(name, '')
    vi.stubEnv('HF_ENDPOINT', tests.hub.endpoint)
    vi.stubEnv('GPT4ALL_MODELS_URL', 'http://127.0.0.1:9/')
    tests.hub.forget()
    tests.lines.length = 0
  })
  afterEach(() => {
    vi.unstubAllEnvs()
    rmSync(tests.home, { recursive: true, force: true })
  })
  return tests
}

export const asked = (server: HostileServer) => server.requests.map(({ path }) => path)

export const failureOf = (promise: Promise<unknown>) =>
  promise.then(
    () => Promise.reject(new Error('no failure')),
    (error: Error & { code: string; status?: number }) => error,
  )
