import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { build } from 'tsup'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { installed, PACKED, version } from './installed.ts'

const execute = promisify(execFile)
const root = resolve(import.meta.dirname, '../..')
const platformName = `${process.platform}-${process.arch}`
const ANSWER = `
  const path = require('node:path')
  const models = path.join(path.dirname(require.resolve('gpt4all-ts/package.json')), 'models')
  const file = path.join(models, require('node:fs').readdirSync(models).find((name) => name.endsWith('.gguf')))
  async function answer(GPT4All, options) {
    const model = await GPT4All.load(file, options)
    const prompt = await model.renderPrompt([{ role: 'user', content: 'What is the capital of France?' }])
    const text = await model.generate(prompt, { temp: 0, maxTokens: 24 })
    await model.close()
    console.log(text)
  }
`

let app: string
let bare: string

beforeAll(async () => {
  app = await installed(PACKED.main, PACKED.platform)
  bare = await installed(PACKED.main)
})

afterAll(() => {
  for (const folder of [app, bare]) if (folder) rmSync(folder, { recursive: true, force: true })
})

async function node(
  folder: string,
  file: string,
  source: string,
): Promise<{ stdout: string; stderr: string }> {
  writeFileSync(join(folder, file), source)
  const { GPT4ALL_BINDING: _, ...env } = process.env
  return execute(process.execPath, [file], { cwd: folder, env })
}

