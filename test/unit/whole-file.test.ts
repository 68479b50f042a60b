import {
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { writeWhole } from '../../src/core/whole-file.ts'

let folder: string
let file: string
let victim: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gpt4all-whole-file-'))
  file = join(folder, 'file')
  victim = join(folder, 'victim')
  writeFileSync(victim, 'mine')
})
afterEach(() => rmSync(folder, { recursive: true }))

const names = () => readdirSync(folder).sort()

test('a file is written in pieces, and takes the place of another', async () => {
  for (const text of ['one', 'two']) {
    await writeWhole(file, [text, Buffer.from(' and'), ' more'], { mode: 0o600, isSynced: true })
    expect(readFileSync(file, 'utf8')).toBe(`${text} and more`)
  }
  await writeWhole(file, ['three'])
  if (process.platform !== 'win32') expect(lstatSync(file).mode & 0o777).toBe(0o600)
  expect(names()).toEqual(['file', 'victim'])
})

test('a file that must be new replaces no other', async () => {
  await writeWhole(file, ['one'], { replaces: false })
  await expect(writeWhole(file, ['two'], { replaces: false })).rejects.toMatchObject({ code: 'EEXIST' })
  expect(readFileSync(file, 'utf8')).toBe('one')
  expect(names()).toEqual(['file', 'victim'])
})

test.skipIf(process.platform === 'win32').each([
  ['a symbolic link', symlinkSync],
  ['a hard link', linkSync],
])('nothing is written through %s, which is replaced', async (_, linkTo) => {
  linkTo(victim, file)
  await writeWhole(file, ['new'])
  expect(readFileSync(victim, 'utf8')).toBe('mine')
  expect(readFileSync(file, 'utf8')).toBe('new')
  expect(lstatSync(file)).toMatchObject({ nlink: 1 })
  expect(lstatSync(file).isFile()).toBe(true)
  linkTo(victim, `${file}2`)
  await expect(writeWhole(`${file}2`, ['new'], { replaces: false })).rejects.toMatchObject({ code: 'EEXIST' })
  expect(readFileSync(victim, 'utf8')).toBe('mine')
})

test.skipIf(process.platform === 'win32')('a device, or a link to one, is not replaced', async () => {
  symlinkSync('/dev/null', file)
  for (const path of [file, '/dev/null']) {
    await expect(writeWhole(path, ['new'])).rejects.toMatchObject({ code: 'EEXIST' })
    expect(lstatSync('/dev/null').isCharacterDevice()).toBe(true)
  }
  expect(lstatSync(file).isSymbolicLink()).toBe(true)
})

test('a folder is not replaced, and a missing folder leaves no file', async () => {
  mkdirSync(file)
  await expect(writeWhole(file, ['new'])).rejects.toMatchObject({ code: 'EISDIR' })
  await expect(writeWhole(join(folder, 'no', 'where'), ['new'])).rejects.toMatchObject({ code: 'ENOENT' })
  expect(names()).toEqual(['file', 'victim'])
})
