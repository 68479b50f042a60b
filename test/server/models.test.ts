import { spawnSync } from 'node:child_process'
import { copyFile, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { GPT4All } from '../../src/index.ts'
import { createServer, type ModelServer, type ServerOptions } from '../../src/server/index.ts'
import { EMBEDDED } from '../support/models.ts'
import { json } from '../support/server.ts'
import { until } from '../support/until.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gpt4all-served-'))
  await mkdir(join(folder, 'models', 'below'), { recursive: true })
  const parts = ['split-00001-of-00002.gguf', 'split-00002-of-00002.gguf', 'lone-00002-of-00003.gguf']
  for (const name of ['a.gguf', 'b.gguf', 'c.gguf', 'below/d.gguf', '../outside.gguf', ...parts])
    await copyFile(EMBEDDED, join(folder, 'models', name))
  await symlink(join(folder, 'outside.gguf'), join(folder, 'models', 'link.gguf'))
  await writeFile(join(folder, 'models', 'notes.txt'), 'no model')
  await writeFile(join(folder, 'models', 'broken.gguf'), 'no model either')
})
afterAll(() => rm(folder, { recursive: true }))

const servers: ModelServer[] = []
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close()
})

function open(options: ServerOptions = {}) {
  const modelPath = join(folder, 'models')
  const server = createServer({}, { modelPath, modelOptions: { nThreads: 1 }, ...options })
  servers.push(server)
  const get = (path: string) => server.fetch(new Request(`http://localhost${path}`))
  const ask = (model: string | undefined, prompt = 'Hello', more: object = {}) =>
    server.fetch(
      new Request('http://localhost/v1/completions', {
        method: 'POST',
        body: JSON.stringify({ model, prompt, max_tokens: 2, ...more }),
      }),
    )
  const loaded = async () => (await json(get('/health'))).loaded as string[]
  return { server, get, ask, loaded }
}

test('/health answers 503 if the isolated engine of the only model has crashed too often', async () => {
  const model = await GPT4All.load(EMBEDDED, { nThreads: 1, isolated: { maxRestarts: 1 } })
  try {
    const server = createServer({ tiny: model })
    const get = (path: string) => server.fetch(new Request(`http://localhost${path}`))
    const crash = async (state: string) => {
      process.kill(model.engine!.pid!, 'SIGKILL')
      await until(() => expect(model.engine?.state).toBe(state))
    }
    await crash('idle')
    expect(await json(get('/health'))).toEqual({ status: 'ok', loaded: ['tiny'] })
    await model.countTokens('Hello')
    expect(await (await get('/metrics')).text()).toMatch(/^gpt4all_engine_restarts_total\{model="tiny"\} 1$/m)
    await crash('down')
    const health = await get('/health')
    expect(health.status).toBe(503)
    expect(await json(health)).toEqual({ status: 'engine_down', loaded: ['tiny'], down: ['tiny'] })
    const body = JSON.stringify({ prompt: 'Hello', max_tokens: 2 })
    const ask = () => server.fetch(new Request('http://localhost/v1/completions', { method: 'POST', body }))
    const refused = await ask()
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, null])
    expect((await json(refused)).error.code).toBe('engine_down')
    model.engine!.reset()
    expect((await ask()).status).toBe(200)
    await server.close()
  } finally {
    await model.close()
  }
})

test('crashes while a model is opened count too, and it is tried again after engineRetry', async () => {
  const pids: number[] = []
  const isolated = { maxRestarts: 1 }
  const { ask, get } = open({ modelOptions: { nThreads: 1, isolated }, engineRetry: 3000 })
  const before = new Set(children())
  const crash = async () => {
    const answered = ask('a', 'Hello', { max_tokens: 10_000 })
    const [pid] = await until(() => {
      const made = children().filter((one) => !before.has(one) && !pids.includes(one))
      expect(made).toHaveLength(1)
      return made
    })
    pids.push(pid!)
    process.kill(pid!, 'SIGKILL')
    return json(answered)
  }
  for (let i = 0; i < 2; i++) expect((await crash()).error.code).toBe('engine_crashed')
  const refused = await ask('a')
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([
    503,
    expect.stringMatching(/^[123]$/),
  ])
  expect((await json(refused)).error.code).toBe('engine_down')
  expect(await json(get('/health'))).toEqual({ status: 'engine_down', loaded: [], down: ['a'] })
  expect((await ask('b')).status).toBe(200)
  expect(await json(get('/health'))).toEqual({ status: 'degraded', loaded: ['b'], down: ['a'] })
  await until(async () => expect((await ask('a')).status).toBe(200))
})

