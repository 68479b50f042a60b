import { renameSync, rmSync, statSync, utimesSync } from 'node:fs'
import { mkdir, mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { GPT4All, isGPT4AllError, type Logger, type Progress } from '../../src/index.ts'
import { EMBEDDED } from '../support/models.ts'
import { type TinyModel, tinyModel } from '../support/tiny-models.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gpt4all-open-'))
})
afterAll(() => rm(folder, { recursive: true }))

/** The error a promise rejects with. */
const failure = (promise: PromiseLike<unknown>) =>
  Promise.resolve(promise).then(
    () => expect.unreachable('it succeeded'),
    (error: unknown) => error as Error & { code: string; path?: string },
  )

async function made(name: string, content: string | Uint8Array): Promise<string> {
  const path = join(folder, name)
  await writeFile(path, content)
  return path
}

function recorder(): { lines: string[]; logger: Logger } {
  const lines: string[] = []
  const at = (level: string) => (line: string) => void lines.push(`${level}: ${line}`)
  return { lines, logger: { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') } }
}

describe('a model', () => {
  test('an open model warms up; an earlier generation does not wait for that and gives the same text', async () => {
    const { logger, lines } = recorder()
    const warmed = new Promise<void>((resolve) => {
      logger.debug = (line) => line.startsWith('warmed up') && resolve()
    })
    const model = await GPT4All.load(EMBEDDED, { nThreads: 1, logger })
    await warmed
    const other = await GPT4All.load(EMBEDDED, { nThreads: 1 })
    const [first, second] = await Promise.all(
      [model, other].map((one) => one.generate('The capital of France is', { temp: 0, maxTokens: 8 })),
    )
    expect(first).toBe(second)
    expect(lines.filter((line) => /^(warn|error)/.test(line))).toEqual([])
    await model.close()
    await other.close()
  })

  test.each([
    ['another file takes its place', (path: string) => renameSync(path.replace('.gguf', '.other'), path)],
    ['it is written to', (path: string) => utimesSync(path, 1, 1)],
    ['it is gone', (path: string) => rmSync(path)],
  ])('a model file is refused where %s while it is opened', async (_, change) => {
    const path = await made('changing.gguf', await readFile(EMBEDDED))
    await made('changing.other', await readFile(EMBEDDED))
    let isChanged = false
    const onProgress = () => {
      if (!isChanged) change(path)
      isChanged = true
    }
    const error = await failure(GPT4All.load(path, { nThreads: 1, onProgress }))
    expect(error).toMatchObject({ name: 'ModelError', path })
    expect(error.code).toMatch(/^ERR_MODEL_(UNREADABLE|NOT_FOUND)$/)
  })

  test("llama.cpp's log lines name a model by its path, however it was opened", async () => {
    const { lines, logger } = recorder()
    await (await GPT4All.load(EMBEDDED, { nThreads: 1, nCtx: 256, logger })).close()
    expect(lines.join('\n')).toContain(EMBEDDED)
    expect(lines.join('\n')).not.toContain('/proc/self')
  })

  test('a model is found by name within modelPath, with ".gguf" added', async () => {
    await made('small.gguf', await readFile(EMBEDDED))
    const model = await GPT4All.load('small', { modelPath: folder, nThreads: 1 })
    expect(model.config?.path).toBe(join(folder, 'small.gguf'))
    await model.close()
  })

  test('a model is found under a path with spaces, accents, CJK and emoji', async () => {
    const path = await made('größe 模型 🚀.gguf', await readFile(EMBEDDED))
    const model = await GPT4All.load(path, { nThreads: 1 })
    expect(await model.generate('The capital of France is', { temp: 0, maxTokens: 4 })).toContain('Paris')
    await model.close()
  })

  test('an open model describes itself', async () => {
    const model = new GPT4All(EMBEDDED, { nThreads: 1 })
    expect([model.config, model.backend, model.device]).toEqual([undefined, undefined, undefined])
    expect(model.contextSize).toBe(2048)
    expect(await model.open()).toBe(model)
    expect(model.backend).toBe('cpu')
    expect(model.device).toBeUndefined()
    expect(model.config).toMatchObject({ architecture: 'llama', trainedContextSize: 2048 })
    expect(model.config?.chatTemplate).toContain('<|im_start|>')
    await model.close()
  })

  test('a model that many calls open at once is loaded once', async () => {
    const told: Progress[] = []
    const model = new GPT4All(EMBEDDED, { nThreads: 1, onProgress: (progress) => told.push(progress) })
    await Promise.all([model.open(), model.open(), model.tokenize('a'), model.countTokens('b')])
    const { size } = statSync(EMBEDDED)
    expect(told.at(-1)).toMatchObject({ phase: 'load', bytes: size, total: size })
    expect(told.map(({ bytes }) => bytes)).toEqual(told.map(({ bytes }) => bytes).sort((a, b) => a - b))
    await model.close()
  })

  test('tokenizing and detokenizing lose nothing; special tokens are parsed only on request', async () => {
    const model = await GPT4All.load(EMBEDDED, { nThreads: 1 })
    const text = 'Grüße, 日本 🚀\n<|im_start|>!'
    const plain = await model.tokenize(text)
    const special = await model.tokenize(text, { parseSpecial: true })
    expect(await model.detokenize(plain)).toBe(text)
    expect(await model.detokenize(special)).toBe(text)
    expect(special.length).toBeLessThan(plain.length)
    expect(await model.countTokens(text)).toBe(special.length) // this model adds no start token
    expect((await failure(model.detokenize([-1]))).code).toBe('ERR_OPTION')
    expect((await failure(model.detokenize([1.5]))).code).toBe('ERR_OPTION')
    await model.close()
  })

  test('text that continues a prompt has no space put before it, and no start token', async () => {
    const file = await made('sentencepiece.gguf', tinyModel('llama'))
    const model = await GPT4All.load(file, { nThreads: 1 })
    expect(await model.tokenize('a')).toHaveLength(2)
    for (const text of ['abc', ' abc', '\nabc']) {
      const next = await model.tokenize(text, { isContinuation: true })
      const whole = await model.tokenize(`x${text}`)
      expect(next).toEqual(whole.slice(2)) // after the space and the x
    }
    const both = model.tokenize('a', { isContinuation: true, addSpecial: true })
    expect((await failure(both)).code).toBe('ERR_OPTION')
    await model.close()
  })

  test("the logger gets llama.cpp's lines and the library's own", async () => {
    const { lines, logger } = recorder()
    const model = await GPT4All.load(EMBEDDED, { nThreads: 1, nCtx: 4096, logger })
    expect(lines.some((line) => line.startsWith('debug: ') && line.includes('llama'))).toBe(true)
    expect(lines.some((line) => line.startsWith('warn: nCtx 4096 is more than the 2048'))).toBe(true)
    await model.close()
  })
})

describe('a file that cannot be used', () => {
  const cases: [string, () => Promise<string>, string][] = [
    ['missing', async () => join(folder, 'absent.gguf'), 'ERR_MODEL_NOT_FOUND'],
    ['a directory', async () => folder.concat('/x.gguf'), 'ERR_MODEL_UNREADABLE'],
    ['empty', () => made('empty.gguf', ''), 'ERR_NOT_GGUF'],
    ['something else', () => made('page.gguf', '<!DOCTYPE html><html>'), 'ERR_NOT_GGUF'],
    ['half', async () => made('half.gguf', (await readFile(EMBEDDED)).subarray(0, 1e6)), 'ERR_MODEL_DAMAGED'],
    ['of an unknown architecture', () => tiny('unknownarch'), 'ERR_MODEL_UNSUPPORTED'],
    ['an encoder', () => tiny('bert'), 'ERR_MODEL_UNSUPPORTED'],
    ['an encoder-decoder', () => tiny('t5'), 'ERR_MODEL_UNSUPPORTED'],
    ['a diffusion model', () => tiny('llada'), 'ERR_MODEL_UNSUPPORTED'],
  ]
  const tiny = (name: TinyModel) => made(`${name}.gguf`, tinyModel(name))

  test.each(cases)(
    'an unusable model file (%s) is refused with a code, naming the file',
    async (kind, file, code) => {
      const path = await file()
      if (kind === 'a directory') await mkdir(path)
      const error = await failure(GPT4All.load(path))
      expect(error.code).toBe(code)
      expect(error.message).toContain(path)
      expect(error.path).toBe(path)
      expect(isGPT4AllError(error)).toBe(true)
    },
  )

  test('the error for an unknown architecture names it', async () => {
    expect((await failure(GPT4All.load(await tiny('unknownarch')))).message).toContain('"unknownarch"')
  })

  test('a damaged model file can be repaired and opened by the same object', async () => {
    const model = new GPT4All('later.gguf', { modelPath: folder, allowDownload: false, nThreads: 1 })
    expect((await failure(model.open())).code).toBe('ERR_MODEL_NOT_FOUND')
    await made('later.gguf', await readFile(EMBEDDED))
    expect(await model.generate('The capital of France is', { temp: 0, maxTokens: 4 })).toContain('Paris')
    await model.close()
  })
})

describe.each(['llama', 'llama-moe', 'gemma3', 'mamba', 'lfm2'] as const)('a %s model', (name) => {
  test('a small model of each kind generates, and a rolled back prompt gives what a fresh model gives', async () => {
    const path = await made(`${name}.gguf`, tinyModel(name))
    const options = { temp: 0, repeatPenalty: 1, maxTokens: 12 }
    const generate = async (model: GPT4All, prompt: string) =>
      (await model.generate(prompt, options).result).tokens
    const fresh = await GPT4All.load(path, { nThreads: 1, nCtx: 256 })
    const expected = await generate(fresh, 'hello there my friend')
    await fresh.close()

    const used = await GPT4All.load(path, { nThreads: 1, nCtx: 256 })
    await generate(used, 'hello there you people of the world')
    expect(await generate(used, 'hello there my friend')).toEqual(expected)
    await used.close()
  })
})

describe('close()', () => {
  test('close() rejects current and later calls with ERR_CLOSED, and may be called twice', async () => {
    const model = await GPT4All.load(EMBEDDED, { nThreads: 1 })
    const running = failure(model.generate('1, 2, 3,', { temp: 0, repeatPenalty: 1, maxTokens: 2000 }))
    const read = failure(
      (async () => {
        for await (const _ of model.generate('1, 2, 3,', { temp: 0, maxTokens: 2000 })) void model.close()
      })(),
    )
    expect((await read).code).toBe('ERR_CLOSED')
    expect((await running).code).toBe('ERR_CLOSED')
    await Promise.all([model.close(), model.close()])
    expect((await failure(model.generate('a'))).code).toBe('ERR_CLOSED')
    expect((await failure(model.open())).code).toBe('ERR_CLOSED')
    expect((await failure(model.tokenize('a'))).code).toBe('ERR_CLOSED')
    expect(model.config).toBeUndefined()
  })

  test('close() cancels an opening in progress', async () => {
    const model = new GPT4All(EMBEDDED)
    const opening = failure(model.open())
    await model.close()
    expect((await opening).code).toBe('ERR_CLOSED')
  })

  test('"await using" closes the model', async () => {
    const model = await GPT4All.load(EMBEDDED, { nThreads: 1 })
    await model[Symbol.asyncDispose]()
    expect((await failure(model.generate('a'))).code).toBe('ERR_CLOSED')
  })
})

describe('options', () => {
  const wrong: [string, object][] = [
    ['nCtx', { nCtx: 0 }],
    ['nThreads', { nThreads: 1.5 }],
    ['modelPath', { modelPath: 7 }],
    ['logger', { logger: {} }],
    ['onProgress', { onProgress: 'yes' }],
    ['n_ctx', { n_ctx: 2048 }],
  ]
  test.each(wrong)('the constructor refuses a wrong "%s", naming it', (option, options) => {
    const create = () => new GPT4All('any', options as never)
    expect(create).toThrow(option)
    expect(create).toThrow(expect.objectContaining({ code: 'ERR_OPTION', option }))
  })

  test('a misspelt option is recognised in the message', () => {
    expect(() => new GPT4All('any', { n_ctx: 2048 } as never)).toThrow('Did you mean "nCtx"?')
    expect(() => new GPT4All('any').generate('', { max_tokens: 3 } as never)).toThrow(
      'Did you mean "maxTokens"?',
    )
  })

  test('more threads than cores are clamped, with a log line', async () => {
    const { lines, logger } = recorder()
    new GPT4All('any', { nThreads: 9999, logger })
    expect(lines[0]).toMatch(/^warn: nThreads 9999/)
  })

  // root may read everything
  test.skipIf(process.getuid?.() === 0)('a file whose read permission is missing says so', async () => {
    const path = await made('secret.gguf', 'GGUF')
    await (await open(path)).chmod(0o000)
    expect((await failure(GPT4All.load(path))).code).toBe('ERR_MODEL_UNREADABLE')
  })
})

test('modelType is what was given, as in Python', () => {
  expect(new GPT4All('any', { modelType: 'llama' }).modelType).toBe('llama')
  expect(new GPT4All('any').modelType).toBeUndefined()
})
