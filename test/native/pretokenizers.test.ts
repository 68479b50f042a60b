import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { folder, openModel, plain } from '../support/native-models.ts'
import { digest, pretokenizers, RUNS, run, shortTexts, withPretokenizer } from '../support/pretokenizers.ts'

/** What llama-tokenize made of the same texts, with a stack without limit: `npm run campaign:pretokenizers -- --all`. */
const GOLDEN = JSON.parse(
  readFileSync(join(import.meta.dirname, '../golden/pretokenizers.json'), 'utf8'),
) as Record<string, string>

const open = (name: string) => {
  const path = join(folder, `${name}.gguf`)
  writeFileSync(path, withPretokenizer(name))
  return openModel(path, true)
}

test('all 90 ways to cut a text into words are tried', () => {
  expect(pretokenizers()).toHaveLength(90)
  expect(Object.keys(GOLDEN).sort()).toEqual(pretokenizers())
})

test.each(pretokenizers())('%s cuts texts as llama.cpp does', async (name) => {
  const model = await open(name)
  const ids = shortTexts(name).flatMap((text) => [...model.tokenize(text, false, false), -1])
  expect(digest(ids)).toBe(GOLDEN[name])
  model.close()
})

// std::regex goes one call deeper with each character: 26,500 of them ended the process.
test.each(['tekken', 'gpt-4o', 'llama4', 'deepseek-v3', 'falcon', 'viking', 'superbpe', 'jais-2', 'default'])(
  '%s tokenizes long runs of any character',
  async (name) => {
    const model = await open(name)
    for (const [kind, text] of Object.entries(RUNS)) {
      const long = run(text, 60_000)
      const ids = model.tokenizeLater(plain(long))
      const said = Buffer.from(model.detokenize(await ids.promise, true)).toString()
      expect(said === Buffer.from(long).toString(), kind).toBe(true)
    }
    model.close()
  },
)
