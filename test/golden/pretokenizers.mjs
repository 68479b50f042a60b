// Tokenizes texts with llama.cpp's own llama-tokenize, once for each of its ways to cut texts into words, to pretokenizers.json.
//
//   npm run bench:tools -- tokenize
//   node --experimental-strip-types test/golden/pretokenizers.mjs      (Node.js 22 or newer)
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { digest, pretokenizers, SHORT_TEXTS, withPretokenizer } from '../support/pretokenizers.ts'
import { llamaTokenize } from '../support/llama-tokenize.ts'

const folder = mkdtempSync(join(tmpdir(), 'gpt4all-golden-'))
const golden = {}
for (const name of pretokenizers()) {
  const path = join(folder, 'model.gguf')
  writeFileSync(path, withPretokenizer(name))
  const ids = []
  for (const text of SHORT_TEXTS) ids.push(...(await llamaTokenize(path, text)), -1)
  golden[name] = digest(ids)
}
rmSync(folder, { recursive: true })
writeFileSync(new URL('pretokenizers.json', import.meta.url), `${JSON.stringify(golden, null, 2)}\n`)
