import { copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { runChild } from '../support/child.ts'
import { hasReal, REAL } from '../support/models.ts'

test.skipIf(!hasReal)('a second GPT4All of a file takes no memory for its weights', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'gpt4all-shared-'))
  try {
    const copy = join(folder, 'copy.gguf')
    copyFileSync(REAL, copy)
    const { code, messages } = await runChild('shared-memory.mjs', [REAL, copy], {
      execArgv: ['--expose-gc'],
    })
    expect(code).toBe(0)
    const [, second, ofCopy] = messages[0] as [number, number, number]
    expect(second).toBeLessThan(ofCopy / 3)
  } finally {
    rmSync(folder, { recursive: true })
  }
})
