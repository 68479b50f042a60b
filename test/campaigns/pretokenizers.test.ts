import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, expect, test } from 'vitest'
import { hasLlamaTokenize, llamaTokenize } from '../support/llama-tokenize.ts'
import { binding, LOAD, plain } from '../support/native-models.ts'
import {
  digest,
  mixed,
  pretokenizers,
  RUNS,
  run,
  shortTexts,
  withPretokenizer,
} from '../support/pretokenizers.ts'

/** `npm run campaign:pretokenizers -- --count 90`: a megabyte of each kind of run, for so many of llama.cpp's ways to cut texts. Where
 * `npm run bench:tools -- tokenize` was run, the ids are compared with llama-tokenize's. */

const COUNT = Number(process.env.CAMPAIGN_COUNT ?? 9)
const LONG = 1_000_000
/** Behind where std::regex has used up a stack of 8 MiB. */
const COMPARED = 30_000
/** Whose patterns std::regex matches in quadratic time. */
const SLOW = ['superbpe', 'spark2_5']
/** With which llama-tokenize itself aborts where spaces stand together. */
const ABORTING = 'whitespace'

const folder = mkdtempSync(join(tmpdir(), 'gpt4all-pretokenizers-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const kinds = (length: number) => [
  ...Object.entries(RUNS).map(([kind, one]) => ({ kind, text: run(one, length) })),
  ...[1, 2].map((seed) => ({ kind: `mixed ${seed}`, text: mixed(length, seed) })),
]

const bytes = (length: number) =>
  kinds(length).map(({ kind, text: long }) => ({
    kind,
    text: Buffer.from(long)
      .subarray(0, length)
      .toString()
      .replace(/\uFFFD+$/, ''),
  }))

const texts = join(folder, 'texts.json')
writeFileSync(texts, JSON.stringify(bytes(LONG)))
const all = pretokenizers()
const names = all.filter((_, i) => i % Math.max(1, Math.floor(all.length / COUNT)) === 0).slice(0, COUNT)
let slowest = 0

type Line = Record<'tokenize' | 'chat' | 'served', { outcome: unknown; ms: number }> & { kind: string }

test.each(names)('%s tokenizes a megabyte of anything, by every function', async (name) => {
  const path = join(folder, `${name}.gguf`)
  writeFileSync(path, withPretokenizer(name))
  const child = spawn(process.execPath, [join(import.meta.dirname, 'pretokenizers-child.mjs'), path, texts], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = new Promise((resolve) => child.once('close', (code, signal) => resolve({ code, signal })))
  const lines = (await text(child.stdout)).trim().split('\n')
  expect(await ended).toEqual({ code: 0, signal: null })
  const said = lines.map((line) => JSON.parse(line) as Line)
  expect(said).toHaveLength(bytes(1).length)
  for (const { kind, tokenize, chat, served } of said) {
    expect(tokenize.outcome, kind).toBe('tokens')
    expect(chat.outcome, kind).toBe('ERR_CONTEXT_OVERFLOW')
    expect(served.outcome, kind).toBe(400)
    slowest = Math.max(slowest, tokenize.ms, chat.ms, served.ms)
  }
  console.log(
    `${name}: ${Math.max(...said.map(({ tokenize }) => tokenize.ms))} ms at most; all so far ${slowest} ms`,
  )
})

test.runIf(hasLlamaTokenize).each(names.filter((name) => name !== ABORTING))(
  '%s gives the ids of llama-tokenize',
  async (name) => {
    const path = join(folder, `${name}.gguf`)
    writeFileSync(path, withPretokenizer(name))
    const model = await binding.Model.load(path, { ...LOAD, vocabOnly: true }).promise
    for (const { kind, text: long } of kinds(SLOW.includes(name) ? 3_000 : COMPARED)) {
      const valid = Buffer.from(long).toString()
      const ours = model.tokenizeLater(plain(valid))
      expect(
        Buffer.from((await ours.promise).buffer).equals(
          Buffer.from(Int32Array.from(await llamaTokenize(path, valid)).buffer),
        ),
        kind,
      ).toBe(true)
    }
    model.close()
  },
)

// With --all, test/golden/pretokenizers.json is recorded.
test.runIf(hasLlamaTokenize && process.env.CAMPAIGN_ALL)(
  'the golden file has the token ids of short texts',
  async () => {
    const golden: Record<string, string> = {}
    const path = join(folder, 'recorded.gguf')
    for (const name of all) {
      writeFileSync(path, withPretokenizer(name))
      const ids: number[] = []
      for (const short of shortTexts(name)) ids.push(...(await llamaTokenize(path, short)), -1)
      golden[name] = digest(ids)
    }
    writeFileSync(
      join(import.meta.dirname, '../golden/pretokenizers.json'),
      `${JSON.stringify(golden, null, 2)}\n`,
    )
  },
)
