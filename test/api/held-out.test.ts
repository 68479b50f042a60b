import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { type ChatMessage, GPT4All } from '../../src/index.ts'
import { EMBEDDED } from '../support/models.ts'

/** One question that the embedded model was not trained on; models/README.md describes the format. */
type Item = {
  readonly class: string
  readonly system?: string
  readonly turns?: readonly string[]
  readonly plain?: string
  readonly maxTokens: number
  readonly expect: Expectation
}

type Expectation = {
  readonly equals?: string
  readonly includes?: string | readonly string[]
  readonly startsWith?: string
  readonly endsWith?: string
  readonly json?: unknown
}

const file = join(import.meta.dirname, '..', '..', 'models', 'held-out.json')
const { items } = JSON.parse(readFileSync(file, 'utf8')) as { items: readonly Item[] }

const model = new GPT4All(EMBEDDED, { nThreads: 1 })
afterAll(() => model.close())

async function answer({ system, turns, plain, maxTokens }: Item): Promise<string> {
  const options = { temp: 0, repeatPenalty: 1, maxTokens }
  if (plain !== undefined) return model.generate(plain, options)
  const earlier = { ...options, maxTokens: 450 }
  const messages: ChatMessage[] = system === undefined ? [] : [{ role: 'system', content: system }]
  for (const [i, content] of (turns ?? []).entries()) {
    messages.push({ role: 'user', content })
    const last = i === (turns ?? []).length - 1
    const reply = await model.generate(await model.renderPrompt(messages), last ? options : earlier)
    messages.push({ role: 'assistant', content: reply })
  }
  return messages.at(-1)?.content ?? ''
}

function fulfils(text: string, { equals, includes, startsWith, endsWith, json }: Expectation): boolean {
  return (
    (equals === undefined || text === equals) &&
    [includes ?? []].flat().every((part) => text.includes(part)) &&
    (startsWith === undefined || text.startsWith(startsWith)) &&
    (endsWith === undefined || text.endsWith(endsWith)) &&
    (json === undefined || sameJson(text, json))
  )
}

function sameJson(text: string, expected: unknown): boolean {
  try {
    return JSON.stringify(JSON.parse(text)) === JSON.stringify(expected)
  } catch {
    return false
  }
}

/** models/README.md tells the scores by class. */
const FLOOR = 0.95

describe('the embedded model', () => {
  test(`answers at least ${FLOOR * 100} % of the held-out questions`, async () => {
    const byClass = new Map<string, { right: number; all: number }>()
    for (const item of items) {
      const tally = byClass.get(item.class) ?? { right: 0, all: 0 }
      tally.all++
      if (fulfils(await answer(item), item.expect)) tally.right++
      byClass.set(item.class, tally)
    }
    const right = [...byClass.values()].reduce((sum, tally) => sum + tally.right, 0)
    for (const [name, tally] of byClass) console.info(`${name}: ${tally.right}/${tally.all}`)
    console.info(`all classes: ${right}/${items.length}`)
    expect(items.length).toBeGreaterThanOrEqual(300)
    expect(right / items.length).toBeGreaterThanOrEqual(FLOOR)
  }, 300_000)
})
