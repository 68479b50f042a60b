import { mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, describe, expect, test } from 'vitest'
import { headOf, readSaved, type SavedChat, writeSaved } from '../../src/chat/saved/file.ts'
import { sign } from '../../src/chat/saved/key.ts'
import { type ChatSession, GPT4All, type ModelOptions } from '../../src/index.ts'
import { EMBEDDED } from '../support/models.ts'

const GREEDY = { temp: 0, repeatPenalty: 1, maxTokens: 12 }
const FIRST = ['What is the capital of France?', 'Count from 1 to 20.', 'What is the capital of Italy?']
const NEXT = 'And of Spain?'

const folder = mkdtempSync(join(tmpdir(), 'gpt4all-saved-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
let files = 0
const newFile = () => join(folder, `session-${files++}.json`)

const models: GPT4All[] = []
async function open(options: ModelOptions = {}): Promise<GPT4All> {
  const model = await GPT4All.load(EMBEDDED, { nThreads: 1, nCtx: 512, parallel: 1, ...options })
  models.push(model)
  return model
}
afterEach(async () => {
  for (const model of models.splice(0)) await model.close()
})

/** A conversation of some turns. */
async function talk(model: GPT4All, systemPrompt = 'You answer briefly.'): Promise<ChatSession> {
  const session = model.chatSession({ systemPrompt })
  for (const prompt of FIRST) await session.generate(prompt, GREEDY)
  return session
}

/** What the next turn says, and how many tokens of its prompt were not in the cache. */
async function next(session: ChatSession) {
  const { text, usage } = await session.generate(NEXT, GREEDY).result
  return { text, evaluated: usage.promptTokens - usage.cachedTokens }
}

describe('a saved session', () => {
  test('a restored session continues with the same messages and the same answer', async () => {
    const file = newFile()
    const model = await open()
    const session = await talk(model)
    const { messages } = session
    const { bytes, stateBytes, messages: count } = await session.save(file)
    expect([bytes, stateBytes, count]).toEqual([readFileSync(file).length, 0, messages.length])
    expect(JSON.parse(readFileSync(file, 'utf8')).chat.messages).toEqual(messages)
    const { text } = await next(session)
    const restored = (await open()).chatSession({ restore: file })
    expect(restored.messages).toEqual(messages)
    expect((await next(restored)).text).toBe(text)
    expect(restored.messages).toEqual(session.messages)
  })

  test.each([
    ['in the same model', undefined, {}],
    ['in a new model', {}, {}],
    ['in a model with more places', { parallel: 4 }, {}],
    ['from a model with more places', {}, { parallel: 3 }],
    ['with quantized keys and values', { kvType: 'q8_0' }, { kvType: 'q8_0' }],
  ] as const)(
    'a session restored with its state evaluates only what is new: %s',
    async (_, options, saved) => {
      const file = newFile()
      const model = await open(saved)
      const session = await talk(model)
      const size = await session.savedSize({ state: true })
      expect(await session.save(file, { state: true })).toEqual(size)
      expect(size.bytes).toBe(readFileSync(file).length)
      const expected = await next(session)
      const restored = (options ? await open(options) : model).chatSession({ restore: file })
      const { text, evaluated } = await next(restored)
      expect(text).toBe(expected.text)
      expect(evaluated).toBeLessThanOrEqual(expected.evaluated)
    },
  )

  test('a session is saved with its state even after it lost its slot, and without tokens that an abort left', async () => {
    const file = newFile()
    const model = await open()
    const session = await talk(model)
    const giveUp = new AbortController()
    const aborted = session.generate(NEXT.repeat(5), {
      ...GREEDY,
      signal: giveUp.signal,
      callback: () => giveUp.abort(),
    })
    await expect(aborted).rejects.toThrow()
    const { stateTokens } = await session.savedSize({ state: true })
    await talk(model, 'You are a pirate, and speak like one, whatever you are asked.')
    expect((await session.save(file, { state: true })).stateTokens).toBe(stateTokens)
    expect(stateTokens).toBeLessThan(await session.countTokens())
    const restored = (await open()).chatSession({ restore: file })
    expect((await next(restored)).evaluated).toBeLessThan(40)
  })

  test('a session restored on a deterministic model gives the same text, bit by bit', async () => {
    const file = newFile()
    const model = await open({ deterministic: true })
    const session = await talk(model)
    await session.save(file, { state: true })
    const { text } = await next(session)
    expect(await next((await open({ deterministic: true })).chatSession({ restore: file }))).toMatchObject({
      text,
    })
  })

  test('a restored session is evaluated again if the model has other options, with a log line', async () => {
    const file = newFile()
    const session = await talk(await open())
    await session.save(file, { state: true })
    const lines: string[] = []
    const info = (line: string) => void lines.push(line)
    const logger = { debug() {}, info, warn: info, error: info }
    const other = await open({ kvType: 'q8_0', logger })
    const restored = other.chatSession({ restore: file })
    const fresh = (await open({ kvType: 'q8_0' })).chatSession({ messages: restored.messages })
    expect(await next(restored)).toEqual(await next(fresh))
    expect(lines.join('\n')).toContain('other model options')
  })

  test('a restored session is evaluated again if its state is damaged, with a log line', async () => {
    const file = newFile()
    await (await talk(await open())).save(file, { state: true })
    const bytes = readFileSync(file)
    bytes[bytes.length - 100]! ^= 1
    writeFileSync(file, bytes)
    const lines: string[] = []
    const log = (line: string) => void lines.push(line)
    const logger = { debug() {}, info() {}, warn: log, error: log }
    const restored = (await open({ logger })).chatSession({ restore: file })
    const fresh = (await open()).chatSession({ messages: restored.messages })
    expect(await next(restored)).toEqual(await next(fresh))
    expect(lines).toEqual([expect.stringMatching(/is damaged.*evaluated again/)])
  })

  test('continue() continues the last answer of a restored session as the model wrote it', async () => {
    const file = newFile()
    const session = await talk(await open())
    await session.generate('Count from 1 to 20.', { ...GREEDY, maxTokens: 6 })
    await session.save(file, { state: true })
    const expected = await session.continue(GREEDY)
    const restored = (await open()).chatSession({ restore: file })
    expect(await restored.continue(GREEDY)).toBe(expected)
    expect(restored.messages).toEqual(session.messages)
  })

  test('save() waits for the running turn', async () => {
    const file = newFile()
    const session = (await open()).chatSession()
    const generation = session.generate(FIRST[0]!, GREEDY)
    const [saved] = await Promise.all([
      generation.result.then(() => session.save(file)),
      session.save(newFile()),
    ])
    expect(saved.messages).toBe(2)
  })

  test('an empty session can be saved and restored', async () => {
    const file = newFile()
    const model = await open()
    const session = model.chatSession()
    expect(await session.save(file, { state: true })).toMatchObject({ stateTokens: 0, messages: 0 })
    const restored = model.chatSession({ restore: file })
    expect(await restored.generate(FIRST[0]!, GREEDY)).toBe(await session.generate(FIRST[0]!, GREEDY))
  })
})

describe('a file that is not a saved session', () => {
  const refused = { name: 'SessionFileError', code: 'ERR_SESSION_FILE' }

  test.each([
    ['is not there', undefined],
    ['is empty', ''],
    ['is text', 'Dear diary\n'],
    ['is other JSON', '{"messages":[]}\n'],
    ['is an array', '[]\n'],
    ['is null', 'null\n'],
    ['is of a later version', '{"format":"gpt4all-ts session","version":2}\n'],
    ['holds nothing', '{"format":"gpt4all-ts session","version":1}\n'],
    ['has no checksum', '{"format":"gpt4all-ts session","version":1,"chat":{}}\n'],
  ])('a session file that %s is refused with ERR_SESSION_FILE', async (_, text) => {
    const file = newFile()
    if (text !== undefined) writeFileSync(file, text)
    const model = await open()
    expect(() => model.chatSession({ restore: file })).toThrow(
      expect.objectContaining({ ...refused, path: file }),
    )
  })

  test('a huge file that is not a session is refused at its first bytes', async () => {
    const model = await open()
    const file = newFile()
    for (const beginning of ['', '{"messages":', 'GGUF']) {
      writeFileSync(file, beginning)
      truncateSync(file, 2 ** 40)
      expect(() => model.chatSession({ restore: file })).toThrow(expect.objectContaining(refused))
    }
  })

  test.each<[string, (chat: SavedChat) => object]>([
    ['fields', () => Object.fromEntries(Array.from({ length: 200_000 }, (_, i) => [`name${i}`, 0]))],
    ['numbers', (chat) => ({ record: { ...chat.record, tokens: Array(3_000_000).fill(1) } })],
    ['messages', () => ({ messages: Array(50_000).fill({ role: 'user', content: 'Hi' }) })],
    ['text', () => ({ messages: [{ role: 'user', content: 'x'.repeat(2 ** 25) }] })],
    ['arrays in arrays', () => ({ more: [[[[[[[[[[]]]]]]]]]] })],
  ])('a session file with more %s than any conversation has is refused, and not written', async (_, more) => {
    const file = newFile()
    const model = await open()
    await model.chatSession().save(file)
    const { chat } = readSaved(file)
    const logger = { debug() {}, info() {}, warn() {}, error() {} }
    const head = await headOf({ ...chat, ...more(chat) }, (sha256) => sign(sha256, logger))
    await expect(writeSaved(file, head, undefined)).rejects.toMatchObject(refused)
    expect(readSaved(file).chat).toEqual(chat)
    writeFileSync(file, head)
    expect(() => model.chatSession({ restore: file })).toThrow(expect.objectContaining(refused))
  })

  test("a session file's checksum is compared before any of it is parsed", async () => {
    const file = newFile()
    const model = await open()
    await model.chatSession().save(file)
    writeFileSync(file, readFileSync(file, 'utf8').replace('"messages":[]', '"messages":[['))
    expect(() => model.chatSession({ restore: file })).toThrow(/its checksum does not match/)
  })

  test('a session file whose state is larger than the cache is evaluated again, without that state', async () => {
    const file = newFile()
    const lines: string[] = []
    const warn = (line: string) => void lines.push(line)
    const logger = { debug() {}, info() {}, warn, error() {} }
    const model = await open({ logger })
    await (await talk(model)).save(file, { state: true })
    const { chat, stateAt } = readSaved(file)
    const bytes = 2 ** 37
    writeFileSync(
      file,
      await headOf({ ...chat, state: { ...chat.state!, bytes } }, (sha256) => sign(sha256, logger)),
    )
    truncateSync(file, stateAt + bytes + 100)
    truncateSync(file, readSaved(file).stateAt + bytes)
    const before = process.memoryUsage.rss()
    const restored = model.chatSession({ restore: file })
    expect((await next(restored)).text).not.toBe('')
    expect(lines).toEqual([expect.stringContaining('evaluated again')])
    expect(process.memoryUsage.rss() - before).toBeLessThan(2 ** 29)
  })

  test('a folder cannot be restored, nor saved over', async () => {
    const model = await open()
    expect(() => model.chatSession({ restore: folder })).toThrow(expect.objectContaining(refused))
    const before = readdirSync(folder)
    await expect(model.chatSession().save(folder)).rejects.toMatchObject(refused)
    await expect(model.chatSession().save(join(folder, 'no', 'where'))).rejects.toMatchObject(refused)
    expect(readdirSync(folder)).toEqual(before)
  })

  test('wrong options of restore and save() are refused at once', async () => {
    const model = await open()
    const file = newFile()
    await model.chatSession().save(file)
    const option = expect.objectContaining({ code: 'ERR_OPTION' })
    expect(() => model.chatSession({ restore: 1 as never })).toThrow(option)
    for (const beside of [{ messages: [] }, { systemPrompt: 'x' }])
      expect(() => model.chatSession({ restore: file, ...beside })).toThrow(
        expect.objectContaining({ code: 'ERR_OPTION', option: Object.keys(beside)[0] }),
      )
    await expect(model.chatSession().save('')).rejects.toThrow(option)
    await expect(model.chatSession().save(file, { state: 1 as never })).rejects.toThrow(option)
    await expect(model.chatSession().save(file, { stat: true } as never)).rejects.toThrow(option)
  })

  test('a session that is closed, or in one of its callbacks, saves nothing', async () => {
    const model = await open()
    const session = model.chatSession()
    const file = newFile()
    await session.generate(FIRST[0]!, {
      ...GREEDY,
      callback: async () => {
        await expect(session.save(file)).rejects.toMatchObject({ code: 'ERR_BUSY' })
        return false
      },
    })
    await session.close()
    await expect(session.save(file)).rejects.toMatchObject({ code: 'ERR_CLOSED' })
  })
})
