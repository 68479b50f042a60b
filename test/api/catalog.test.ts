import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { GPT4All, type ModelOptions } from '../../src/index.ts'
import { EMBEDDED } from '../support/models.ts'
import { PUBLISHED } from '../support/published.ts'

const folder = mkdtempSync(join(tmpdir(), 'gpt4all-catalog-'))
const file = join(folder, 'tiny.gguf')
const filesize = String(statSync(EMBEDDED).size)
const GREEDY = { temp: 0, repeatPenalty: 1 } as const
const SHOUT = '{% for m in messages %}[{{ m.role }}|{{ m.content }}]{% endfor %}'
const lines: string[] = []
const logger = {
  debug() {},
  info() {},
  warn: (line: string) => void lines.push(line),
  error() {},
}

beforeAll(() => copyFileSync(EMBEDDED, file))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** What the model is asked, with these files beside it. */
async function promptWith(
  files: Readonly<Record<string, unknown>>,
  options: ModelOptions = {},
): Promise<string> {
  lines.length = 0
  const paths = Object.keys(files).map((name) => join(folder, name))
  Object.values(files).forEach((content, i) => {
    writeFileSync(paths[i]!, typeof content === 'string' ? content : JSON.stringify(content))
  })
  const model = new GPT4All(file, { nThreads: 1, logger, ...options })
  try {
    return await model.renderPrompt([{ role: 'user', content: 'Hi' }])
  } finally {
    await model.close()
    for (const path of paths) rmSync(path)
  }
}

const own = '<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n'

