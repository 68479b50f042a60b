import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { type ChatSession, EngineCrashedError, GPT4All } from '../../src/index.ts'
import { seeded } from '../support/gguf-writer.ts'
import { EMBEDDED } from '../support/models.ts'
import { until } from '../support/until.ts'

// `npm run campaign:crashes -- --count 200 --seed 1` sets these.
const count = Number(process.env.CAMPAIGN_COUNT ?? 40)
const seed = Number(process.env.CAMPAIGN_SEED ?? 1)

const SESSIONS = 8
const GREEDY = { temp: 0, repeatPenalty: 1, maxTokens: 24 }
const TURNS = [
  'My name is Ada.',
  'What is the capital of France?',
  'Count from 1 to 20.',
  'What is my name?',
  'Tell me a story about a fish.',
  'What is the capital of Italy?',
]
/** The longest that a kill waits for: loading (a quarter of a second), prompts and answers all get their share. */
const LONGEST_MS = 800

/** What a conversation comes to that nothing disturbs. */
async function undisturbed(model: GPT4All, i: number): Promise<ChatSession> {
  const chat = model.chatSession({ systemPrompt: `You are number ${i}.` })
  for (const prompt of TURNS) await chat.generate(prompt, GREEDY)
  return chat
}

test(`${count} kills of the engine's process at seeded moments, ${SESSIONS} conversations running (seed ${seed}): nothing is lost`, {
  timeout: 3_600_000,
}, async () => {
  const options = { nThreads: 1, nCtx: 1024, deterministic: true }
  const reference = await GPT4All.load(EMBEDDED, options)
  const expected: ChatSession['messages'][] = []
  for (let i = 0; i < SESSIONS; i++) expected.push((await undisturbed(reference, i)).messages)
  await reference.close()

  const random = seeded(seed)
  const model = await GPT4All.load(EMBEDDED, {
    ...options,
    isolated: { maxRestarts: Number.POSITIVE_INFINITY },
  })
  const { engine } = model
  const pids = new Set<number>()
  let kills = 0
  /** Turns that were rejected, by the first thing that was under way. */
  const during = new Map<string, number>()
  let rounds = 0
  const killing = (async () => {
    while (kills < count) {
      await sleep(random() * LONGEST_MS)
      const pid = engine?.pid
      if (pid === undefined) continue
      pids.add(pid)
      process.kill(pid, 'SIGKILL')
      kills++
      await until(() => expect(engine?.pid).not.toBe(pid), 1)
    }
  })()

  /** The turns of a conversation, each again until it has gone through; what was there before must always be there still. */
  const converse = async (i: number) => {
    const chat = model.chatSession({ systemPrompt: `You are number ${i}.` })
    for (const prompt of TURNS) {
      const before = chat.messages
      for (;;) {
        try {
          await chat.generate(prompt, GREEDY)
          break
        } catch (error) {
          expect(error).toBeInstanceOf(EngineCrashedError)
          const [what = 'nothing'] = /^\w+ ?\w*/.exec((error as EngineCrashedError).running[0] ?? '') ?? []
          during.set(what, (during.get(what) ?? 0) + 1)
          expect(chat.messages).toEqual(before)
        }
      }
    }
    expect(chat.messages).toEqual(expected[i])
    await chat.close()
  }
  while (kills < count || rounds === 0) {
    await Promise.all(Array.from({ length: SESSIONS }, (_, i) => converse(i)))
    rounds++
  }
  await killing
  // Once more, with nobody disturbing.
  await Promise.all(Array.from({ length: SESSIONS }, (_, i) => converse(i)))
  await model.close()
  const strays = [...pids].filter((pid) => {
    try {
      return process.kill(pid, 0)
    } catch {
      return false
    }
  })
  expect(strays).toEqual([])
  expect(engine).toMatchObject({ state: 'closed', restarts: expect.any(Number) })
  expect([...during.keys()].join()).toMatch(/loading[\s\S]*a generation|a generation[\s\S]*loading/)
  console.log(
    `${kills} kills; turns rejected with ERR_ENGINE_CRASHED during ${[...during].map(([what, times]) => `${what}: ${times}`).join(', ')}; ${rounds + 1} x ${SESSIONS} conversations whole and equal to undisturbed ones; ${engine?.restarts} restarts; 0 processes left`,
  )
})
