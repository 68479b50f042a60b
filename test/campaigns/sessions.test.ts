import { createHash, createHmac } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { GPT4All, SessionFileError } from '../../src/index.ts'
import { seeded } from '../support/gguf-writer.ts'
import { EMBEDDED } from '../support/models.ts'
import { withBytes, words } from '../support/states.ts'

// `npm run campaign:sessions -- --count 500 --seed 1` sets these.
const count = Number(process.env.CAMPAIGN_COUNT ?? 100)
const seed = Number(process.env.CAMPAIGN_SEED ?? 1)

const GREEDY = { temp: 0, repeatPenalty: 1, maxTokens: 8 }
const TURNS = ['What is the capital of France?', 'Count from 1 to 20.', 'What is the capital of Italy?']
const NEXT = 'And of Spain?'

/** Everything but the messages: who writes other messages into a file with the right checksum gets what he wrote. */
const FIELDS = ['model', 'modelHash', 'cacheHash', 'ownSystem', 'skipped', 'lastAnswer', 'record', 'state']
const WORDS = [
  0,
  1,
  2,
  3,
  4,
  16,
  255,
  511,
  512,
  513,
  2 ** 16,
  2 ** 24,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32 - 1,
  0x7f800000,
  0x7c007c00,
]
const VALUES = [null, -1, 0.5, 2 ** 31, 1e300, '', 'x', [], {}, [[]], [-1], [2 ** 40], true]

const home = mkdtempSync(join(tmpdir(), 'gpt4all-home-'))
beforeAll(() => {
  vi.stubEnv('HOME', home)
  vi.stubEnv('USERPROFILE', home)
})
afterAll(() => {
  vi.unstubAllEnvs()
  rmSync(home, { recursive: true, force: true })
})

type Random = () => number
const pick = <T>(random: Random, list: readonly T[]): T => list[Math.floor(random() * list.length)]!

const DAMAGES: Readonly<Record<string, (file: Buffer, random: Random, head: number) => Buffer>> = {
  'a bit of the JSON': (file, random, head) => flip(file, Math.floor(random() * head), random),
  'a bit of the state': (file, random, head) =>
    flip(file, head + Math.floor(random() * (file.length - head)), random),
  'a bit at the beginning of the state': (file, random, head) =>
    flip(file, head + Math.floor(random() * Math.min(64, file.length - head)), random),
  'cut off in the JSON': (file, random, head) => file.subarray(0, Math.floor(random() * head)),
  'cut off in the state': (file, random, head) =>
    file.subarray(0, head + Math.floor(random() * (file.length - head))),
  'bytes behind it': (file, random) => Buffer.concat([file, Buffer.alloc(1 + Math.floor(random() * 100))]),
  'a hole of zeros': (file, random, head) => {
    const copy = Buffer.from(file)
    const at = Math.floor(random() * (random() < 0.5 ? head : copy.length))
    return copy.fill(0, at, Math.min(copy.length, at + Math.floor(random() * 10_000)))
  },
  'a part in another place': (file, random, head) => {
    const copy = Buffer.from(file)
    const end = random() < 0.5 ? head : copy.length
    const [from, to] = [Math.floor(random() * end), Math.floor(random() * end)]
    copy.copyWithin(to, from, from + Math.floor(random() * 5000))
    return copy
  },
  'a crafted state, every checksum right': crafted,
  'a crafted state, signed as well': (file, random, head) => signed(crafted(file, random, head)),
  'another value, signed as well': (file, random, head) =>
    signed(DAMAGES['another value, with its checksum']!(file, random, head)),
  'another value, with its checksum': (file, random, head) => {
    const saved = JSON.parse(file.subarray(0, head).toString())
    const { chat } = saved
    const field = pick(random, FIELDS)
    const inner = chat[field]
    if (typeof inner === 'object' && inner !== null && random() < 0.7)
      inner[pick(random, Object.keys(inner))] = pick(random, VALUES)
    else chat[field] = pick(random, VALUES)
    saved.sha256 = createHash('sha256').update(JSON.stringify(chat)).digest('hex')
    return Buffer.concat([Buffer.from(`${JSON.stringify(saved)}\n`), file.subarray(head)])
  },
}

