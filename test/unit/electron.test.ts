import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { mayRunAsNode } from '../../src/native/child/electron.ts'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'gpt4all-electron-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

const MIB = 2 ** 20
const SENTINEL = 'dL7pKGdnNz796PbbjQWNKmHXBZaB9tsX'

/** A program with these switches after `before` other bytes. */
function program(name: string, before: number, switches: string): string {
  const path = join(folder, name)
  writeFileSync(path, Buffer.concat([Buffer.alloc(before, 7), Buffer.from(switches), Buffer.alloc(MIB)]))
  return path
}

test.runIf(process.platform !== 'darwin').each([
  ['on', `${SENTINEL}\u0001\u00081`, true],
  ['off', `${SENTINEL}\u0001\u00080`, false],
  ['removed', `${SENTINEL}\u0001\u0008r`, false],
  ['not there', 'nothing of the kind', false],
])('an Electron whose switch is %s may become Node.js: wherever the switch lies', (name, switches, may) => {
  for (const before of [0, 3 * MIB, 4 * MIB - 40, 4 * MIB - 33, 4 * MIB - 5, 9 * MIB + 1])
    expect(mayRunAsNode(program(`${name}-${before}`, before, switches)), String(before)).toBe(may)
})

test('an Electron that cannot be read does not', () => {
  expect(mayRunAsNode(join(folder, 'missing'))).toBe(false)
})
