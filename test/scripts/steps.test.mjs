import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { withLock } from '../../scripts/lock.mjs'
import { run } from '../../scripts/process.mjs'
import { bar, seconds, step } from '../../scripts/steps.mjs'
import { installCommand } from '../../scripts/tools.mjs'

const recorder = () => {
  const written = []
  return { written, write: (text) => written.push(text) }
}

const temporary = () => {
  const folder = mkdtempSync(join(tmpdir(), 'gpt4all-ts-steps-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

test('a step is one line that says what was done and how long it took', async () => {
  const out = recorder()
  expect(await step('addon', async () => 'built', out)).toBe('built')
  expect(out.written.join('')).toMatch(/addon:? +built \(\d+\.\d s\)\n$/)
})

test('a step that fails says so and passes the failure on', async () => {
  const out = recorder()
  await expect(step('addon', async () => Promise.reject(new Error('no')), out)).rejects.toThrow('no')
  expect(out.written.join('')).toMatch(/failed addon|✗ addon/)
})

test('progress bars and times are formatted for people', () => {
  expect(bar(0.5, 10)).toBe('[#####-----]  50 %')
  expect(bar(1, 4)).toBe('[####] 100 %')
  expect([seconds(120), seconds(59_940), seconds(61_000)]).toEqual(['0.1 s', '59.9 s', '1 min 1 s'])
})

test('the setup lock lets one process in at a time', async () => {
  const folder = temporary()
  let inside = 0
  const work = async () => {
    expect(++inside).toBe(1)
    await new Promise((resolve) => setTimeout(resolve, 20))
    inside--
  }
  await Promise.all([withLock(work, folder), withLock(work, folder)])
})

test('the setup lock of a process that died is taken over', async () => {
  const folder = temporary()
  writeFileSync(join(folder, 'setup.lock'), '999999999')
  expect(await withLock(async () => 'in', folder)).toBe('in')
  // Left from another container, where a process had this one's number.
  writeFileSync(join(folder, 'setup.lock'), String(process.pid))
  expect(await withLock(async () => 'in', folder)).toBe('in')
})

test('a program that says nothing for too long is ended with its children', async () => {
  const started = Date.now()
  const { stalled, code } = await run('sh', ['-c', 'echo one; sleep 30 & wait'], { quietLimit: 300 })
  expect([stalled, code === 0]).toEqual([true, false])
  expect(Date.now() - started).toBeLessThan(10_000)
})

test('a program that cannot be started is a failure with a reason', async () => {
  expect(await run('no-such-program-here', [])).toMatchObject({
    code: 127,
    output: expect.stringContaining('ENOENT'),
  })
})

test('the command that installs a tool fits the system', () => {
  const on = (program) => ({
    platform: 'linux',
    uid: 1000,
    find: (name) => (name === program ? name : undefined),
  })
  expect(installCommand('cmake', on('apt-get'))).toBe('sudo apt-get install -y cmake')
  expect(installCommand('c++', { ...on('dnf'), uid: 0 })).toBe('dnf install -y gcc-c++')
  expect(installCommand('ninja', on('apk'))).toBe('sudo apk add samurai')
  expect(installCommand('c++', { platform: 'darwin' })).toBe('xcode-select --install')
  expect(installCommand('cmake', { platform: 'win32' })).toBe('winget install Kitware.CMake')
})
