import { createHash } from 'node:crypto'
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { platform } from 'node:process'
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { GPT4All } from '../../src/index.ts'
import { EMBEDDED } from '../support/models.ts'
import { sealed } from '../support/states.ts'

const GREEDY = { temp: 0, repeatPenalty: 1, maxTokens: 8 }
const NEXT = 'And of Spain?'
const folder = mkdtempSync(join(tmpdir(), 'gpt4all-strangers-'))
let homes = 0
let home: string
let files = 0
const newFile = () => join(folder, `session-${files++}.json`)
const logged: string[] = []
const log = (line: string) => void logged.push(line)
const model = new GPT4All(EMBEDDED, {
  nThreads: 1,
  nCtx: 512,
  parallel: 2,
  logger: { debug() {}, info: log, warn: log, error: log },
})

/** Somebody else's home folder, or one on another machine. */
function moveTo(folder: string): void {
  vi.stubEnv('HOME', folder)
  vi.stubEnv('USERPROFILE', folder)
}
const newHome = () => {
  const made = join(folder, `home-${homes++}`)
  mkdirSync(made)
  return made
}
const keyOf = (home: string) => join(home, '.cache', 'gpt4all-ts', 'sessions', 'key')

beforeAll(() => {
  home = newHome()
})
beforeEach(() => {
  logged.length = 0
  moveTo(home)
})
afterAll(async () => {
  vi.unstubAllEnvs()
  await model.close()
  rmSync(folder, { recursive: true, force: true })
})

async function saved(): Promise<string> {
  const file = newFile()
  const session = model.chatSession({ systemPrompt: 'You answer briefly.' })
  await session.generate('What is the capital of France? '.repeat(8), GREEDY)
  await session.save(file, { state: true })
  return file
}

/** What the next turn says, and how many tokens of its prompt were evaluated. */
async function goOn(file: string) {
  const session = model.chatSession({ restore: file })
  const { text, usage } = await session.generate(NEXT, GREEDY).result
  return { text, evaluated: usage.promptTokens - usage.cachedTokens }
}

/** The file with other contents, and every checksum that a stranger can make. */
function forged(
  file: string,
  change: (chat: Record<string, unknown>, state: Uint8Array) => Uint8Array,
): string {
  const bytes = readFileSync(file)
  const end = bytes.indexOf('\n') + 1
  const saved = JSON.parse(bytes.subarray(0, end).toString())
  const state = change(saved.chat, bytes.subarray(end))
  if (saved.chat.state) {
    saved.chat.state.bytes = state.length
    saved.chat.state.sha256 = createHash('sha256').update(state).digest('hex')
  }
  saved.sha256 = createHash('sha256').update(JSON.stringify(saved.chat)).digest('hex')
  const path = newFile()
  writeFileSync(path, Buffer.concat([Buffer.from(`${JSON.stringify(saved)}\n`), state]))
  return path
}

const anew = expect.stringContaining(
  'was not saved by this user on this machine: the conversation is evaluated again',
)

describe('a session file that this user has not saved on this machine', () => {
  test('gives its messages, which are evaluated again', async () => {
    const file = await saved()
    const mine = await goOn(file)
    expect(mine.evaluated).toBeLessThan(40)
    expect(logged.filter((line) => line.includes('anew'))).toEqual([])
    moveTo(newHome())
    const { messages } = model.chatSession({ restore: file })
    const other = await goOn(file)
    expect(logged).toContainEqual(anew)
    const fresh = await model.chatSession({ messages }).generate(NEXT, GREEDY).result
    expect(other.text).toBe(fresh.text)
  })

  test.each<[string, Parameters<typeof forged>[1]]>([
    ['the state', (_, state) => sealed(state.map((byte, i) => (i === 20 ? 255 : byte)))],
    ['all of the state', (_, state) => sealed(new Uint8Array(state.length).fill(255))],
    ['the length of the state', () => new Uint8Array(9)],
    [
      'the tokens of the state',
      (chat, state) => {
        const known = chat.state as { tokens: number[] }
        known.tokens = known.tokens.map(() => 7)
        return state
      },
    ],
    [
      'the tokens of the messages',
      (chat, state) => {
        const record = chat.record as { tokens: number[] }
        record.tokens = record.tokens.map(() => 7)
        return state
      },
    ],
    [
      'the last answer',
      (chat, state) => {
        chat.lastAnswer = { raw: '<|im_end|>', enableThinking: true }
        return state
      },
    ],
  ])('is not trusted after %s was forged with correct checksums', async (_, change) => {
    const file = await saved()
    const path = forged(file, change)
    const { messages } = model.chatSession({ restore: file })
    expect(model.chatSession({ restore: path }).messages).toEqual(messages)
    const { text } = await goOn(path)
    expect(logged).toContainEqual(anew)
    const fresh = await model.chatSession({ messages }).generate(NEXT, GREEDY).result
    expect(text).toBe(fresh.text)
  })

  test('is not trusted with the signature of another file, or an invalid one', async () => {
    const file = await saved()
    const bytes = readFileSync(file)
    const end = bytes.indexOf('\n') + 1
    const saved_ = JSON.parse(bytes.subarray(0, end).toString())
    const other = JSON.parse(readFileSync(await saved(), 'latin1').split('\n')[0]!)
    for (const signature of [
      undefined,
      null,
      3,
      '',
      'x',
      {},
      other.signature.slice(1),
      '0'.repeat(64),
      [other.signature],
    ]) {
      const path = newFile()
      writeFileSync(
        path,
        Buffer.concat([Buffer.from(`${JSON.stringify({ ...saved_, signature })}\n`), bytes.subarray(end)]),
      )
      logged.length = 0
      await goOn(path)
      expect(logged, String(signature)).toContainEqual(anew)
    }
  })

  test("is not trusted with the state of another of this user's files", async () => {
    const [one, other] = [await saved(), await saved()]
    const [head, tail] = [readFileSync(one), readFileSync(other)]
    const changed = Uint8Array.from(tail.subarray(tail.indexOf('\n') + 1))
    changed[changed.length - 1]! ^= 1
    const path = newFile()
    writeFileSync(path, Buffer.concat([head.subarray(0, head.indexOf('\n') + 1), sealed(changed)]))
    await goOn(path)
    expect(logged).toContainEqual(expect.stringContaining('is damaged except for its messages'))
  })
})

