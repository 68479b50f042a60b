import { homedir } from 'node:os'
import { join, resolve, sep } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, test } from 'vitest'
import { defaultModelPath, locateModel } from '../../src/models/locate.ts'

const located = (name: string, modelPath: string | undefined) => locateModel(name, modelPath).withExtension
const optionError = expect.objectContaining({ code: 'ERR_OPTION', option: 'name' })
const folder = resolve('some', 'folder')

describe('without modelPath', () => {
  test('a plain name lies in ~/.cache/gpt4all', () => {
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
    expect(located(pathToFileURL(path).href, 'elsewhere')).toBe(path)
    expect(() => located('file://%00', undefined)).toThrow(expect.objectContaining({ code: 'ERR_OPTION' }))
  })

  test('a web address is refused with a word about it', () => {
    for (const name of ['https://example.com/model.gguf', 'hf://someone/model']) {
      expect(() => located(name, undefined)).toThrow(/downloadModel/)
    }
  })
})

describe('with modelPath', () => {
  test('a name lies in it, in folders of it too', () => {
    expect(located('model.gguf', folder)).toBe(join(folder, 'model.gguf'))
    expect(located('a/b/model.gguf', folder)).toBe(join(folder, 'a', 'b', 'model.gguf'))
    expect(located('a/../model.gguf', folder)).toBe(join(folder, 'model.gguf'))
    expect(located('model.gguf', `some${sep}folder`)).toBe(join(folder, 'model.gguf'))
  })

  test('a name that leaves it is refused', () => {
    for (const name of ['../model', '..//model', 'a/../../model', 'a/../../folder2/model']) {
      expect(() => located(name, folder)).toThrow(optionError)
    }
  })

  test('names that only begin with dots are names', () => {
    for (const name of ['..model', '...', '.hidden', '..a/model']) {
      expect(located(name, folder).startsWith(folder + sep)).toBe(true)
    }
  })

  test('an absolute path is itself', () => {
    const path = resolve('anywhere', 'model.gguf')
    expect(located(path, folder)).toBe(path)
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

test('a name that is empty, holds a NUL or is no text is refused', () => {
  for (const name of ['', 'a\0b', 'a.gguf\0', undefined, null, 3, {}, []]) {
    expect(() => located(name as string, undefined)).toThrow(optionError)
    expect(() => located(name as string, folder)).toThrow(optionError)
  }
})
