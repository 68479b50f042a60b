import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join, relative, resolve, sep } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { parseCatalog } from '../../src/models/catalog/catalog.ts'
import { defaultModelPath, findOnDisk, locateModel } from '../../src/models/locate.ts'
import { seeded } from '../support/gguf-writer.ts'

const located = (name: string, modelPath: string | undefined) => locateModel(name, modelPath).withExtension
const optionError = expect.objectContaining({ code: 'ERR_OPTION', option: 'name' })
const folder = resolve('some', 'folder')

describe('without modelPath', () => {
  test('a plain name is in ~/.cache/gpt4all', () => {
    expect(defaultModelPath()).toBe(join(homedir(), '.cache', 'gpt4all'))
    expect(located('model.gguf', undefined)).toBe(join(defaultModelPath(), 'model.gguf'))
  })

  test('a name with a separator is a path', () => {
    expect(located('models/model.gguf', undefined)).toBe(resolve('models', 'model.gguf'))
    expect(located('./model.gguf', undefined)).toBe(resolve('model.gguf'))
    expect(located('../model.gguf', undefined)).toBe(resolve('..', 'model.gguf'))
  })

  test('an absolute path is itself', () => {
    const path = resolve('anywhere', 'model.gguf')
    expect(located(path, undefined)).toBe(path)
  })

  test('a leading ~/ is the home folder', () => {
    expect(located('~/models/model.gguf', undefined)).toBe(join(homedir(), 'models', 'model.gguf'))
    expect(located('model.gguf', '~/models')).toBe(join(homedir(), 'models', 'model.gguf'))
    expect(located('~model.gguf', undefined)).toBe(join(defaultModelPath(), '~model.gguf'))
  })

  test('a file: URL is its path', () => {
    const path = resolve('some folder', 'model.gguf')
    expect(located(pathToFileURL(path).href, undefined)).toBe(path)
    expect(located(pathToFileURL(join(folder, 'a.gguf')).href, folder)).toBe(join(folder, 'a.gguf'))
    expect(() => located(pathToFileURL(path).href, folder)).toThrow(optionError)
    expect(() => located('file://%00', undefined)).toThrow(expect.objectContaining({ code: 'ERR_OPTION' }))
  })

  test('a URL is refused with a hint', () => {
    for (const name of ['https://example.com/model.gguf', 'hf://someone/model']) {
      expect(() => located(name, undefined)).toThrow(/downloadModel/)
    }
  })
})

describe('with modelPath', () => {
  test('a name is found in it, and in its subfolders', () => {
    expect(located('model.gguf', folder)).toBe(join(folder, 'model.gguf'))
    expect(located('a/b/model.gguf', folder)).toBe(join(folder, 'a', 'b', 'model.gguf'))
    expect(located('a/../model.gguf', folder)).toBe(join(folder, 'model.gguf'))
    expect(located('model.gguf', `some${sep}folder`)).toBe(join(folder, 'model.gguf'))
  })

  test('a name that leads out of it is refused', () => {
    for (const name of ['../model', '..//model', 'a/../../model', 'a/../../folder2/model']) {
      expect(() => located(name, folder)).toThrow(optionError)
    }
  })

  test('a name that only begins with dots is accepted', () => {
    for (const name of ['..model', '.hidden', '..a/model']) {
      expect(located(name, folder).startsWith(folder + sep)).toBe(true)
    }
  })

  test('an absolute path is in it, or is refused', () => {
    expect(located(join(folder, 'model.gguf'), folder)).toBe(join(folder, 'model.gguf'))
    for (const name of [
      resolve('anywhere', 'model.gguf'),
      folder,
      sep,
      resolve('some', 'folder2', 'model'),
    ]) {
      expect(() => located(name, folder)).toThrow(optionError)
    }
  })
})

test.each([
  ['model', 'model.gguf'],
  ['model.gguf', 'model.gguf'],
  ['model.GGUF', 'model.GGUF'],
  ['model.bin', 'model.bin'],
  ['model.Q4_0', 'model.Q4_0.gguf'],
  ['model.gguf.part', 'model.gguf.part.gguf'],
  ['gguf', 'gguf.gguf'],
  ['模型 😀', '模型 😀.gguf'],
])('%s means %s', (name, file) => {
  expect(located(name, folder)).toBe(join(folder, file))
})

test('a name that is empty, holds a NUL or is not a string is refused', () => {
  for (const name of ['', 'a\0b', 'a.gguf\0', undefined, null, 3, {}, []]) {
    expect(() => located(name as string, undefined)).toThrow(optionError)
    expect(() => located(name as string, folder)).toThrow(optionError)
  }
})

test('a refused name is reported once, with the reason', () => {
  const message = (name: string) => {
    try {
      return located(name, folder)
    } catch (error) {
      return (error as Error).message
    }
  }
  expect(message('con')).toMatch(
    /^Expected the name of a file for "\w+" but received "con" \(string\), which is the name of a device on Windows\.$/,
  )
  expect(message('a/con')).toMatch(
    /received "a\/con" \(string\), where "con" is the name of a device on Windows\.$/,
  )
})