describe('the key that signs sessions', () => {
  test('is created once, from 32 bytes that only this user can read', async () => {
    moveTo(newHome())
    const [file] = await Promise.all([saved(), saved()])
    const key = keyOf(process.env.HOME!)
    expect(readdirSync(join(key, '..'))).toEqual(['key'])
    const bytes = readFileSync(key)
    expect(bytes).toHaveLength(32)
    if (platform !== 'win32') expect(statSync(key).mode & 0o777).toBe(0o600)
    await goOn(file)
    expect(readFileSync(key)).toEqual(bytes)
    expect(logged.filter((line) => line.includes('anew'))).toEqual([])
  })

  test.runIf(platform !== 'win32').each<[string, (path: string) => void]>([
    ['is too short', (path) => writeFileSync(path, 'x', { mode: 0o600 })],
    ['is empty', (path) => writeFileSync(path, '', { mode: 0o600 })],
    [
      'others can read',
      (path) => {
        writeFileSync(path, Buffer.alloc(32))
        chmodSync(path, 0o644)
      },
    ],
    ['lies behind a link', (path) => symlinkSync('/dev/zero', path)],
  ])('is created again if it %s', async (_, make) => {
    moveTo(newHome())
    const key = keyOf(process.env.HOME!)
    mkdirSync(join(key, '..'), { recursive: true })
    make(key)
    const file = await saved()
    expect(statSync(key)).toMatchObject({ size: 32 })
    expect(readFileSync(key).equals(Buffer.alloc(32))).toBe(false)
    expect((await goOn(file)).evaluated).toBeLessThan(40)
  })

  test.each(['', '/proc/nothing', 'a file', 'a folder'])(
    'is valid for this process if it cannot be saved: %s',
    async (place) => {
      const elsewhere = place.startsWith('a ') ? newHome() : place
      if (place === 'a file') writeFileSync(join(elsewhere, '.cache'), '')
      if (place === 'a folder') mkdirSync(join(keyOf(elsewhere), 'in it'), { recursive: true })
      moveTo(elsewhere)
      const file = await saved()
      expect((await goOn(file)).evaluated).toBeLessThan(40)
    },
  )
})

describe('a malicious session file', () => {
  const refused = expect.objectContaining({ name: 'SessionFileError', code: 'ERR_SESSION_FILE' })
  const envelope = (rest: string) => `{"format":"gpt4all-ts session","version":1,${rest}\n`

  test.each([
    ['is nested deep', envelope(`"sha256":"","chat":${'['.repeat(500_000)}${']'.repeat(500_000)}}`)],
    ['is nested deeper', envelope(`"sha256":"","chat":${'['.repeat(30_000_000)}}`)],
    ['has millions of parts', envelope(`"sha256":"","chat":[${'{},'.repeat(5_000_000)}0]}`)],
    ['has an invalid version', '{"format":"gpt4all-ts session","version":{"toString":1}}\n'],
    [
      'has a nested version',
      `{"format":"gpt4all-ts session","version":${'['.repeat(9000)}${']'.repeat(9000)}}\n`,
    ],
    ['has an invalid checksum', envelope('"sha256":{"toString":1},"chat":{}}')],
    ['has no end', envelope(`"sha256":"","chat":"${'x'.repeat(2 ** 26)}`)],
  ])('is refused if it %s', (_, text) => {
    const file = newFile()
    writeFileSync(file, text)
    expect(() => model.chatSession({ restore: file })).toThrow(refused)
  })

  test('may have any number of brackets in its messages', async () => {
    const file = newFile()
    const content = '[{"\\'.repeat(400_000)
    const session = model.chatSession({ messages: [{ role: 'user', content }] })
    await session.save(file)
    expect(model.chatSession({ restore: file }).messages).toEqual(session.messages)
  })

  test('is never written by save(), which refuses what could not be read back', async () => {
    const session = model.chatSession({ messages: [{ role: 'user', content: 'x'.repeat(2 ** 26) }] })
    await expect(session.save(newFile())).rejects.toThrow(refused)
  })
})

test('a session whose model file is missing is not saved, with a typed error, until the file is back', async () => {
  const [file, away] = [join(folder, 'model.gguf'), join(folder, 'away.gguf')]
  writeFileSync(file, readFileSync(EMBEDDED))
  const other = await GPT4All.load(file, { nThreads: 1, nCtx: 512 })
  try {
    const session = other.chatSession({ messages: [{ role: 'user', content: 'Hi' }] })
    renameSync(file, away)
    await expect(session.save(newFile())).rejects.toMatchObject({ code: 'ERR_MODEL_UNREADABLE', path: file })
    renameSync(away, file)
    expect(await session.save(newFile())).toMatchObject({ messages: 1 })
  } finally {
    await other.close()
  }
})
