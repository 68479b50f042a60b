import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, expect, test } from 'vitest'
import { modelWithVocabulary, vendoredVocabularies } from '../support/vocabularies.ts'

/**
 * `npm run campaign:special-tokens -- --count 20`: megabytes of the special tokens of so many vocabularies, eight texts at once,
 * as text and as ids; `--all` takes each special token, else the shortest, the middle and the longest one.
 */

const COUNT = Number(process.env.CAMPAIGN_COUNT ?? 3)
const MEGABYTES = 4 * 2 ** 20
const folder = mkdtempSync(join(tmpdir(), 'gpt4all-special-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function picked(special: string[]): string[] {
  const sorted = [...new Set(special)].sort((a, b) => a.length - b.length)
  if (process.env.CAMPAIGN_ALL) return sorted
  return [...new Set([sorted[0]!, sorted[sorted.length >> 1]!, sorted.at(-1)!])]
}

const vocabularies = vendoredVocabularies().slice(0, COUNT)

test.each(vocabularies.map((path) => [basename(path), path]))('%s', async (name, path) => {
  const { bytes, special } = modelWithVocabulary(path)
  const model = join(folder, name)
  writeFileSync(model, bytes)
  for (const token of picked(special.length > 0 ? special : [' '])) {
    const attack = join(folder, 'attack.json')
    const many = token.repeat(Math.ceil(MEGABYTES / Buffer.byteLength(token)))
    writeFileSync(attack, JSON.stringify({ text: many, ids: Array(2 ** 19 + 1).fill(1) }))
    const child = spawn(
      process.execPath,
      [join(import.meta.dirname, 'special-tokens-child.mjs'), model, attack],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    )
    const ended = new Promise((resolve) =>
      child.once('exit', (code, signal) => resolve({ code, signal, at: Date.now() })),
    )
    const [figures, exit] = (await text(child.stdout)).trim().split('\n')
    const { at, ...outcome } = (await ended) as { code: number; signal: string; at: number }
    expect(outcome, token).toEqual({ code: 0, signal: null })
    const { before, between, byText, byIds } = JSON.parse(figures!)
    const ratio = (of: { meanwhile: number }) => (of.meanwhile / Math.min(before, between)).toFixed(2)
    console.log(
      `${name} ${JSON.stringify(token).slice(0, 30)}: others ${ratio(byText)} and ${ratio(byIds)} of undisturbed (${before.toFixed(1)} ms), ` +
        `aborted in ${byText.aborted.toFixed(0)} and ${byIds.aborted.toFixed(0)} ms, exit ${at - Number(exit?.split(' ')[1])} ms`,
    )
  }
})
