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

describe.skipIf(process.platform === 'win32')('what may happen to the file of an open model', () => {
  test('is nothing where only its owner writes to it, and has not of late', async () => {
    expect(await wrong()).toEqual([])
  })

  test('is that everybody may write to it, or put another in its place', async () => {
    chmodSync(file, 0o666)
    expect(await wrong()).toEqual([[true, 'everybody may write to it']])
    chmodSync(file, 0o664)
    chmodSync(folder, 0o777)
    expect(await wrong()).toEqual([[true, expect.stringContaining('its folder')]])
    chmodSync(folder, 0o1777)
    expect(await wrong()).toEqual([])
  })

  test.skipIf(process.geteuid?.() !== 0)('is told where it belongs to somebody else', async () => {
    chownSync(file, 65_534, 65_534)
    expect(await wrong()).toEqual([[false, 'it belongs to another user']])
  })

  test('is told where it has changed since it was downloaded, or just now', async () => {
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
  ['/mnt/a.gguf', 0x6969, 'linux', /network disk \(NFS\)/],
  ['/mnt/a.gguf', 0xff534d42, 'linux', /network disk \(SMB\)/],
  ['/mnt/a.gguf', 0x65735546, 'linux', /FUSE/],
  ['/mnt/a.gguf', 0x2011bab0, 'linux', /removable disk/],
  ['/media/me/stick/a.gguf', 0xef53, 'linux', /taken away/],
  ['/run/media/me/stick/a.gguf', 0xef53, 'linux', /taken away/],
  ['/Volumes/Stick/a.gguf', 0x1a, 'darwin', /taken away/],
  ['\\\\server\\share\\a.gguf', 0, 'win32', /network disk/],
  ['\\\\?\\UNC\\server\\share\\a.gguf', 0, 'win32', /network disk/],
] as const)('%s on a disk of the type %i says so', (path, type, platform, text) => {
  expect(placeRisk(path, type, platform)).toMatch(text)
})

test.each([
  ['/home/me/a.gguf', 0xef53, 'linux'],
  ['/home/media/a.gguf', 0x9123683e, 'linux'],
  ['/Users/me/a.gguf', 0x6969, 'darwin'],
  ['C:\\models\\a.gguf', 0x6969, 'win32'],
  ['\\\\?\\C:\\models\\a.gguf', 0, 'win32'],
] as const)('%s on a disk of the type %i says nothing', (path, type, platform) => {
  expect(placeRisk(path, type, platform)).toBeUndefined()
})
