import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Stop } from '../../scripts/steps.mjs'
import { treeId } from '../../scripts/tree.mjs'
import { fillVendor, vendorId, vendorRoom } from '../../scripts/vendor.mjs'

let base
let upstream
let room

const git = (cwd, ...args) =>
  execFileSync('git', ['-c', 'user.name=t', '-c', 'user.email=t@t', ...args], {
    cwd,
    encoding: 'utf8',
    stdio: 'pipe',
  }).trim()

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'gpt4all-ts-vendor-'))
  upstream = makeUpstream(join(base, 'upstream'))
  const npm = makePackage(join(base, 'package'), upstream)
  const root = makeRoot(join(base, 'root'), upstream, join(base, 'nowhere'))
  const pack = (_, folder) => {
    copyFileSync(npm.archive, join(folder, 'package.tgz'))
    return join(folder, 'package.tgz')
  }
  const { commit, tree } = upstream
  room = vendorRoom({ root, release: { release: 'v1', commit }, npm: { ...npm, commit, tree }, pack })
})

afterEach(() => {
  vi.unstubAllEnvs()
  rmSync(base, { recursive: true, force: true })
})

/** A little llama.cpp: a text, a script that is executable, a folder, an ignored file that is tracked all the same. */
function makeUpstream(folder) {
  mkdirSync(join(folder, 'src'), { recursive: true })
  writeFileSync(join(folder, 'README.md'), 'llama\n')
  writeFileSync(join(folder, '.gitignore'), '*.inp\n')
  writeFileSync(join(folder, 'src', 'a.inp'), 'tracked though ignored\n')
  writeFileSync(join(folder, 'run.sh'), '#!/bin/sh\n')
  chmodSync(join(folder, 'run.sh'), 0o755)
  git(folder, 'init', '-q', '-b', 'master')
  git(folder, 'add', '-A', '-f')
  git(folder, 'commit', '-q', '-m', 'release')
  return { folder, commit: git(folder, 'rev-parse', 'HEAD'), tree: git(folder, 'rev-parse', 'HEAD^{tree}') }
}

/** An npm package that carries the upstream as a bundle. */
function makePackage(folder, { folder: source }) {
  mkdirSync(join(folder, 'package', 'llama'), { recursive: true })
  const bundle = 'package/llama/gitRelease.bundle'
  git(source, 'bundle', 'create', '-q', join(folder, bundle), 'HEAD', 'master')
  const archive = join(folder, 'package.tgz')
  execFileSync('tar', ['-czf', archive, '-C', folder, bundle])
  const integrity = `sha512-${createHash('sha512').update(readFileSync(archive)).digest('base64')}`
  return { package: 'some-package@1.0.0', archive, bundle, integrity }
}

/** A repository whose vendor/llama.cpp is a submodule that has not been fetched. */
function makeRoot(folder, { commit }, url) {
  mkdirSync(join(folder, 'vendor', 'llama.cpp'), { recursive: true })
  git(folder, 'init', '-q')
  writeFileSync(join(folder, '.gitignore'), '/.cache/\n')
  writeFileSync(
    join(folder, '.gitmodules'),
    `[submodule "vendor/llama.cpp"]\n\tpath = vendor/llama.cpp\n\turl = file://${url}\n`,
  )
  git(folder, 'add', '.gitignore', '.gitmodules')
  git(folder, 'update-index', '--add', '--cacheinfo', `160000,${commit},vendor/llama.cpp`)
  git(folder, 'commit', '-q', '-m', 'root')
  return folder
}

const status = () => git(room.root, 'status', '--porcelain')
const leftovers = () => (existsSync(join(room.root, '.cache')) ? readdirSync(join(room.root, '.cache')) : [])

test('an unreachable repository is replaced by the npm package, and git sees no change', async () => {
  expect(await fillVendor(room)).toBe('v1, from the npm package some-package@1.0.0')
  expect(treeId(room.at)).toBe(upstream.tree)
  expect(await vendorId(room)).toBe(upstream.tree)
  expect(status()).toBe('')
  expect(existsSync(join(room.root, '.git', 'modules', 'vendor', 'llama.cpp'))).toBe(false)
  expect(git(room.root, 'config', '--list')).not.toContain('submodule')
})

