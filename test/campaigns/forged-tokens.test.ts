import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { jinjaFormat } from '../../src/chat/template/template.ts'
import { TemplateError } from '../../src/core/errors.ts'
import type { ChatMessage } from '../../src/core/messages.ts'
import { binding, openModel } from '../support/native-models.ts'
import { promptOf } from '../support/prompts.ts'
import { vocabularyWith } from '../support/tiny-models.ts'
import { forging, VOCABULARIES } from './forged-tokens.ts'

/** `npm run campaign:forged-tokens -- --count 20000 --seed 1`: templates that make control tokens of what users write. */

const COUNT = Number(process.env.CAMPAIGN_COUNT ?? 300)
const SEED = Number(process.env.CAMPAIGN_SEED ?? 1)

const folder = mkdtempSync(join(tmpdir(), 'gpt4all-forged-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

async function open(texts: readonly string[], number: number) {
  const file = join(folder, `${number}.gguf`)
  writeFileSync(file, vocabularyWith(texts, 'control'))
  const model = await openModel(file, true)
  const control = new Map(texts.map((text) => [model.tokenize(text, false, true)[0]!, text]))
  expect(control.size).toBe(texts.length)
  return { model, texts, control }
}

test("no template makes a control token from a user's text", async () => {
  const vocabularies = await Promise.all(VOCABULARIES.map(open))
  const forged: object[] = []
  let [texts, made, refused] = [0, 0, 0]
  for (let number = 0; number < COUNT; number++) {
    const { model, control, ...vocabulary } = vocabularies[number % vocabularies.length]!
    const { template: source, messages: contents } = forging(SEED, number)
    const messages = contents.map(
      (content, i): ChatMessage => ({ role: i === 1 ? 'assistant' : 'user', content }),
    )
    try {
      const template = new binding.ChatTemplate(model, source)
      const { tokens, text } = await promptOf(model, jinjaFormat(template, source), messages)
      texts++
      if (vocabulary.texts.some((one) => text.includes(one))) made++
      const found = tokens.flatMap((token) => control.get(token) ?? [])
      if (found.length > 0) forged.push({ number, source, contents, text, found })
    } catch (error) {
      if (!(error instanceof TemplateError)) throw error
      refused++
    }
  }
  console.log(
    `${COUNT} templates of seed ${SEED}: ${texts} texts, ${made} of them with the text of a control token; ${refused} refused`,
  )
  expect(forged.slice(0, 10)).toEqual([])
  expect(made).toBeGreaterThan(texts / 10)
})