/** Processes of isolated engines that this one has started. */
function children(): number[] {
  const { stdout } = spawnSync('pgrep', ['-P', String(process.pid), '-f', 'engine-host'], {
    encoding: 'utf8',
  })
  return stdout.split('\n').filter(Boolean).map(Number)
}

describe('models of a folder', () => {
  test('get 404 if their file is deleted while they wait to be loaded, and the message does not list them', async () => {
    const { ask, get } = open({ maxModels: 1 })
    const gone = join(folder, 'models', 'gone.gguf')
    await copyFile(EMBEDDED, gone)
    try {
      const unread = await ask('a', 'Once upon a time', { max_tokens: 200, stream: true }) // keeps its model busy
      const waiting = ask('gone')
      await get('/v1/models') // the other request has found its file by now
      await rm(gone)
      expect(await unread.text()).toMatch(/\[DONE\]\s*$/)
      const response = await waiting
      expect(response.status).toBe(404)
      const { error } = await json(response)
      expect(error).toMatchObject({ code: 'model_not_found', param: 'model' })
      expect(error.message).toMatch(/^There is no model "gone"\. Available models: "a", "b"/)
    } finally {
      await rm(gone, { force: true })
    }
  })

  test('are listed without being loaded, and without subfolders and links that lead out of the folder', async () => {
    const { get, loaded } = open()
    const { data } = await json(get('/v1/models'))
    expect(data.map(({ id }: { id: string }) => id)).toEqual(['a', 'b', 'c', 'split-00001-of-00002'])
    expect(data[0].context_length).toBeNull()
    expect(await loaded()).toEqual([])
  })

  test('are loaded when a request names them, with or without extension, once for all requests', async () => {
    const { ask, loaded, get } = open()
    const answers = await Promise.all(['a', 'a.gguf', 'a'].map((name) => ask(name)))
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200])
    expect((await json(answers[1]!)).model).toBe('a')
    expect(await loaded()).toEqual(['a'])
    expect((await json(get('/v1/models/a'))).context_length).toBe(2048)
  })

  test.each(['d', 'below/d', '../outside', 'link', '/etc/passwd', 'notes', 'notes.txt', '..', 'a\0', 'A'])(
    'do not include %j',
    async (name) => {
      const { ask, loaded } = open()
      const answer = await ask(name)
      expect(answer.status).toBe(404)
      expect((await json(answer)).error.code).toBe('model_not_found')
      expect(await loaded()).toEqual([])
    },
  )

  test('get 500 without a path if they cannot be read, and the server continues', async () => {
    const { ask } = open()
    const answer = await ask('broken')
    expect(answer.status).toBe(500)
    const { error } = await json(answer)
    expect(error.code).toBe('model_unusable')
    expect(error.message).not.toContain(folder)
    expect((await ask('a')).status).toBe(200)
  })

  test('make room for another: the model idle for longest is unloaded', async () => {
    const { ask, loaded } = open({ maxModels: 2 })
    for (const name of ['a', 'b', 'a', 'c']) expect((await ask(name)).status).toBe(200)
    expect((await loaded()).sort()).toEqual(['a', 'c'])
  })

  test('wait to be loaded until the busy one is idle', async () => {
    const { ask, loaded } = open({ maxModels: 1 })
    const long = ask('a', 'Once upon a time', { max_tokens: 200 })
    const names = ['b', 'a', 'c', 'b']
    const answers = await Promise.all([long, ...names.map((name) => ask(name))])
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200])
    expect(await loaded()).toHaveLength(1)
  })

  test('get their turn even if another model is never idle', async () => {
    const { ask } = open({ maxModels: 1 })
    const stream = async () => {
      const body = (await ask('a', 'Once upon a time', { max_tokens: 60, stream: true })).body!
      const reader = body.getReader()
      await reader.read()
      return async () => {
        while (!(await reader.read()).done);
      }
    }
    let end = await stream()
    let isServed = false
    const other = ask('b').then(({ status }) => {
      isServed = status === 200
    })
    // One is always begun before the last one ends.
    for (let i = 0; i < 30 && !isServed; i++) {
      const [next] = await Promise.all([stream(), end()])
      end = next
    }
    expect(isServed).toBe(true)
    await Promise.all([end(), other])
  })

  test('do not log prompts, unless logPrompts is set', async () => {
    for (const logPrompts of [false, true]) {
      const lines: string[] = []
      const note = (line: string) => void lines.push(line)
      const logger = { debug: note, info: note, warn: note, error: note }
      const { ask } = open({ logPrompts, modelOptions: { nThreads: 1, logger } })
      expect((await ask('a', 'a secret swordfish')).status).toBe(200)
      expect(lines.join('\n').includes('swordfish')).toBe(logPrompts)
    }
  })

  test('free the places in the queue of clients that have left', async () => {
    const { server, ask } = open({ maxModels: 1, maxQueue: 2 })
    const long = ask('a', 'Once upon a time', { max_tokens: 300 })
    const leaving = new AbortController()
    const body = JSON.stringify({ model: 'b', prompt: 'x' })
    const init = { method: 'POST', body, signal: leaving.signal }
    const left = [1, 2].map(() => server.fetch(new Request('http://localhost/v1/completions', init)))
    await new Promise(setImmediate)
    leaving.abort()
    await Promise.all(left)
    const answers = await Promise.all([ask('b'), ask('b'), long])
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200])
  })

  test('are unloaded after idleTimeout without a request', async () => {
    const { ask, loaded } = open({ idleTimeout: 1 })
    expect((await ask('a')).status).toBe(200)
    while ((await loaded()).length > 0) await new Promise(setImmediate)
    expect((await ask('a')).status).toBe(200)
  })

  test('are unloaded when the server closes', async () => {
    const { server, ask, loaded } = open()
    await ask('a')
    expect(await loaded()).toEqual(['a'])
    await server.close()
    expect((await ask('a')).status).toBe(503)
  })
})