/** Bundles a program of the project with the library inside; returns the bundle's file. */
async function bundle(program: string, folder: string): Promise<string> {
  const outDir = join(app, folder)
  await build({
    entry: [join(app, program)],
    outDir,
    format: ['cjs'],
    platform: 'node',
    external: [/^@gpt4all-ts\//],
    noExternal: [/^(?!@gpt4all-ts\/)/],
    config: false,
    silent: true,
  })
  const [file] = readdirSync(outDir)
  return join(outDir, file!)
}

describe('the packed tarballs, installed into an empty folder', () => {
  test('answer from ES modules', async () => {
    const source = `import { createRequire } from 'node:module'
      import { GPT4All } from 'gpt4all-ts'
      const require = createRequire(import.meta.url)
      ${ANSWER}
      await answer(GPT4All)`
    const { stdout, stderr } = await node(app, 'answer.mjs', source)
    expect(stdout).toContain('Paris')
    expect(stderr).toBe('')
  })

  test('answer from CommonJS', async () => {
    const source = `const { GPT4All } = require('gpt4all-ts')
      ${ANSWER}
      answer(GPT4All)`
    const { stdout, stderr } = await node(app, 'answer.cjs', source)
    expect(stdout).toContain('Paris')
    expect(stderr).toBe('')
  })

  test('answer from a process of their own: ES modules, CommonJS, a worker thread', async () => {
    // A worker thread has the addon too, to end the process with itself.
    const asked = `${ANSWER}
      const { isMainThread } = require('node:worker_threads')
      const isOutside = () => Object.keys(require.cache).every((file) => !file.endsWith('.node'))
      answer(GPT4All, { isolated: true }).then(() => console.log(!isMainThread || isOutside()))`
    const esm = `import { createRequire } from 'node:module'
      import { GPT4All } from 'gpt4all-ts'
      const require = createRequire(import.meta.url)
      ${asked}`
    const cjs = `const { GPT4All } = require('gpt4all-ts')
      ${asked}`
    writeFileSync(join(app, 'isolated-worker.cjs'), cjs)
    const worker = `const { Worker } = require('node:worker_threads')
      new Worker(require.resolve('./isolated-worker.cjs'))`
    for (const [file, source] of Object.entries({
      'isolated.mjs': esm,
      'isolated.cjs': cjs,
      'isolated-main.cjs': worker,
    })) {
      const { stdout, stderr } = await node(app, file, source)
      expect(stdout, file).toMatch(/Paris[\s\S]*true/)
      expect(stderr, file).toBe('')
    }
  })

  test('answer from a process of their own when they are bundled, with the package beside the bundle', async () => {
    writeFileSync(
      join(app, 'bundled.cjs'),
      `const { GPT4All } = require('gpt4all-ts')
      ${ANSWER}
      answer(GPT4All, { isolated: true })`,
    )
    const file = await bundle('bundled.cjs', 'bundle')
    expect(readFileSync(file, 'utf8')).toContain('engine-host') // the library is inside
    const { stdout } = await execute(process.execPath, [file], { cwd: tmpdir() })
    expect(stdout).toContain('Paris')
  })

  test('open a model file that is not known in a child process first, also from a bundle', async () => {
    const source = `${ANSWER}
      const fs = require('node:fs')
      const { GPT4All } = require('gpt4all-ts')
      const unknown = path.join(__dirname, 'unknown.gguf')
      fs.writeFileSync(unknown, Buffer.concat([fs.readFileSync(file), Buffer.alloc(1)]))
      const silent = () => {}
      const logger = { debug: silent, info: silent, warn: (line) => console.error(line), error: silent }
      GPT4All.load(unknown, { logger }).then((model) => model.close())`
    writeFileSync(join(app, 'unknown.cjs'), source)
    const bundled = await bundle('unknown.cjs', 'unknown-bundle')
    for (const file of [join(app, 'unknown.cjs'), bundled]) {
      const home = mkdtempSync(join(app, 'home-'))
      const env = { ...process.env, HOME: home, USERPROFILE: home, XDG_CACHE_HOME: '' }
      const { stderr } = await execute(process.execPath, [file], { cwd: tmpdir(), env })
      expect(stderr, file).toBe('')
      expect(readdirSync(join(home, '.cache/gpt4all-ts/opened')), file).toHaveLength(1)
    }
  })

  test('are one library for import and require: the same classes under the same names', async () => {
    const source = `import * as esm from 'gpt4all-ts'
      import { createRequire } from 'node:module'
      const cjs = createRequire(import.meta.url)('gpt4all-ts')
      const names = Object.keys(cjs).sort()
      console.log(JSON.stringify([names, Object.keys(esm).sort(), names.every((name) => esm[name] === cjs[name])]))`
    const { stdout } = await node(app, 'same.mjs', source)
    const [cjsNames, esmNames, same] = JSON.parse(stdout)
    expect(esmNames).toEqual(cjsNames)
    expect(cjsNames).toContain('GPT4All')
    expect(same).toBe(true)
  })

  test('have a server that serves the same classes', async () => {
    const source = `import { GPT4All } from 'gpt4all-ts'
      import { createServer } from 'gpt4all-ts/server'
      const model = new GPT4All('none.gguf')
      const server = createServer(model)
      const request = (path) => server.fetch(new Request('http://localhost' + path))
      const { data } = await (await request('/v1/models')).json()
      const page = await (await request('/')).text()
      console.log(data[0].id, page.includes('<title>'))
      await server.close()`
    expect(await node(app, 'serve.mjs', source)).toEqual({ stdout: 'none true\n', stderr: '' })
  })

  test('run programs for gpt4all by changing the import: named, as a whole, required, and those of 2023', async () => {
    const source = `import { fileURLToPath } from 'node:url'
      import { createRequire } from 'node:module'
      import gpt, * as names from 'gpt4all-ts/compat'
      import { GPT4All } from 'gpt4all-ts/compat/2023'
      const required = createRequire(import.meta.url)('gpt4all-ts/compat')
      const isOne = gpt === required && required.default === required && names.loadModel === required.loadModel
      const file = fileURLToPath(import.meta.resolve('gpt4all-ts/models/gpt4all-ts-tiny-chat.Q8_0.gguf'))
      const [, modelPath, name] = /^(.*)[\\\\/](.*)$/.exec(file)
      const model = await gpt.loadModel(name, { modelPath, allowDownload: false })
      const question = 'What is the capital of France?'
      const { choices } = await names.createCompletion(model, question, { temp: 0, nPredict: 20 })
      model.dispose()
      const old = new GPT4All(file, false, { temp: 0, n_predict: 20 })
      await old.init()
      await old.open()
      console.log(isOne, choices[0].message.content, await old.prompt(question))
      old.close()`
    const { stdout, stderr } = await node(app, 'compat.mjs', source)
    expect(stdout).toMatch(/^true .*Paris.*Paris/)
    expect(stderr).toBe('')
  })

  test('have a working command line', async () => {
    const command = join(app, 'node_modules', '.bin', 'gpt4all-ts')
    const model = join(app, 'node_modules', 'gpt4all-ts', 'models', 'gpt4all-ts-tiny-chat.Q8_0.gguf')
    const args = ['generate', '-m', model, '--temp', '0', 'What is the capital of France?']
    const env = { ...process.env, HOME: app, XDG_STATE_HOME: app }
    const { stdout } = await execute(command, args, { cwd: app, env, shell: process.platform === 'win32' })
    expect(stdout).toContain('Paris')
  })

  test('do nothing at import: no output, no binary loaded', async () => {
    const source = `require('gpt4all-ts')
      console.log(Object.keys(require.cache).filter((file) => file.endsWith('.node')).length)`
    expect(await node(app, 'import.cjs', source)).toEqual({ stdout: '0\n', stderr: '' })
  })

  test.each(['nodenext', 'node16'])(
    'type-check for both kinds of importer in %s, with libraries checked too',
    async (module) => {
      const source = `import { GPT4All, type GPT4AllError } from 'gpt4all-ts'
      export async function ask(path: string): Promise<string> {
        const model = await GPT4All.load(path)
        return await model.generate('Hello', { maxTokens: 3 })
      }
      import gpt, { loadModel, type InferenceModel } from 'gpt4all-ts/compat'
      export const load = (name: string): Promise<InferenceModel> => loadModel(name)
      export const complete = (model: InferenceModel) => gpt.createCompletion(model, 'Hello')
      import { GPT4All as Bot } from 'gpt4all-ts/compat/2023'
      export const bot = new Bot('gpt4all-lora-quantized', true)
      import { createServer, type ServerOptions } from 'gpt4all-ts/server'
      export const serve = (model: GPT4All, options: ServerOptions) => createServer(model, options)
      export type Failure = GPT4AllError\n`
      for (const file of ['ask.mts', 'ask.cts']) writeFileSync(join(app, file), source)
      const types = join(root, 'node_modules', '@types')
      const options = ['--strict', '--noEmit', '--module', module, '--target', 'es2022', '--typeRoots', types]
      const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
      const run = execute(process.execPath, [tsc, ...options, '--types', 'node', 'ask.mts', 'ask.cts'], {
        cwd: app,
      })
      await expect(run).resolves.toMatchObject({ stdout: '' })
    },
  )
})

describe('the main tarball without the platform package', () => {
  test('says which package is missing and how to get it', async () => {
    const source = `const { GPT4All } = require('gpt4all-ts')
      ${ANSWER}
      answer(GPT4All).catch((error) => console.log(error.code, error.message))`
    const { stdout } = await node(bare, 'missing.cjs', source)
    expect(stdout).toContain('ERR_BINDING')
    expect(stdout).toContain(`@gpt4all-ts/${platformName}`)
    expect(stdout).toContain('npm install --include=optional')
  })
})

describe('the manifests', () => {
  const tool = (path: string, ...args: string[]) =>
    execute(process.execPath, [join(root, 'node_modules', path), ...args], { cwd: root })

  test('satisfy publint', async () => {
    const { stdout } = await tool('publint/src/cli.js', PACKED.main, '--strict')
    expect(stdout).toContain('All good!')
  })

  test('satisfy Are The Types Wrong', async () => {
    const { stdout } = await tool('@arethetypeswrong/cli/dist/index.js', PACKED.main)
    expect(stdout).toContain('No problems found')
  })

  test('lock the platform packages to the version of the main one', () => {
    const manifest = installedManifest(app, 'gpt4all-ts')
    expect(manifest.optionalDependencies).toEqual({ [`@gpt4all-ts/${platformName}`]: version })
    expect(installedManifest(app, `@gpt4all-ts/${platformName}`)).toMatchObject({
      version,
      os: [process.platform],
      cpu: [process.arch],
    })
  })

  test('carry the licences, and nothing that only the repository needs', () => {
    const files = readdirSync(join(app, 'node_modules', 'gpt4all-ts')).sort()
    expect(files).toEqual(
      [
        'CHANGELOG.md',
        'LICENSE',
        'README.md',
        'THIRD_PARTY_NOTICES.md',
        'dist',
        'models',
        'package.json',
      ].sort(),
    )
    const native = readdirSync(join(app, 'node_modules', '@gpt4all-ts', platformName)).sort()
    expect(native).toEqual(
      ['LICENSE', 'README.md', 'THIRD_PARTY_NOTICES.md', 'gpt4all.node', 'package.json'].sort(),
    )
    expect(installedManifest(app, 'gpt4all-ts')).not.toHaveProperty('scripts')
  })
})

function installedManifest(folder: string, name: string): Record<string, unknown> {
  return JSON.parse(readFileSync(join(folder, 'node_modules', name, 'package.json'), 'utf8'))
}
