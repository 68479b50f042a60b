import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { expect, test } from 'vitest'
import { EMBEDDED } from '../support/models.ts'
import { costlyTemplate, type Expected } from './costly-templates.ts'

/** `npm run campaign:costly-templates -- --count 2000 --seed 1`: templates that cost much where a message says so. */

const COUNT = Number(process.env.CAMPAIGN_COUNT ?? 200)
const SEED = Number(process.env.CAMPAIGN_SEED ?? 1)
const FIRST = Number(process.env.CAMPAIGN_FIRST ?? 0)
const MOST_MS = 2000
const MOST_HELD = 200

type Came = { text?: string; code?: string; message?: string; ms: number; held: number; late?: number }

/** A process that renders; another where it has ended. */
function renderer() {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'costly-templates-child.mjs'), EMBEDDED], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const ask = async (asked: object): Promise<Came | undefined> => {
    child.stdin.write(`${JSON.stringify(asked)}\n`)
    const { value, done } = await lines.next()
    return done ? undefined : JSON.parse(value)
  }
  const end = async () => {
    child.stdin.end()
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    return child.signalCode ?? child.exitCode
  }
  return { ask, end }
}

function wrong({ text, little }: Expected, came: Came): string | undefined {
  if (came.ms > MOST_MS) return `took ${came.ms.toFixed(0)} ms`
  if (came.held > MOST_HELD) return `held the event loop for ${came.held.toFixed(0)} ms`
  if (came.code === 'ERR_TEMPLATE')
    return little ? `was refused, though it costs little: ${came.message}` : undefined
  if (came.text === undefined) return `failed: ${came.code}`
  return came.text === text
    ? undefined
    : `wrote ${JSON.stringify(came.text.slice(-80))}, not ${JSON.stringify(text?.slice(-80))}`
}

test('templates whose cost depends on messages render or are refused in time, without blocking others', async () => {
  let child = renderer()
  const failures: string[] = []
  const figures = { texts: 0, refused: 0, aborted: 0, signals: 0, slowest: 0, held: 0, latest: 0 }
  const note = (number: number, kinds: readonly string[], what: string) =>
    failures.push(`${number} (${kinds.join(', ')}) ${what}`)
  for (let number = FIRST; number < FIRST + COUNT; number++) {
    const { kinds, chatTemplate, cheap, costly } = costlyTemplate(SEED, number)
    const rounds = [cheap, costly, cheap]
    let slow = false
    for (const round of rounds) {
      const came = await child.ask({ chatTemplate, messages: round.messages })
      if (!came) {
        figures.signals++
        note(number, kinds, `ended the process with ${await child.end()}`)
        child = renderer()
        break
      }
      const failure = wrong(round, came)
      if (failure !== undefined) note(number, kinds, failure)
      figures[came.code === undefined ? 'texts' : 'refused']++
      figures.slowest = Math.max(figures.slowest, came.ms)
      figures.held = Math.max(figures.held, came.held)
      slow ||= came.ms > 60
    }
    if (!slow) continue
    const came = await child.ask({ chatTemplate, messages: costly.messages, abortAfter: 20 })
    if (!came) {
      figures.signals++
      note(number, kinds, `ended the process with ${await child.end()} when it was given up`)
      child = renderer()
      continue
    }
    const { late = 0, code } = came
    figures.aborted++
    figures.latest = Math.max(figures.latest, late)
    if (late > MOST_HELD) note(number, kinds, `went on for ${late.toFixed(0)} ms when it was given up`)
    if (came.held > MOST_HELD)
      note(number, kinds, `held the event loop for ${came.held.toFixed(0)} ms, given up`)
    if (code !== 'enough' && code !== 'ERR_TEMPLATE' && came.text === undefined)
      note(number, kinds, `failed: ${code}`)
  }
  expect(await child.end()).toBe(0)
  const { texts, refused, aborted, signals, slowest, held, latest } = figures
  console.log(
    `${COUNT} templates: ${texts} texts, ${refused} refused, ${signals} signals; the slowest ${slowest.toFixed(0)} ms, the event loop held ${held.toFixed(0)} ms at most; ${aborted} given up, the last of them ${latest.toFixed(0)} ms late`,
  )
  expect(failures).toEqual([])
})
