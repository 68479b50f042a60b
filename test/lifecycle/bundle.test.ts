import { execFile } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { build } from 'tsup'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { architectureModel } from '../support/architectures.ts'
import { binding } from '../support/native-models.ts'
import { tinyModel } from '../support/tiny-models.ts'

const execute = promisify(execFile)
const root = join(import.meta.dirname, '..', '..')
const top = mkdtempSync(join(tmpdir(), 'gpt4all-bundle-'))
afterAll(() => rmSync(top, { recursive: true, force: true }))

/** The package is installed in `app` only. Bundles have the library inside, but no programs of child processes. */
const [app, elsewhere] = [join(top, 'app'), join(top, 'elsewhere')]
beforeAll(async () => {
  const own = /^@gpt4all-ts\//
  await build({
    entry: { bundle: join(import.meta.dirname, 'children', 'bundled.mjs') },
    outDir: top,
    outExtension: () => ({ js: '.cjs' }),
    format: ['cjs'],
    platform: 'node',
    external: [own],
    noExternal: [/^(?!@gpt4all-ts\/)/],
    config: false,
    silent: true,
  })
  for (const folder of [app, elsewhere]) {
    mkdirSync(folder)
    copyFileSync(join(top, 'bundle.cjs'), join(folder, 'bundle.cjs'))
  }
  mkdirSync(join(app, 'node_modules'))
  symlinkSync(root, join(app, 'node_modules', 'gpt4all-ts'), 'junction')
})

/** No header check knows of it: with a tensor that it may have, the graph reads one that it has not. */
const CRASHING = architectureModel('rwkv6qwen2').tensor('blk.0.time_mix_first.weight', [32, 2])

/** Opens the file in a bundle in `folder`; what opened is remembered in an empty home folder. */
async function open(folder: string, bytes: Buffer, { cwd = top, isolated = false } = {}) {
  const home = mkdtempSync(join(top, 'home-'))
  const path = join(home, 'model.gguf')
  writeFileSync(path, bytes)
  const env = {
    ...process.env,
    GPT4ALL_BINDING: fileURLToPath(binding.file),
    HOME: home,
    USERPROFILE: home,
    XDG_CACHE_HOME: '',
  }
  const { stdout } = await execute(process.execPath, [join(folder, 'bundle.cjs'), path, String(isolated)], {
    cwd,
    env,
  })
  return { ...JSON.parse(stdout), isRemembered: existsSync(join(home, '.cache/gpt4all-ts/opened')) }
}

const missing = (program: string) =>
  expect.stringMatching(
    `${program}\\.cjs\\) was not found\\..* Keep the package gpt4all-ts installed beside a bundle`,
  )

test('a bundle with the package beside it opens an unknown model file in a child process first', async () => {
  expect(await open(app, tinyModel('llama'))).toEqual({ trials: 1, warnings: [], isRemembered: true })
  const crash = await open(app, CRASHING.bytes())
  expect(crash).toMatchObject({ code: 'ERR_MODEL_DAMAGED', warnings: [] })
})

test('a bundle without the package opens an unknown model file untried, and warns how to change that', async () => {
  const opening = await open(elsewhere, tinyModel('llama'))
  expect(opening).toEqual({ trials: 1, warnings: [missing('trial')], isRemembered: false })
})

test('a bundle without the package refuses an isolated engine with an ERR_BINDING that says how to have one', async () => {
  const opening = await open(elsewhere, tinyModel('llama'), { isolated: true })
  expect(opening).toMatchObject({ code: 'ERR_BINDING', message: missing('engine-host') })
})

test('a package in the working folder serves an isolated engine, which was asked for, and no trial', async () => {
  const isolated = await open(elsewhere, tinyModel('llama'), { cwd: app, isolated: true })
  expect(isolated).toEqual({ trials: 0, warnings: [], isRemembered: false })
  const inside = await open(elsewhere, tinyModel('llama'), { cwd: app })
  expect(inside).toEqual({ trials: 1, warnings: [missing('trial')], isRemembered: false })
})
