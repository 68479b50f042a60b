import { copyFileSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { GPT4All, type ModelOptions } from '../../src/index.ts'
import { writeAdapter } from '../support/adapter.ts'
import { architectureModel } from '../support/architectures.ts'
import { EMBEDDED } from '../support/models.ts'
import { TINY_MODELS, TINY_VOCABULARY, tinyModel } from '../support/tiny-models.ts'

// What opened once is remembered in the home folder: an empty one, so that every file is new.
const home = mkdtempSync(join(tmpdir(), 'gpt4all-home-'))
const opened = join(home, '.cache/gpt4all-ts/opened')
beforeAll(() => {
  vi.stubEnv('HOME', home)
  vi.stubEnv('USERPROFILE', home)
})
afterAll(() => {
  vi.unstubAllEnvs()
  rmSync(home, { recursive: true, force: true })
})
beforeEach(() => rmSync(opened, { recursive: true, force: true }))

const remembered = () => {
  try {
    return readdirSync(opened).length
  } catch {
    return 0
  }
}

let files = 0
function save(bytes: Buffer): string {
  const path = join(home, `${files++}.gguf`)
  writeFileSync(path, bytes)
  return path
}

/** Counts the files that are opened in a child process first. */
function listener(onTrial = () => {}) {
  const heard = { trials: 0 }
  const silent = () => {}
  const debug = (line: string) => {
    if (!line.includes('is opened in a child process first')) return
    heard.trials++
    onTrial()
  }
  return { heard, logger: { debug, info: silent, warn: silent, error: silent } }
}

async function open(path: string, options: ModelOptions = {}): Promise<string> {
  const model = await GPT4All.load(path, { nThreads: 1, nCtx: 64, ...options })
  try {
    return await model.generate('a', { maxTokens: 1, seed: 1 })
  } finally {
    await model.close()
  }
}

const failure = (opening: Promise<unknown>) =>
  opening.then(
    () => undefined,
    (error: unknown) => error,
  )

/** No header check knows of it: with a tensor that it may have, the graph reads one that it has not. */
function crashing(): string {
  return save(architectureModel('rwkv6qwen2').tensor('blk.0.time_mix_first.weight', [32, 2]).bytes())
}

describe('an unknown model file', () => {
  test('an unknown model file is first opened in a child process, once, and remembered', async () => {
    const path = save(tinyModel('llama'))
    const { heard, logger } = listener()
    const first = await open(path, { logger })
    expect({ ...heard, remembered: remembered() }).toEqual({ trials: 1, remembered: 1 })
    expect(await open(path, { logger })).toBe(first)
    expect({ ...heard, remembered: remembered() }).toEqual({ trials: 1, remembered: 1 })
  })

  test('a model file that crashes llama.cpp is an ERR_MODEL_DAMAGED that says where, and this process lives', async () => {
    const path = crashing()
    const { heard, logger } = listener()
    for (const times of [1, 2]) {
      const error = await failure(open(path, { logger }))
      expect(error).toMatchObject({ name: 'ModelError', code: 'ERR_MODEL_DAMAGED', path })
      expect(String(error)).toMatch(/making a context crashes with SIG|computing with it crashes with SIG/)
      expect({ ...heard, remembered: remembered() }).toEqual({ trials: times, remembered: 0 })
    }
  })

  test('a draft model that crashes llama.cpp is an ERR_MODEL_DAMAGED, reported once', async () => {
    const draftModel = crashing()
    const error = await failure(open(save(tinyModel('llama')), { draftModel }))
    expect(error).toMatchObject({ code: 'ERR_MODEL_DAMAGED', path: draftModel })
  })

  test.each(['llama', 'llama-moe', 'mamba'] as const)(
    'a model whose weights are not numbers is an ERR_MODEL_DAMAGED that says what to do: %s',
    async (name) => {
      const path = save(TINY_MODELS[name]().spoil('output_norm.weight').bytes())
      const error = await failure(open(path))
      expect(error).toMatchObject({ name: 'ModelError', code: 'ERR_MODEL_DAMAGED', path })
      expect(String(error)).toMatch(
        /its logits are not numbers\. .*verifyModel\(\).* download the file again/,
      )
      expect(remembered()).toBe(0)
    },
  )

  test('a LoRA adapter whose weights are not numbers is an ERR_MODEL_DAMAGED that names both files', async () => {
    const adapter = (await writeAdapter()).spoil('blk.0.attn_q.weight.lora_a')
    const error = await failure(open(EMBEDDED, { lora: [{ path: save(adapter.bytes()) }] }))
    expect(error).toMatchObject({ code: 'ERR_MODEL_DAMAGED', path: EMBEDDED })
    expect(String(error)).toMatch('with its LoRA adapters its logits are not numbers')
  })

  test('a model with NaN weights only for tokens that no text has is good', async () => {
    const file = TINY_MODELS.llama()
    for (const row of [0, TINY_VOCABULARY - 1]) file.spoil('token_embd.weight', row)
    expect(await open(save(file.bytes()))).toBeTypeOf('string')
    expect(remembered()).toBe(1)
  })

  test('a model whose graph gives some tokens no logit is good', async () => {
    expect(await open(save(architectureModel('chameleon').bytes()))).toBeTypeOf('string')
    expect(remembered()).toBe(1)
  })

  test.each([{ tryFirst: false }, { isolated: true }])(
    'a model whose weights are not numbers fails its first text with an ERR_DECODE that says what to do, with %j',
    async (options) => {
      const path = save(TINY_MODELS.llama().spoil('output_norm.weight').bytes())
      const error = await failure(open(path, options))
      expect(error).toMatchObject({ name: 'GPT4AllError', code: 'ERR_DECODE' })
      expect(String(error)).toMatch(/not numbers\. Its file may be damaged: GPT4All\.verifyModel\(\)/)
    },
  )

  test('a model file opened twice at once is tried once', async () => {
    const path = save(tinyModel('llama'))
    const { heard, logger } = listener()
    const [one, other] = await Promise.all([open(path, { logger }), open(path, { logger })])
    expect(one).toBe(other)
    expect(heard.trials).toBe(1)
  })

  test('a trial continues for one opening when another is aborted', async () => {
    const path = save(tinyModel('llama'))
    const giveUp = new AbortController()
    const { heard, logger } = listener(() => giveUp.abort(new Error('enough')))
    const [one, other] = await Promise.all([
      failure(open(path, { logger, signal: giveUp.signal })),
      open(path, { logger }),
    ])
    expect(one).toMatchObject({ message: 'enough' })
    expect(other).toBeTypeOf('string')
    expect(heard.trials).toBe(1)
  })

  test.each(['is not tried any more', 'has been tried'])(
    'a large file, whose child starts early, is opened by one when it %s for another',
    async (when) => {
      const path = save(Buffer.concat([tinyModel('llama'), Buffer.alloc(5 * 2 ** 20)]))
      const giveUp = new AbortController()
      const { heard, logger } = listener(() => giveUp.abort(new Error('enough')))
      const first = failure(open(path, { logger, signal: giveUp.signal }))
      if (when === 'has been tried') await first
      expect(await open(path, { logger })).toBeTypeOf('string')
      expect(await first).toMatchObject({ message: 'enough' })
      // Whether the second joins the first's trial depends on who is there first; it never goes without.
      expect(heard.trials).toBeGreaterThanOrEqual(when === 'has been tried' ? 2 : 1)
      const { trials } = heard
      expect(await open(path, { logger })).toBeTypeOf('string')
      expect({ ...heard, remembered: remembered() }).toEqual({ trials, remembered: 1 })
    },
  )

  test('a trial that no opening waits for any more is cancelled', async () => {
    const path = save(tinyModel('llama'))
    const giveUp = new AbortController()
    const { logger } = listener(() => giveUp.abort(new Error('enough')))
    expect(await failure(open(path, { logger, signal: giveUp.signal }))).toMatchObject({ message: 'enough' })
    expect(remembered()).toBe(0)
    expect(await open(path, { logger: listener().logger })).toBeTypeOf('string')
    expect(remembered()).toBe(1)
  })

  test('a model file is not tried with tryFirst: false', async () => {
    const { heard, logger } = listener()
    expect(await open(save(tinyModel('llama')), { logger, tryFirst: false })).toBeTypeOf('string')
    expect({ ...heard, remembered: remembered() }).toEqual({ trials: 0, remembered: 0 })
  })

  test('a model file is not tried in an isolated engine, which may crash', async () => {
    const { heard, logger } = listener()
    expect(await open(save(tinyModel('llama')), { logger, isolated: true })).toBeTypeOf('string')
    expect({ ...heard, remembered: remembered() }).toEqual({ trials: 0, remembered: 0 })
    const error = await failure(open(crashing(), { logger, isolated: true }))
    expect(error).toMatchObject({ code: 'ERR_ENGINE_CRASHED' })
  })

  test.each(['', '/proc/nothing', 'relative'])(
    'a model file is tried, and not remembered, with %j as the home folder',
    async (folder) => {
      const path = save(tinyModel('llama'))
      vi.stubEnv('HOME', folder)
      vi.stubEnv('USERPROFILE', folder)
      const { heard, logger } = listener()
      expect(await open(path, { logger })).toBeTypeOf('string')
      expect(heard.trials).toBe(1)
      vi.stubEnv('HOME', home)
      vi.stubEnv('USERPROFILE', home)
    },
  )
})

describe('a model file that is known', () => {
  test('a model file is tried again once it has changed, even with the same size and time', async () => {
    const path = save(tinyModel('llama'))
    const time = new Date(1e12)
    const { heard, logger } = listener()
    for (const [name, trials] of [
      ['llama', 1],
      ['llama', 2],
    ] as const) {
      writeFileSync(path, tinyModel(name))
      utimesSync(path, time, time)
      await open(path, { logger })
      expect(heard.trials).toBe(trials)
    }
    expect(remembered()).toBe(2)
  })

  test('the embedded model is known wherever its file lies', async () => {
    const path = join(home, 'copy.gguf')
    copyFileSync(EMBEDDED, path)
    const { heard, logger } = listener()
    await open(EMBEDDED, { logger })
    await open(path, { logger })
    expect(heard.trials).toBe(0)
  })

  test('a known model is tried with each LoRA adapter, and as a draft model', async () => {
    const adapter = save((await writeAdapter()).bytes())
    const lora = [{ path: adapter }]
    const draftModel = save(tinyModel('llama'))
    const { heard, logger } = listener()
    await open(EMBEDDED, { logger, lora })
    expect({ ...heard, remembered: remembered() }).toEqual({ trials: 1, remembered: 1 })
    await open(EMBEDDED, { logger, lora })
    expect(heard.trials).toBe(1)
    await open(save(tinyModel('llama')), { logger, draftModel })
    expect(heard.trials).toBe(3)
  })
})
