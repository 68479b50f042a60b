import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { runChild } from '../support/child.ts'
import { EMBEDDED } from '../support/models.ts'

test('a model on the disk opens and chats where fetch, net and dns throw; one that is not there says so', async () => {
  const home = mkdtempSync(join(tmpdir(), 'gpt4all-offline-'))
  const folder = join(home, '.cache', 'gpt4all')
  mkdirSync(folder, { recursive: true })
  copyFileSync(EMBEDDED, join(folder, 'tiny.gguf'))
  const told: string[] = []
  const { code, messages, stderr, stdout } = await runChild('offline.mjs', [EMBEDDED, folder], {
    execArgv: ['--require', join(import.meta.dirname, 'children', 'no-network.cjs')],
    env: { HOME: home, USERPROFILE: home },
    onMessage: (message) => void told.push(JSON.stringify(message)),
  })
  rmSync(home, { recursive: true, force: true })
  expect(code).toBe(0)
  expect(stdout).toBe('')
  const answer = { text: '1, 2, 3, 4, 5.' }
  expect(messages).toEqual([
    answer,
    answer,
    answer,
    { listeners: [0, 0, 0] },
    { code: 'ERR_DOWNLOAD', cause: 'ERR_DOWNLOAD', ms: expect.any(Number) },
    { code: 'ERR_MODEL_NOT_FOUND' },
  ])
  // Only the catalog was asked for, three times, for the model that is not there.
  expect(stderr.split('\n').filter((line) => line.startsWith('asked'))).toHaveLength(3)
})
