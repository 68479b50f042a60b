import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { binding } from '../support/native-models.ts'

const DIST = join(import.meta.dirname, '..', '..', 'dist', 'index.cjs')
const REAL = JSON.stringify(fileURLToPath(binding.file))
const FITTING = `module.exports = require(${REAL})`
const WITHOUT_ONE_MEMBER = `const { TextFinder, ...rest } = require(${REAL}); module.exports = rest`

let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gpt4all-ts-binding-'))
  vi.resetModules()
})

afterEach(() => {
  vi.unstubAllEnvs()
  rmSync(folder, { recursive: true, force: true })
})

/** A file that stands in for an addon, and a fresh loader. */
async function loader(named: string, source?: string, at = named) {
  if (source !== undefined) {
    mkdirSync(dirname(join(folder, at)), { recursive: true })
    writeFileSync(join(folder, at), source)
  }
  vi.stubEnv('GPT4ALL_BINDING', join(folder, named))
  return (await import('../../src/native/binding.ts')).loadBinding
}

test('GPT4ALL_BINDING names the addon, loaded once', async () => {
  const loadBinding = await loader('addon.cjs', FITTING)
  expect(loadBinding().Sampler).toBeTypeOf('function')
  expect(loadBinding()).toBe(loadBinding())
})

test('a missing file is ERR_BINDING, with what was tried, why it failed and what to do', async () => {
  const loadBinding = await loader('nowhere.node')
  expect(loadBinding).toThrow(
    expect.objectContaining({
      code: 'ERR_BINDING',
      message: expect.stringMatching(
        /nowhere\.node: no such file\nPossible solutions:\n {2}- Unset GPT4ALL_BINDING/,
      ),
    }),
  )
})

test('an addon of another version is refused', async () => {
  const loadBinding = await loader('old.cjs', WITHOUT_ONE_MEMBER)
  expect(loadBinding).toThrow(/built for another version of gpt4all-ts: it has no "TextFinder"/)
})

test.each([
  [
    'an older C library',
    "/lib/libstdc++.so.6: version `GLIBCXX_3.4.32' not found",
    /newer libraries than this system has/,
  ],
  [
    'another C library',
    'libc.musl-x86_64.so.1: ld-musl: cannot open shared object file',
    /another C library/,
  ],
  [
    'addons switched off',
    'Cannot load native addon because loading addons is disabled. --no-addons',
    /--no-addons/,
  ],
  ['a damaged file', 'gpt4all.node: file too short', /is damaged/],
  ['another processor', 'gpt4all.node: wrong ELF class: ELFCLASS32', /built for another processor/],
])('an addon that does not load because of %s comes with a hint', async (_, reason, hint) => {
  const loadBinding = await loader('broken.cjs', `throw new Error(${JSON.stringify(reason)})`)
  expect(loadBinding).toThrow(hint)
})

/** The beginning of a binary for a processor and a system. */
const BINARIES: Readonly<Record<string, () => Buffer>> = {
  'linux-arm64': () => elf(183),
  'linux-riscv64': () => elf(243),
  'darwin-arm64': () => {
    const head = Buffer.alloc(4096)
    head.writeUInt32LE(0xfeedfacf, 0)
    head.writeUInt32LE(0x0100000c, 4)
    return head
  },
  'win32-x64': () => {
    const head = Buffer.alloc(4096)
    head.write('MZ')
    head.writeUInt32LE(0x80, 0x3c)
    head.writeUInt16LE(0x8664, 0x84)
    return head
  },
}

function elf(machine: number): Buffer {
  const head = Buffer.alloc(4096)
  head.write('\x7fELF\x02\x01\x01', 'latin1')
  head.writeUInt16LE(machine, 18)
  return head
}

test.runIf(process.platform === 'linux' && process.arch === 'x64').each(Object.keys(BINARIES))(
  'an addon for %s is said to be one, whatever the loader says',
  async (platform) => {
    writeFileSync(join(folder, 'other.node'), BINARIES[platform]!())
    const loadBinding = await loader('other.node')
    expect(loadBinding).toThrow(`was built for ${platform}, and this is linux-x64: install or build it again`)
  },
)

test.each([
  ['--no-addons', ['--no-addons'], 'without --no-addons'],
  ['the permission model', ['--experimental-permission', '--allow-fs-read=*'], '--allow-addons'],
])('the hint for addons switched off by %s names its own way out', (_, flags, hint) => {
  const program = `require(${JSON.stringify(DIST)}).GPT4All.systemInfo()`
  const { stderr } = spawnSync(process.execPath, [...flags, '-e', program], { encoding: 'utf8' })
  expect(stderr).toContain(hint)
})

test("an addon's own failure to load is the reason given, and the cause", async () => {
  const loadBinding = await loader('broken.cjs', 'throw new Error("libfoo.so: cannot open\\nmore")')
  expect(loadBinding).toThrow(
    expect.objectContaining({
      message: expect.stringContaining('broken.cjs: libfoo.so: cannot open\n'),
      cause: expect.objectContaining({ message: 'libfoo.so: cannot open\nmore' }),
    }),
  )
})

test('a failed load of the addon is tried again the next time', async () => {
  const loadBinding = await loader('late.cjs')
  expect(loadBinding).toThrow(/no such file/)
  writeFileSync(join(folder, 'late.cjs'), FITTING)
  expect(loadBinding().Model.load).toBeTypeOf('function')
})

test('inside an Electron archive the file beside the archive is loaded', async () => {
  const loadBinding = await loader('app.asar/addon.cjs', FITTING, 'app.asar.unpacked/addon.cjs')
  expect(loadBinding().Model.load).toBeTypeOf('function')
})
