import { chmodSync, chownSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { placeRisk, risksOf } from '../../src/cli/file-risks.ts'

const HOUR = 3600
const now = Date.now() / 1000

let folder: string
let file: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gpt4all-risks-'))
  file = join(folder, 'model.gguf')
  writeFileSync(file, 'GGUF', { mode: 0o644 })
  utimesSync(file, now - HOUR, now - HOUR)
})
afterEach(() => rmSync(folder, { recursive: true }))

const wrong = async () => (await risksOf(file)).map(({ text, isWrong }) => [isWrong, text])

describe.skipIf(process.platform === 'win32')('risksOf() of a model file', () => {
  test('is empty if only the owner can write to it, and did not do so recently', async () => {
    expect(await wrong()).toEqual([])
  })

  test('reports that any user can write to it, or replace it', async () => {
    chmodSync(file, 0o666)
    expect(await wrong()).toEqual([[true, 'any user can write to it']])
    chmodSync(file, 0o664)
    chmodSync(folder, 0o777)
    expect(await wrong()).toEqual([[true, expect.stringContaining('its folder')]])
    chmodSync(folder, 0o1777)
    expect(await wrong()).toEqual([])
  })

  test.skipIf(process.geteuid?.() !== 0)('reports that it belongs to another user', async () => {
    chownSync(file, 65_534, 65_534)
    expect(await wrong()).toEqual([[false, 'it belongs to another user']])
  })

  test('reports that it has changed since it was downloaded, or just now', async () => {
    writeFileSync(`${file}.json`, '{}')
    utimesSync(`${file}.json`, now - HOUR, now - HOUR)
    expect(await wrong()).toEqual([])
    utimesSync(`${file}.json`, now - 2 * HOUR, now - 2 * HOUR)
    expect(await wrong()).toEqual([[false, expect.stringContaining('models verify')]])
    rmSync(`${file}.json`)
    utimesSync(file, now, now)
    expect(await wrong()).toEqual([[false, expect.stringContaining('within the last minute')]])
  })
})

test.each([
  ['/mnt/a.gguf', 0x6969, 'linux', /network drive \(NFS\)/],
  ['/mnt/a.gguf', 0xff534d42, 'linux', /network drive \(SMB\)/],
  ['/mnt/a.gguf', 0x65735546, 'linux', /FUSE/],
  ['/mnt/a.gguf', 0x2011bab0, 'linux', /removable drive/],
  ['/media/me/stick/a.gguf', 0xef53, 'linux', /removable drive/],
  ['/run/media/me/stick/a.gguf', 0xef53, 'linux', /removable drive/],
  ['/Volumes/Stick/a.gguf', 0x1a, 'darwin', /removable drive/],
  ['\\\\server\\share\\a.gguf', 0, 'win32', /network drive/],
  ['\\\\?\\UNC\\server\\share\\a.gguf', 0, 'win32', /network drive/],
] as const)('placeRisk() names the risk of %s on a file system of type %i', (path, type, platform, text) => {
  expect(placeRisk(path, type, platform)).toMatch(text)
})

test.each([
  ['/home/me/a.gguf', 0xef53, 'linux'],
  ['/home/media/a.gguf', 0x9123683e, 'linux'],
  ['/Users/me/a.gguf', 0x6969, 'darwin'],
  ['C:\\models\\a.gguf', 0x6969, 'win32'],
  ['\\\\?\\C:\\models\\a.gguf', 0, 'win32'],
] as const)('placeRisk() finds no risk in %s on a file system of type %i', (path, type, platform) => {
  expect(placeRisk(path, type, platform)).toBeUndefined()
})
