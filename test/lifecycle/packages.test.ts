import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { EMBEDDED } from '../support/models.ts'

test('an import, and an answer of a model on the disk, load no package and nothing for networks', async () => {
  const script = join(import.meta.dirname, 'children', 'packages.mjs')
  const { stdout } = await promisify(execFile)(process.execPath, [script, EMBEDDED])
  expect(JSON.parse(stdout)).toEqual({
    imported: { files: 1, packages: [], network: [] },
    answered: { packages: [] },
  })
})