/** Words of it, where its structure is mostly, with the checksums that a stranger can make. */
function crafted(file: Buffer, random: Random, head: number): Buffer {
  const saved = JSON.parse(file.subarray(0, head).toString())
  let state = file.subarray(head)
  const most = random() < 0.8 ? 512 : state.length - 8
  for (let i = 0; i <= random() * 4; i++) {
    const at = 8 + 4 * Math.floor((random() * most) / 4)
    state = Buffer.from(withBytes(state, at, words(pick(random, WORDS) >>> 0)))
  }
  saved.chat.state.sha256 = createHash('sha256').update(state).digest('hex')
  saved.sha256 = createHash('sha256').update(JSON.stringify(saved.chat)).digest('hex')
  return Buffer.concat([Buffer.from(`${JSON.stringify(saved)}\n`), state])
}

/** As if a stranger had this user's key. */
function signed(file: Buffer): Buffer {
  const end = file.indexOf('\n') + 1
  const saved = JSON.parse(file.subarray(0, end).toString())
  const key = readFileSync(join(home, '.cache', 'gpt4all-ts', 'sessions', 'key'))
  saved.signature = createHmac('sha256', key).update(saved.sha256).digest('hex')
  return Buffer.concat([Buffer.from(`${JSON.stringify(saved)}\n`), file.subarray(end)])
}

function flip(file: Buffer, at: number, random: Random): Buffer {
  const copy = Buffer.from(file)
  copy[at] = copy[at]! ^ (1 << Math.floor(random() * 8))
  return copy
}

test(`${count} damaged and crafted session files (seed ${seed}): a typed error, or the same text`, {
  timeout: 600_000,
}, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'gpt4all-sessions-'))
  const outcomes = new Map<string, number>()
  try {
    for (const deterministic of [false, true]) {
      const options = { nThreads: 1, nCtx: 512, deterministic }
      const model = await GPT4All.load(EMBEDDED, options)
      const session = model.chatSession({ systemPrompt: 'You answer briefly.' })
      for (const prompt of TURNS) await session.generate(prompt, GREEDY)
      const file = join(folder, 'whole.json')
      await session.save(file, { state: true })
      const { messages } = session
      const whole = readFileSync(file)
      const head = whole.indexOf('\n') + 1
      const expected = await session.generate(NEXT, GREEDY)
      const random = seeded(seed + Number(deterministic))
      for (let i = 0; i < count / 2; i++) {
        const kind = pick(random, Object.keys(DAMAGES))
        const path = join(folder, `${i}.json`)
        writeFileSync(path, DAMAGES[kind]!(whole, random, head))
        let outcome = 'goes on'
        try {
          const restored = model.chatSession({ restore: path })
          expect(restored.messages, `${i}: ${kind}`).toEqual(messages)
          // A record or a state that is another one, signed and all, may be as wrong as it likes; it must end.
          const text = await restored.generate(NEXT, GREEDY)
          if (!kind.endsWith('signed as well')) expect(text, `${i}: ${kind}`).toBe(expected)
        } catch (error) {
          if (!(error instanceof SessionFileError)) throw error
          outcome = 'is refused'
        }
        // Nothing of it is left in the model.
        if (i % 10 === 0) expect(await session.regenerate(GREEDY), `behind ${i}: ${kind}`).toBe(expected)
        const told = `${kind}: ${outcome}`
        outcomes.set(told, (outcomes.get(told) ?? 0) + 1)
        rmSync(path)
      }
      await model.close()
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  console.log(
    [...outcomes]
      .map(([told, times]) => `${told}, ${times}`)
      .sort()
      .join('\n'),
  )
  expect([...outcomes.keys()].join()).toMatch(/is refused[\s\S]*goes on|goes on[\s\S]*is refused/)
})