describe('the templates of a catalog entry', () => {
  test('kept beside the file, in a list beside it, or in modelConfigFile, are used', async () => {
    const entry = { filename: 'tiny.gguf', filesize, chatTemplate: SHOUT }
    expect(await promptWith({ 'tiny.gguf.json': entry })).toBe('[user|Hi]')
    expect(await promptWith({ 'models3.json': [{ filename: 'other.gguf' }, entry] })).toBe('[user|Hi]')
    expect(await promptWith({ 'models.json': [entry] })).toBe('[user|Hi]')
    const modelConfigFile = join(folder, 'mine.json')
    expect(await promptWith({ 'mine.json': { chatTemplate: SHOUT } }, { modelConfigFile })).toBe('[user|Hi]')
    expect(await promptWith({ 'mine.json': [entry] }, { modelConfigFile })).toBe('[user|Hi]')
    expect(await promptWith({ 'models.json': [{ filename: 'tiny.gguf', promptTemplate: '<%1>' }] })).toBe(
      '<Hi>',
    )
  })

  test('of another file, or of a file of another size, are not used', async () => {
    const other = { filename: 'other.gguf', chatTemplate: SHOUT }
    expect(await promptWith({ 'models3.json': [other] })).toBe(own)
    expect(lines).toEqual([])
    const larger = { filename: 'tiny.gguf', filesize: '4661724384', chatTemplate: SHOUT }
    expect(await promptWith({ 'models3.json': [larger] })).toBe(own)
    expect(lines).toEqual([expect.stringContaining('4661724384')])
  })

  test('that the engine cannot run are replaced by those of the GGUF, with a log line', async () => {
    const entry = {
      filename: 'tiny.gguf',
      chatTemplate: "{{ messages[0].content | regex_replace('a', 'b') }}",
    }
    expect(await promptWith({ 'models3.json': [entry] })).toBe(own)
    expect(lines).toEqual([expect.stringContaining("using the GGUF's own instead")])
  })

  test('are an error if modelConfigFile names them and they are broken, of another file, or missing', async () => {
    const modelConfigFile = join(folder, 'mine.json')
    const named = (entry: unknown) => promptWith({ 'mine.json': entry }, { modelConfigFile })
    await expect(named({ chatTemplate: 'a\n{% if %}' })).rejects.toMatchObject({
      code: 'ERR_TEMPLATE',
      line: 2,
    })
    await expect(named({ promptTemplate: 'hello' })).rejects.toMatchObject({ code: 'ERR_OPTION' })
    await expect(named([{ filename: 'other.gguf' }])).rejects.toMatchObject({ code: 'ERR_MODEL_CONFIG' })
    await expect(named({ filesize: 1, chatTemplate: SHOUT })).rejects.toThrow(/of 1 bytes/)
    expect(await named({ chatTemplate: "{{ messages[0].content | regex_replace('a', 'b') }}" })).toBe(own)
    // Beside the model it only is not used.
    expect(await promptWith({ 'tiny.gguf.json': { chatTemplate: '{% if %}' } })).toBe(own)
    expect(lines).toEqual([expect.stringContaining('instead of the catalog')])
    for (const long of [{ chatTemplate: SHOUT.padEnd(2e6) }, { promptTemplate: '{0}'.padEnd(2e6) }]) {
      expect(await promptWith({ 'tiny.gguf.json': long })).toBe(own)
      expect(lines).toEqual([expect.stringContaining('2000000 characters')])
      await expect(named(long)).rejects.toMatchObject({ code: 'ERR_TEMPLATE' })
    }
  })

  test('are found beside invalid entries, entries of the same name, and after a byte order mark', async () => {
    const entry = { filename: 'tiny.gguf', filesize, chatTemplate: SHOUT }
    const list = [{ name: 'x' }, 7, { ...entry, filesize: 1, chatTemplate: 'wrong' }, entry]
    expect(await promptWith({ 'models3.json': `\uFEFF${JSON.stringify(list)}` })).toBe('[user|Hi]')
  })

  test.skipIf(process.platform === 'win32')('in a named pipe are not waited for', async () => {
    const pipe = join(folder, 'models3.json')
    execFileSync('mkfifo', [pipe])
    expect(await promptWith({})).toBe(own)
    await expect(promptWith({}, { modelConfigFile: pipe })).rejects.toMatchObject({
      code: 'ERR_MODEL_CONFIG',
    })
    rmSync(pipe)
  })

  test('in files that are not catalogs are ignored, but refused if modelConfigFile names the file', async () => {
    for (const content of ['{', '[1]', '[{"filename": 3}]', '[{}]']) {
      expect(await promptWith({ 'models.json': content })).toBe(own)
      expect(lines).toEqual([expect.stringContaining('is not a catalog of models')])
      const modelConfigFile = join(folder, 'mine.json')
      await expect(promptWith({ 'mine.json': content }, { modelConfigFile })).rejects.toMatchObject({
        code: 'ERR_MODEL_CONFIG',
        path: modelConfigFile,
      })
    }
    await expect(promptWith({}, { modelConfigFile: join(folder, 'none.json') })).rejects.toMatchObject({
      code: 'ERR_MODEL_CONFIG',
    })
  })

  test('come with their system prompt, unless the session has its own, even an empty one', async () => {
    const modelConfigFile = join(folder, 'system.json')
    const chatTemplate =
      '{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}<|im_start|>assistant\n'
    writeFileSync(modelConfigFile, JSON.stringify({ chatTemplate, systemMessage: 'Answer in upper case.' }))
    const model = await GPT4All.load(file, { nThreads: 1, modelConfigFile })
    const ask = (systemPrompt?: string) =>
      model.withChatSession({ systemPrompt }, async (session) => {
        await session.generate('What is the capital of France?', GREEDY)
        return session.messages
      })
    expect(await ask()).toMatchObject([
      { role: 'system', content: 'Answer in upper case.' },
      { role: 'user' },
      { content: 'THE CAPITAL OF FRANCE IS PARIS.' },
    ])
    expect((await ask('')).at(-1)?.content).toBe('The capital of France is Paris.')
    expect(await ask('Answer in lower case.')).toMatchObject([
      { role: 'system' },
      { role: 'user' },
      { content: 'the capital of france is paris.' },
    ])
    await model.close()
  })
})

test("each template of GPT4All's catalogs renders the user's messages, except 5 that the GGUF's replace", async () => {
  const entries = [...PUBLISHED.models3, ...PUBLISHED.models].filter(
    ({ chatTemplate, promptTemplate }) => chatTemplate || promptTemplate,
  )
  const reasons: string[] = []
  for (const entry of entries) {
    const catalog = [{ ...entry, filename: basename(file), filesize }]
    const prompt = await promptWith({ 'models3.json': catalog })
    expect(prompt).toContain('Hi')
    if (lines.length > 0) expect(prompt).toBe(own)
    reasons.push(...lines)
  }
  expect(entries.length).toBeGreaterThan(30)
  expect(reasons).toHaveLength(5)
  expect(reasons.filter((line) => line.includes('regex_replace'))).toHaveLength(4)
  expect(reasons.filter((line) => line.includes('leaves out the messages'))).toHaveLength(1)
}, 120_000)
