import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type Described, greedyTokens, OLD_FILES, oldFile } from '../support/old-files.ts'

// llama.cpp's own converter, the judge of ours, runs under an old gguf only. `GGUF_PYTHON` names a Python that has it:
//
//   python3 -m venv judge && judge/bin/pip install gguf==0.6.0 'numpy<2'
//   GGUF_PYTHON=judge/bin/python npm run campaign:old-files            compares it with test/golden/ggml.json
//   GGUF_PYTHON=judge/bin/python npm run campaign:old-files -- --all   and writes that file anew
const python = process.env.GGUF_PYTHON
const golden = join(import.meta.dirname, '..', 'golden', 'ggml.json')
const script = join(import.meta.dirname, '..', 'golden', 'ggml.py')

test.skipIf(!python)(
  'the golden file is what llama.cpp makes of these old files today (needs GGUF_PYTHON)',
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'gpt4all-judge-'))
    try {
      const files = OLD_FILES.map((name) => join(folder, name))
      for (const [i, file] of files.entries()) writeFileSync(file, oldFile(OLD_FILES[i] ?? ''))
      const { status, stdout, stderr } = spawnSync(python ?? '', [script, folder, ...files], {
        encoding: 'utf8',
      })
      expect(status, stderr).toBe(0)
      const described: Record<string, Described> = JSON.parse(stdout)
      for (const name of OLD_FILES) {
        const greedy = await greedyTokens(join(folder, `${name}.oracle.gguf`))
        described[name] = { ...(described[name] as Described), greedy }
      }
      if (process.env.CAMPAIGN_ALL) writeFileSync(golden, `${JSON.stringify(described, null, 1)}\n`)
      expect(described).toEqual(JSON.parse(readFileSync(golden, 'utf8')))
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  },
)
