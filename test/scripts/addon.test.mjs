import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { parseProgress } from '../../scripts/addon.mjs'
import { keyOf, keyParts } from '../../scripts/addon-key.mjs'

let root

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'gpt4all-ts-key-'))
  mkdirSync(join(root, 'native'))
  writeFileSync(join(root, 'native', 'addon.cc'), 'int a;\n')
  writeFileSync(join(root, 'CMakeLists.txt'), 'project(x)\n')
})

afterEach(() => rmSync(root, { recursive: true, force: true }))

const parts = (changes = {}) => keyParts({ options: [], vendor: 'tree', config: 'Release', root, ...changes })
const key = async (changes) => keyOf(await parts(changes))

test('the same inputs have the same key', async () => {
  expect(await key()).toBe(await key())
})

test('the key changes with the sources, llama.cpp, the options and the configuration', async () => {
  const first = await key()
  const others = [
    await key({ vendor: 'other' }),
    await key({ options: ['-DGGML_CUDA=ON'] }),
    await key({ config: 'Debug' }),
  ]
  writeFileSync(join(root, 'native', 'new.h'), '')
  others.push(await key())
  writeFileSync(join(root, 'CMakeLists.txt'), 'project(y)\n')
  others.push(await key())
  expect(new Set([first, ...others]).size).toBe(6)
})

test('a build for this CPU has its features in the key, a portable one has not', async () => {
  expect((await parts()).cpu).toMatch(/^[0-9a-f]{16}$/)
  expect((await parts({ options: ['-DGGML_NATIVE=OFF'] })).cpu).toBe('portable')
})

test("progress is read from Ninja's and Make's lines, and from no others", () => {
  expect(parseProgress('[12/48] Building CXX object a.o')).toEqual({ text: '12 of 48', fraction: 0.25 })
  expect(parseProgress('[  9%] Building CXX object a.o')).toEqual({ text: 'compiling', fraction: 0.09 })
  expect(parseProgress('-- Found Threads: TRUE')).toBeUndefined()
})