test('a repository that can be reached gives the submodule', async () => {
  vi.stubEnv('GIT_ALLOW_PROTOCOL', 'file')
  git(room.root, 'config', '-f', '.gitmodules', 'submodule.vendor/llama.cpp.url', `file://${upstream.folder}`)
  expect(await fillVendor(room)).toBe('v1, from its repository')
  expect(git(room.at, 'rev-parse', 'HEAD')).toBe(upstream.commit)
  expect(await vendorId(room)).toBe(upstream.commit)
  expect(await fillVendor(room)).toBe('v1, in place')
})

test('a checkout that is not a git repository uses the npm package too', async () => {
  rmSync(join(room.root, '.git'), { recursive: true })
  expect(await fillVendor(room)).toContain('from the npm package')
  expect(treeId(room.at)).toBe(upstream.tree)
})

test('a complete vendor folder is left alone, with and without its stamp', async () => {
  await fillVendor(room)
  const refuse = { ...room, pack: () => expect.unreachable() }
  expect(await fillVendor(refuse)).toBe('v1, in place')
  rmSync(room.stamp)
  expect(await fillVendor(refuse)).toBe('v1, in place')
})

test('a half-filled vendor folder is filled again', async () => {
  await fillVendor(room)
  rmSync(join(room.at, 'src'), { recursive: true })
  writeFileSync(join(room.at, 'README.md'), 'lla')
  expect(await fillVendor(room)).toContain('in place of an incomplete one')
  expect(treeId(room.at)).toBe(upstream.tree)
  expect(leftovers()).toEqual(['vendor.json'])
})

test('a vendor folder with edited files is kept aside and filled again', async () => {
  await fillVendor(room)
  writeFileSync(join(room.at, 'README.md'), 'my work\n')
  expect(await fillVendor(room)).toContain('.cache/llama.cpp.replaced')
  expect(treeId(room.at)).toBe(upstream.tree)
  expect(readFileSync(join(room.root, '.cache', 'llama.cpp.replaced', 'README.md'), 'utf8')).toBe('my work\n')
})

test('a package with another hash is refused in one sentence and nothing changes', async () => {
  room.npm.integrity = `sha512-${'A'.repeat(86)}==`
  writeFileSync(join(room.at, 'left'), 'by hand')
  const failure = await fillVendor(room).catch((error) => error)
  expect(failure).toBeInstanceOf(Stop)
  expect(failure.message).toMatch(
    /^What the npm registry sent .* is not the package this repository pins.*npm run setup` again\.$/,
  )
  expect(readdirSync(room.at)).toEqual(['left'])
  expect(leftovers()).toEqual([])
})

test('a bundle with another tree is refused and nothing changes', async () => {
  room.npm.tree = '0'.repeat(40)
  await expect(fillVendor(room)).rejects.toThrow(
    /is not the one this repository pins .* run `npm run setup` again\.$/,
  )
  expect(readdirSync(room.at)).toEqual([])
  expect(leftovers()).toEqual([])
  expect(status()).toBe('')
})

test('without git the message says which command installs it', async () => {
  vi.stubEnv('PATH', base)
  await expect(fillVendor(room)).rejects.toThrow(/^git is missing[\s\S]*git/)
})

test('without repository and registry the message says what to do', async () => {
  vi.stubEnv('npm_config_registry', 'http://127.0.0.1:9')
  const { pack: _, ...options } = { root: room.root, release: room.release, npm: room.npm }
  const failure = await fillVendor(vendorRoom(options)).catch((error) => error)
  expect(failure).toBeInstanceOf(Stop)
  expect(failure.message).toMatch(
    /^llama\.cpp could not be fetched: its repository does not answer .*ECONNREFUSED.* run `npm run setup` again\.$/,
  )
  expect(readdirSync(room.at)).toEqual([])
  expect(leftovers()).toEqual([])
  expect(status()).toBe('')
})