test('a name that is a device on Windows, or too long for a file, is refused on every system', () => {
  const long = 'x'.repeat(300)
  for (const name of [
    'con',
    'NUL.gguf',
    'com1',
    'lpt9.bin',
    'aux.Q4_0.gguf',
    'CONIN$',
    long,
    'ü'.repeat(130),
  ]) {
    expect(() => located(name, undefined), name).toThrow(optionError)
    expect(() => located(`a/${name}`, folder), name).toThrow(optionError)
  }
  for (const name of ['con-model', 'nullable.gguf', 'common', 'x'.repeat(200)]) located(name, folder)
})

test.each([
  ['a stream beside a file on Windows', ['x.gguf:ads', 'x.gguf:ads:$DATA', ':x', 'x:', 'a/x.gguf:ads']],
  ['a drive, or a share', ['C:', 'C:model', 'c:/model.gguf', 'C:\\model', '\\\\host\\share', '\\\\?\\C:\\x']],
  ['what no file on Windows has', ['a<b', 'a>b', 'a"b', 'a|b', 'a?', '*', '*.gguf']],
  [
    'what ends in dots or spaces, which Windows leaves out',
    ['x.', 'x ', 'x.gguf.', '. .', '...', 'a./x', 'a /x'],
  ],
  [
    'a device, in any of its forms',
    ['con', 'Nul.gguf', 'nul .gguf', 'COM1.Q4_0.gguf', 'lpt².bin', 'conout$', 'aux/x'],
  ],
  ['what looks like another', ['x\u202egguf.exe', 'a\u2066b', '\ud800.gguf', 'x\udc00']],
  ['what a terminal obeys', ['x\u001b[2J', 'x\n', '\u009b31m', '\u007f']],
])('a name that is %s is refused on every system', async (_, names) => {
  for (const name of names) expect(() => located(name, folder), JSON.stringify(name)).toThrow(optionError)
  for (const name of names.filter((name) => !/[\\/]/.test(name))) {
    expect(() => located(name, undefined), JSON.stringify(name)).toThrow(optionError)
    const json = Buffer.from(JSON.stringify([{ filename: name }]))
    await expect(parseCatalog(json, 'list'), JSON.stringify(name)).rejects.toMatchObject({
      code: 'ERR_MODEL_CONFIG',
    })
  }
})

test('no random name leads out of its folder: each is within it, or is refused', () => {
  const random = seeded(11)
  const pieces = [
    '..',
    '.',
    '/',
    '\\',
    'a',
    'model',
    '.gguf',
    '\0',
    '~',
    '~/',
    'con',
    ':',
    'C:',
    '%2e%2e',
    '\n',
    ' ',
    'é',
    '\u202e',
    '//',
    '/etc/passwd',
    'x'.repeat(80),
  ]
  let refused = 0
  for (let run = 0; run < 5000; run++) {
    const parts = Array.from(
      { length: 1 + Math.floor(random() * 6) },
      () => pieces[Math.floor(random() * pieces.length)],
    )
    const name = parts.join('')
    try {
      const { asGiven, withExtension } = locateModel(name, folder)
      for (const path of [asGiven, withExtension])
        expect(path.startsWith(folder + sep), JSON.stringify(name)).toBe(true)
    } catch (error) {
      expect(error, JSON.stringify(name)).toEqual(optionError)
      refused++
    }
  }
  expect(refused).toBeGreaterThan(500)
  expect(refused).toBeLessThan(4500)
})

describe('locateModel() on the disk', () => {
  let made: string
  beforeEach(() => {
    made = mkdtempSync(join(tmpdir(), 'gpt4all-locate-'))
  })
  afterEach(() => rmSync(made, { recursive: true }))
  const found = async (name: string, files: readonly string[]) => {
    for (const file of files) writeFileSync(join(made, file), '')
    const path = await findOnDisk(locateModel(name, made))
    return path && relative(made, path)
  }

  test.each<[string, string[], string | undefined]>([
    ['model', ['model', 'model.gguf'], 'model'],
    ['model', ['model.gguf', 'model.bin'], 'model.gguf'],
    ['model', ['model.bin'], 'model.bin'],
    ['model', ['model.bin.gguf'], 'model.bin.gguf'],
    ['model.bin', ['model.bin.gguf', 'model.gguf'], 'model.bin.gguf'],
    ['model.bin', ['model.gguf'], undefined],
    ['model.gguf', ['model.bin'], undefined],
    ['model', ['model-00001-of-00003.gguf', 'model-00002-of-00003.gguf'], 'model-00001-of-00003.gguf'],
    ['model.gguf', ['model-00001-of-00002.gguf'], 'model-00001-of-00002.gguf'],
    [
      'model-00002-of-00003',
      ['model-00001-of-00003.gguf', 'model-00002-of-00003.gguf'],
      'model-00001-of-00003.gguf',
    ],
    ['model-00002-of-00003', ['model-00002-of-00003.gguf'], 'model-00002-of-00003.gguf'],
    ['model', ['model-00001-of-00002.gguf', 'model-00001-of-00003.gguf'], undefined],
    ['model', ['my-model-00001-of-00002.gguf'], undefined],
    ['MODEL.gguf', ['Model.GGUF'], 'Model.GGUF'],
    ['MODEL', ['model.gguf', 'Model.gguf'], undefined],
    ['model', [], undefined],
  ])('the file of %s among %j is %s', async (name, files, file) => {
    expect(await found(name, files)).toBe(file)
  })
})
