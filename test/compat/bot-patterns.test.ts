import { copyFileSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { GPT4All } from '../../src/compat/2023/index.ts'
import { type Gallery, makeGallery } from '../support/gallery.ts'
import { EMBEDDED } from '../support/models.ts'

// What public programs do with the class of 2023 (npm gpt4all 1.0.0), reduced to their calls.

/** The model that stands in for those of 2023, here the embedded one by that name. */
const TODAY = 'Llama-3.2-3B-Instruct-Q4_0.gguf'
const GREEDY = { temp: 0, threads: 1 }

let gallery: Gallery
const bots: GPT4All[] = []

beforeAll(async () => {
  gallery = await makeGallery()
  copyFileSync(EMBEDDED, join(gallery.models, TODAY))
  for (const [name, value] of Object.entries(gallery.env)) vi.stubEnv(name, value)
})
afterEach(() => {
  for (const bot of bots.splice(0)) bot.close()
})
afterAll(async () => {
  vi.unstubAllEnvs()
  await gallery.close()
})

function botOf(...args: ConstructorParameters<typeof GPT4All>): GPT4All {
  const bot = new GPT4All(...args)
  bots.push(bot)
  return bot
}

describe('programs written for the class of 2023', () => {
  test('19. gpt4all-cli and others: init(), open(), prompts that are turns, close()', async () => {
    const bot = botOf('gpt4all-lora-unfiltered-quantized', true, GREEDY)
    await bot.init()
    await bot.open()
    await bot.prompt('My name is Ada.')
    expect(await bot.prompt('What is my name?')).toContain('Ada')
    expect(bot.close()).toBeUndefined()
    bot.close()
  })

  test('19. a second open() begins a new conversation', async () => {
    const bot = botOf('gpt4all-lora-quantized', false, GREEDY)
    await bot.init()
    await bot.open()
    await bot.prompt('My name is Ada.')
    await bot.open()
    expect(await bot.prompt('What is my name?')).not.toContain('Ada')
  })

  test('19. prompt() throws at once before open() and after close()', async () => {
    const bot = botOf()
    expect(() => bot.prompt('Hello')).toThrow('Bot is not initialized.')
    await bot.open()
    bot.close()
    expect(() => bot.prompt('Hello')).toThrow('Bot is not initialized.')
  })

  test('19. gpt4all-j of another time, close() that is awaited, and a loop over rows', async () => {
    const bot = botOf('gpt4all-j', false, { ...GREEDY, repeat_penalty: 1 })
    await bot.init()
    await bot.open()
    const rows = ['What is the capital of France?', 'What is the capital of Italy?']
    const answers: string[] = []
    for (const row of rows) answers.push(await bot.prompt(row))
    await bot.close()
    expect(answers).toEqual([expect.stringContaining('Paris'), expect.stringContaining('Rome')])
  })

  test.for([
    ['require()', 'cjs', "const { GPT4All } = require('gpt4all-ts/compat/2023')"],
    ['a dynamic import', 'cjs', "const { GPT4All } = await import('gpt4all-ts/compat/2023')"],
    ['an import', 'mjs', "import { GPT4All } from 'gpt4all-ts/compat/2023'"],
  ] as const)('19. %s, one warning for the model that is gone', async ([, extension, line], { signal }) => {
    const isInside = line.includes('await')
    const code = `
      ${isInside ? '' : line}
      const main = async () => {
        ${isInside ? line : ''}
        for (let i = 0; i < 2; i++) {
          const gpt4all = new GPT4All('gpt4all-lora-unfiltered-quantized', true)
          await gpt4all.init()
          await gpt4all.open()
          console.log('Response: ' + await gpt4all.prompt('What is the capital of France?'))
          gpt4all.close()
        }
      }
      main().catch(console.error)`
    const { stdout, stderr } = await gallery.run(code, { extension, signal })
    expect(stdout.match(/^Response: \S/gm)).toHaveLength(2)
    expect(stderr.match(new RegExp(TODAY.replaceAll('.', '\\.'), 'g'))).toHaveLength(1)
  })

  test('20. LangChain.js opens for each call, and hands on the flags of the old program', async () => {
    const decoderConfig = { n_predict: '5', top_k: 1, temp: '0', seed: -1, threads: '1', unknown_flag: 1 }
    const client = botOf('gpt4all-lora-quantized', true, decoderConfig)
    let isInitialized = false
    const call = async (prompt: string) => {
      if (!isInitialized) await client.init()
      isInitialized = true
      await client.open()
      const response = await client.prompt(prompt)
      client.close()
      return response
    }
    const first = await call('Count from 1 to 100.')
    expect(first).toMatch(/^1/)
    expect(first.length).toBeLessThan(20)
    expect(await call('Count from 1 to 100.')).toBe(first)
  })

  test('20. init(true) downloads the model anew, and init() what is not there', async () => {
    const bytes = readFileSync(EMBEDDED)
    gallery.server.host(TODAY, { bytes, faults: [] })
    const list = [...gallery.entries, { ...gallery.entries[0], filename: TODAY }]
    gallery.server.host('models3.json', { bytes: Buffer.from(JSON.stringify(list)), faults: [] })
    const downloads = () => gallery.server.requests.filter(({ path }) => path === `/${TODAY}`).length
    const bot = botOf('gpt4all-lora-quantized', true)
    await bot.init()
    expect(downloads()).toBe(0) // the argument of the constructor never had an effect
    await bot.init(true)
    expect(downloads()).toBe(1)
    rmSync(join(gallery.models, TODAY))
    await bot.init()
    expect(downloads()).toBe(2)
  })
})
