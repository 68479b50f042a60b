import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type ChatSession, GPT4All, isGPT4AllError } from '../../src/index.ts'
import { seeded } from '../support/gguf-writer.ts'
import { EMBEDDED, hasReal, REAL } from '../support/models.ts'

// `npm run campaign:aborts -- --count 1000 --seed 1` sets these.
const count = Number(process.env.CAMPAIGN_COUNT ?? 200)
const seed = Number(process.env.CAMPAIGN_SEED ?? 1)

const SESSIONS = 6
const GREEDY = { temp: 0, repeatPenalty: 1, maxTokens: 3 }
/** What comes is so likely that rounding, which depends on who computes beside, does not change it. */
const QUESTION = 'What is the capital of France?'
/** What a turn may evaluate of a conversation that is cached: the end of its prompt, and no more than is not worth a copy. */
const MOST_EVALUATED = 48
const WORDS = [
  'river',
  'mountain',
  'bread',
  'winter',
  'engine',
  'garden',
  'letter',
  'silver',
  'window',
  'horse',
]

type Random = () => number
const pick = <T>(random: Random, list: readonly T[]): T => list[Math.floor(random() * list.length)]!

/** Words that no other conversation begins with. */
const system = (i: number, count = 60) =>
  Array.from({ length: count }, (_, k) => WORDS[(i * 7 + k * (i + 1) + (k >> 3)) % WORDS.length]).join(' ')

/** Lets the step go on that is under way: moments of it, and moments between what is asked of the context. */
async function waitALittle(random: Random): Promise<void> {
  const turns = Math.floor(random() * 6)
  for (let i = 0; i < turns; i++) await new Promise(setImmediate)
  const ticks = Math.floor(random() * 12)
  for (let i = 0; i < ticks; i++) await null
}

const CASES = [
  { name: 'in this process', path: EMBEDDED, share: 0.6, options: {} },
  { name: 'isolated', path: EMBEDDED, share: 0.2, options: { isolated: true } },
  ...(hasReal ? [{ name: 'SmolLM2', path: REAL, share: 0.2, options: {} }] : []),
]

for (const { name, path, share, options } of CASES) {
  const aborts = Math.ceil(count * share)
  test(`${aborts} generations are aborted among ${SESSIONS} conversations, ${name} (seed ${seed}): every save is whole, no state is lost`, {
    timeout: 3_600_000,
  }, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'gpt4all-aborts-'))
    const random = seeded(seed)
    const model = await GPT4All.load(path, {
      nThreads: 1,
      nCtx: 1024,
      parallel: 3,
      cacheMemory: 2 ** 30,
      ...options,
    })
    const faults: string[] = []
    const done = { saves: 0, turns: 0, 'brought back from files': 0, copies: 0, 'given up in time': 0 }
    let rounds = 0
    try {
      const sessions: ChatSession[] = []
      const texts: string[] = []
      for (let i = 0; i < SESSIONS; i++) {
        const session = model.chatSession({ systemPrompt: system(i) })
        texts.push(await session.generate(QUESTION, GREEDY))
        sessions.push(session)
      }
      const told = (what: string, error: unknown) =>
        faults.push(`${what}: ${isGPT4AllError(error) ? error.code : 'untyped'} ${String(error)}`)
      const evaluates = async (
        what: string,
        session: ChatSession,
        text: string | undefined,
        again: boolean,
      ) => {
        try {
          const asked = again ? session.regenerate(GREEDY) : session.generate(QUESTION, GREEDY)
          const { usage, text: said } = await asked.result
          const evaluated = usage.promptTokens - usage.cachedTokens
          if (evaluated > MOST_EVALUATED)
            faults.push(`${what}: evaluated ${evaluated} of ${usage.promptTokens}`)
          if (text !== undefined && said !== text) faults.push(`${what}: another text`)
        } catch (error) {
          told(what, error)
        }
      }
      const jobs: readonly (() => Promise<void>)[] = [
        async () => {
          const i = Math.floor(random() * SESSIONS)
          await evaluates('a turn', sessions[i]!, texts[i], true)
          done.turns++
        },
        async () => {
          const i = Math.floor(random() * SESSIONS)
          const file = join(folder, `${i}.json`)
          try {
            const { stateTokens } = await sessions[i]!.save(file, { state: true })
            const tokens = await sessions[i]!.countTokens()
            if (stateTokens < tokens - MOST_EVALUATED)
              faults.push(`a save: ${stateTokens} of ${tokens} tokens`)
            done.saves++
          } catch (error) {
            return void told('a save', error)
          }
          if (random() < 0.7) return
          await evaluates('a file', model.chatSession({ restore: file }), texts[i], true)
          done['brought back from files']++
        },
        async () => {
          const i = Math.floor(random() * SESSIONS)
          await evaluates('a copy', model.chatSession({ systemPrompt: system(i) }), undefined, false)
          done.copies++
        },
      ]
      for (; rounds < aborts; rounds++) {
        const giving = new AbortController()
        const prompt = system(100 + rounds, 40 + Math.floor(random() * 100))
        const given = model.generate(prompt, { ...GREEDY, maxTokens: 40, signal: giving.signal }).then(
          () => 'done',
          (reason: unknown) => {
            if (reason !== 'enough') told('the aborted one', reason)
            done['given up in time']++
          },
        )
        await waitALittle(random)
        const asked = Array.from({ length: 1 + Math.floor(random() * 3) }, () => pick(random, jobs)())
        await waitALittle(random)
        giving.abort('enough')
        await Promise.all([given, ...asked])
      }
    } finally {
      await model.close()
      rmSync(folder, { recursive: true, force: true })
    }
    console.log(`${name}: ${rounds} aborts, ${JSON.stringify(done)}, ${faults.length} faults`)
    expect(faults.slice(0, 20)).toEqual([])
    expect(done['given up in time']).toBeGreaterThan(aborts / 4)
  })
}
