import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { runChild } from '../support/child.ts'
import { fileBytes, HostileServer } from '../support/hostile-server.ts'

const script = join(import.meta.dirname, 'children', 'progress-bar.mjs')
const bytes = Buffer.concat([Buffer.from('GGUF'), fileBytes(4, 3_000_000)])
// util-linux's `script` gives a program a pseudo terminal; the one of BSD and macOS takes other options.
const hasTerminal =
  process.platform === 'linux' && spawnSync('script', ['-qec', 'true', '/dev/null']).status === 0

let server: HostileServer
let folder: string
let args: string[]
beforeAll(async () => {
  server = await HostileServer.start()
})
afterAll(() => server.close())
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gpt4all-bar-'))
  server.requests.length = 0
  const good = server.host('good', { bytes, faults: ['reset at 50 %'] })
  const stalling = server.host('stalling', { bytes, faults: ['stall'] })
  args = [folder, good, good.replace('good', 'bad'), stalling]
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

test.skipIf(!hasTerminal)(
  'verbose downloads draw bars on a terminal (where `script` of util-linux gives one)',
  async () => {
    const command = [process.execPath, script, ...args].map((word) => `'${word}'`).join(' ')
    const { messages, stdout, code } = await runChild('terminal.mjs', [command])
    expect(messages).toEqual([])
    expect(code).toBe(0)
    expect(stdout).toMatch(/one\.gguf download \[=+-*\] +\d+ % \| [\d.]+\/3\.0 MB \| [\d.]+ MB\/s/)
    for (const name of ['one', 'two'])
      expect(stdout).toMatch(new RegExp(`${name}\\.gguf download \\[=+\\] 100 %`))
    expect(stdout).toMatch(/tiny-cha.* load \[=+\] 100 %/)
    expect(stdout).toContain('gpt4all info: downloading http://')
    expect(stdout).toContain('failed: ERR_DOWNLOAD')
    expect(stdout).toContain('aborted: TimeoutError')
    expect(stdout).toContain('told: 1')
    expect(stdout).not.toMatch(/five\.gguf download \[/) // who listens draws it
    // The terminal is left as it was found: no hidden cursor, no other way to wrap lines.
    expect(stdout).not.toContain('\x1b[?25l')
    expect(stdout).not.toContain('\x1b[?7l')
  },
)

test('verbose downloads only log if there is no terminal', async () => {
  const { stdout, stderr, code } = await runChild('progress-bar.mjs', args)
  expect(code).toBe(0)
  expect(stdout).toBe('failed: ERR_DOWNLOAD\naborted: TimeoutError\ntold: 1\n')
  expect(stderr).toContain('gpt4all info: downloading http://')
  for (const line of stderr.trim().split('\n')) expect(line).toMatch(/^gpt4all \w+: /)
})
