// A program that does what programs do, many times over, and tells now and then what it occupies.
// soak-child.mjs MODEL COUNT SEED in-process|isolated
import { randomUUID } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { GPT4All, isGPT4AllError } from '../../dist/index.js'

const [, , path, counted, seeded, mode] = process.argv
const count = Number(counted)
const SAMPLES = 40
const CLIENTS = 4
const SESSIONS = 8
const OPTIONS = { nThreads: 1, nCtx: 512, parallel: 4, cacheMemory: 2 ** 22 }
const GREEDY = { temp: 0, maxTokens: 6 }
const WORDS = 'river mountain bread winter engine garden letter silver window horse'.split(' ')

let state = Number(seeded) >>> 0
/** 0 up to 1; Mulberry32. */
function random() {
  state = (state + 0x6d2b79f5) >>> 0
  let t = Math.imul(state ^ (state >>> 15), 1 | state)
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
}
const pick = (list) => list[Math.floor(random() * list.length)]
const words = (most) => Array.from({ length: 1 + Math.floor(random() * most) }, () => pick(WORDS)).join(' ')

const folder = mkdtempSync(join(tmpdir(), 'gpt4all-soak-'))
const home = join(folder, 'home')
process.env.HOME = home
process.env.USERPROFILE = home
const isolated = mode === 'isolated'
const model = await GPT4All.load(path, { ...OPTIONS, isolated })
const sessions = []
const newSession = () => model.chatSession({ systemPrompt: words(40) })
for (let i = 0; i < SESSIONS; i++) sessions.push(newSession())
const faults = []
const done = {}

/** By how often they are done, of 1,000. */
const JOBS = {
  generation: [400, () => model.generate(words(30), GREEDY)],
  'generation, given up': [
    150,
    async () => {
      const giving = new AbortController()
      const generation = model.generate(words(150), { ...GREEDY, maxTokens: 100, signal: giving.signal })
      generation.catch(() => {})
      for (let i = random() * 12; i > 0; i--) await turn()
      giving.abort('enough')
      await generation.catch((reason) => {
        if (reason !== 'enough') throw reason
      })
    },
  ],
  'stream that is left': [
    60,
    async () => {
      let left = 1 + Math.floor(random() * 4)
      for await (const _ of model.generate(words(20), { ...GREEDY, maxTokens: 40 })) if (--left === 0) break
    },
  ],
  'turn of a conversation': [
    200,
    async () => {
      const i = Math.floor(random() * SESSIONS)
      await sessions[i].generate(words(10), GREEDY)
      if (random() < 0.2) {
        const [past] = sessions.splice(i, 1, newSession())
        await past.close()
      }
    },
  ],
  save: [80, () => pick(sessions).save(join(folder, `${Math.floor(random() * 20)}.json`), { state: true })],
  restore: [
    40,
    async () => {
      const file = join(folder, `${Math.floor(random() * 20)}.json`)
      const session = model.chatSession({ restore: file })
      if (session.messages.length > 0) await session.regenerate(GREEDY)
      await session.close()
    },
  ],
  'prompt that is too long': [20, () => model.generate(words(10).repeat(2000), GREEDY)],
  'wrong option': [15, () => model.generate('Hello', { maxTokens: -1 })],
  'file that is none': [
    15,
    () => {
      const file = join(folder, 'none.json')
      writeFileSync(file, words(100))
      model.chatSession({ restore: file })
    },
  ],
  'tokens and text': [15, async () => void (await model.detokenize(await model.tokenize(words(50))))],
  template: [
    2,
    () =>
      model.renderPrompt([{ role: 'user', content: 'Hi' }], {
        chatTemplate: `{{ messages[0].content }} ${randomUUID()}`,
      }),
  ],
  'template that fails': [
    1,
    () => model.renderPrompt([{ role: 'user', content: 'Hi' }], { chatTemplate: '{% if %}' }),
  ],
  'another model': [
    2,
    async () => {
      const other = await GPT4All.load(path, { ...OPTIONS, parallel: 1 })
      await other.generate(words(5), GREEDY)
      await other.close()
    },
  ],
}
const bag = Object.entries(JOBS).flatMap(([name, [times]]) => Array(times).fill(name))

async function job() {
  const name = pick(bag)
  let outcome = 'done'
  try {
    await JOBS[name][1]()
  } catch (error) {
    outcome = error?.code ?? 'untyped'
    if (!isGPT4AllError(error)) faults.push(`${name}: ${error?.stack ?? error}`)
  }
  const told = outcome === 'done' ? name : `${name}: ${outcome}`
  done[told] = (done[told] ?? 0) + 1
}

/** What a process occupies; `own` is the memory that belongs to no file, which the system cannot take back. */
function occupied(pid) {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const field = (name) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1])
  const files = readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/${pid}/fd/${fd}`)]
    } catch {
      return [] // the folder itself
    }
  })
  return {
    rss: field('VmRSS') * 1024,
    own: field('RssAnon') * 1024,
    handles: files.length,
    threads: field('Threads'),
  }
}

/** Of this process: those that run, and those that nobody has waited for. */
function children() {
  const states = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const [, rest] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(/\) (?=\w )/)
        const [state, parent] = rest.split(' ')
        return Number(parent) === process.pid ? [state] : []
      } catch {
        return [] // it has ended
      }
    })
  return { children: states.length, zombies: states.filter((state) => state === 'Z').length }
}

async function sample(at) {
  for (let i = 0; i < 4; i++) {
    globalThis.gc()
    await turn()
  }
  const engine = model.engine?.pid
  const told = { at, ...occupied(process.pid), ...children() }
  process.send({ ...told, engine: engine === undefined ? undefined : occupied(engine) })
}

for (let i = 0; i < SAMPLES; i++) {
  let left = Math.round(((i + 1) * count) / SAMPLES) - Math.round((i * count) / SAMPLES)
  const client = async () => {
    while (left-- > 0) await job()
  }
  await Promise.all(Array.from({ length: CLIENTS }, client))
  await sample(Math.round(((i + 1) * count) / SAMPLES))
}
await model.close()
process.send({ done, faults, ...children() })
rmSync(folder, { recursive: true, force: true })
process.disconnect()