describe('createServer()', () => {
  test.each([
    [undefined, {}, 'models'],
    [{}, {}, 'models'],
    ['a.gguf', {}, 'models'],
    [{ a: 'a.gguf' }, {}, 'models'],
    [{}, { modelPath: '' }, 'modelPath'],
    [{}, { modelPath: import.meta.filename }, 'modelPath'],
    [{}, { modelPath: '.', maxModels: 0 }, 'maxModels'],
    [{}, { modelPath: '.', idleTimeout: -1 }, 'idleTimeout'],
    [{}, { modelPath: '.', apiKey: '' }, 'apiKey'],
    [{}, { modelPath: '.', apiKey: [] }, 'apiKey'],
    [{}, { modelPath: '.', corsOrigins: 'https://app.example' }, 'corsOrigins'],
    [{}, { modelPath: '.', corsOrigins: ['app.example'] }, 'corsOrigins'],
    [{}, { modelPath: '.', corsOrigins: ['https://app.example*'] }, 'corsOrigins'],
    [{}, { modelPath: '.', corsOrigins: ['https://app.example/page'] }, 'corsOrigins'],
    [{}, { modelPath: '.', allowedHosts: ['my box'] }, 'allowedHosts'],
    [{}, { modelPath: '.', allowedHosts: ['models.*'] }, 'allowedHosts'],
    [{}, { modelPath: '.', allowedHosts: ['http://'] }, 'allowedHosts'],
    [{}, { modelPath: '.', page: 'yes' }, 'page'],
    [{}, { modelPath: '.', systemPrompt: 3 }, 'systemPrompt'],
    [{}, { modelPath: '.', chatTemplate: '' }, 'chatTemplate'],
    [{}, { modelPath: '.', apikey: 'x' }, 'apikey'],
    [{}, { modelPath: '.', defaults: { temp: 'hot' } }, 'temp'],
    [{}, { modelPath: '.', defaults: { bogus: 1 } }, 'bogus'],
    [{}, { modelPath: '.', modelOptions: { nCtx: 1 } }, 'nCtx'],
    [{}, { modelPath: '.', modelOptions: { isolated: { maxRestarts: -1 } } }, 'maxRestarts'],
    [{}, { modelPath: '.', modelOptions: { isolated: { typo: 1 } } }, 'typo'],
    [{}, { modelPath: '.', modelOptions: { lora: [{ path: 'hf://someone/adapter' }] } }, 'lora[0].path'],
    [{}, { modelPath: '.', modelOptions: { draftModel: 'a\0' } }, 'draftModel'],
    [{}, { modelPath: '.', streamInterval: 2000 }, 'streamInterval'],
    [{}, { modelPath: '.', logger: {} }, 'logger'],
  ])('refuses a bad option by name: %o, %o', (models, options, option) => {
    expect(() => createServer(models as never, options as never)).toThrow(
      expect.objectContaining({ code: 'ERR_OPTION', option }),
    )
  })

  test('accepts the origins of extensions and desktop programs', () => {
    const corsOrigins = ['https://app.example:8443', 'tauri://localhost', 'chrome-extension://abcdef', 'null']
    expect(() => createServer({}, { modelPath: '.', corsOrigins })).not.toThrow()
  })
})
