import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import { afterEach, describe, expect, test } from 'vitest'
import { GPT4All } from '../../src/index.ts'
import { ENV, home, program, run, start } from '../support/cli.ts'
import { EMBEDDED } from '../support/models.ts'
import { TINY_MODELS } from '../support/tiny-models.ts'

/** Fills the clipboard, clears the screen, colours, turns the order of letters, deletes. */
const EVIL = 'a\u001b]52;c;ZXZpbA==\u0007\u001b[2J\u009b31m\u202e\u007fb'
const SHOWN = 'a\\u001b]52;c;ZXZpbA==\\u0007\\u001b[2J\\u009b31m\\u202e\\u007fb'
const OBEYED = /(?![\n\t])[\p{Cc}\u202a-\u202e\u2066-\u206f]/u

const folder = join(home, 'evil')
mkdirSync(folder, { recursive: true })
const evilModel = join(folder, 'evil.gguf')
writeFileSync(evilModel, TINY_MODELS.llama().set('general.name', 'string', EVIL).bytes())
const evilArchitecture = join(folder, 'architecture.gguf')
writeFileSync(evilArchitecture, TINY_MODELS.llama().set('general.architecture', 'string', EVIL).bytes())
const evilTemplate = join(folder, 'template.gguf')
writeFileSync(
  evilTemplate,
  TINY_MODELS.llama().set('tokenizer.chat_template', 'string', `{{ raise_exception('${EVIL}') }}`).bytes(),
)

const started: ChildProcess[] = []
afterEach(() => {
  for (const child of started.splice(0)) child.kill()
})

/** Nothing of it is obeyed, and it is shown. */
function expectShown({ stdout, stderr }: { readonly stdout: string; readonly stderr: string }): void {
  expect(stdout + stderr).not.toMatch(OBEYED)
  expect(stdout + stderr).toContain(SHOWN)
}

describe('terminal escapes are shown, and not obeyed', () => {
  test.each([
    ['the name in a file', ['models', 'info', evilModel]],
    ['the name in a file, as JSON', ['models', 'list', '--local', '--json', '--model-path', EVIL]],
    ['the architecture in a file', ['generate', '-m', evilArchitecture, 'x']],
    ['what a chat template raises', ['generate', '-m', evilTemplate, 'x']],
    ['what a chat template raises, with --verbose', ['--verbose', 'generate', '-m', evilTemplate, 'x']],
    ['the name of a model that is not there', ['generate', '-m', `${EVIL}.gguf`, '--no-allow-download', 'x']],
    ['the name of a missing model, in doctor', ['doctor', '-m', `/nowhere/${EVIL}.gguf`]],
    ['a flag', ['generate', `--${EVIL}`]],
    ['a command', [EVIL]],
    ['a URL', ['models', 'download', 'x.gguf', '--url', EVIL]],
    ['the prompt in a log', ['--verbose', 'generate', '-m', EMBEDDED, '-n', '1', '--raw', EVIL]],
  ])('in %s', async (_, args) => {
    expectShown(await run(args))
  })

  test.skipIf(process.platform === 'win32')('in the names of files', async () => {
    const names = join(home, 'names')
    mkdirSync(join(names, `below${EVIL}`), { recursive: true })
    copyFileSync(EMBEDDED, join(names, `${EVIL}.gguf`))
    copyFileSync(EMBEDDED, join(names, `below${EVIL}`, 'x.gguf'))
    const named = join(names, `${EVIL}.gguf`)
    writeFileSync(join(names, 'two\nlines.gguf'), 'no model')
    for (const args of [
      ['models', 'list', '--local', '--model-path', names],
      ['models', 'list', '--local', '--model-path', join(names, `below${EVIL}`)],
      ['models', 'info', named],
      ['models', 'verify', named],
      ['doctor', '--model-path', join(names, `below${EVIL}`)],
      ['bench', '-m', named, '--runs', '1', '--tokens', '1', '--prompt', '1', '--streams', '1'],
      ['models', 'remove', EVIL, '--yes', '--model-path', names],
    ])
      expectShown(await run(args))
    const { stdout } = await run(['models', 'list', '--local', '--model-path', names])
    expect(stdout).toContain('two\\u000alines.gguf')
    expectShown(
      await run(['chat', '-m', join(names, `below${EVIL}`, 'x.gguf')], `/load ${EVIL}\n/model ${EVIL}\n`),
    )
  })

  test('in what the catalog says', async () => {
    const server = createServer((_, response) => {
      const entry = { filename: 'x.gguf', filesize: '1000', name: EVIL, order: EVIL, description: EVIL }
      response.end(JSON.stringify([entry]))
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const env = { GPT4ALL_MODELS_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}/` }
    for (const more of [[], ['--json']]) expectShown(await run(['models', 'list', ...more], '', env))
    server.close()
  })

  test('in the log of a server', async () => {
    const { child, said, ended } = start(['serve', '-m', EMBEDDED, '--port', '0', '--log-prompts'])
    const [url] = await said(/http:\/\/127\.0\.0\.1:\d+/)
    for (const body of [
      { prompt: EVIL, max_tokens: 1 },
      { model: EVIL, prompt: 'x' },
      { [EVIL]: 1, prompt: 'x' },
    ])
      await (await fetch(`${url}/v1/completions`, { method: 'POST', body: JSON.stringify(body) })).text()
    child.kill('SIGTERM')
    expectShown(await ended)
  })
})

describe('control characters in the text of a model', async () => {
  // Whatever the prompt is, it says nothing but ESC.
  const model = await GPT4All.load(EMBEDDED, { nThreads: 1 })
  const [esc] = await model.tokenize('\u001b')
  await model.close()
  const args = ['generate', '-m', EMBEDDED, '-n', '5', '--logit-bias', `${esc}=1000`, 'Hello']

  test.each([[], ['--no-stream'], ['--raw']])(
    'are written unchanged, byte by byte, if stdout is not a terminal %s',
    async (...more) => {
      const { stdout } = await run([...args, ...more])
      expect(stdout).toBe(`${'\u001b'.repeat(5)}\n`)
    },
  )

  // util-linux's `script` gives a program a pseudo terminal; the one of BSD and macOS takes other options.
  const hasTerminal =
    process.platform === 'linux' && spawnSync('script', ['-qec', 'true', '/dev/null']).status === 0
  /** What it writes there; once `pattern` is there, `keys` are typed. */
  async function onTerminal(
    words: readonly string[],
    ...typed: (readonly [RegExp, string])[]
  ): Promise<string> {
    const command = [process.execPath, program, ...words].map((word) => `'${word}'`).join(' ')
    const child = spawn('script', ['-qec', command, '/dev/null'], { env: ENV })
    started.push(child)
    let said = ''
    child.stdout.on('data', (data) => {
      said += data
      const [next] = typed
      if (!next?.[0].test(stripVTControlCharacters(said))) return
      typed.shift()
      child.stdin.write(next[1])
    })
    await once(child, 'close')
    return said
  }

  test.skipIf(!hasTerminal)('are shown, and not obeyed, on a terminal', async () => {
    for (const more of [[], ['--no-stream'], ['--json']]) {
      const said = await onTerminal(['--quiet', ...args, ...more])
      expect(said).toContain('\\u001b'.repeat(5))
      expect(said.replaceAll('\r\n', '\n')).not.toMatch(OBEYED)
    }
    const chat = await onTerminal(
      ['chat', ...args.slice(1, -1)],
      [/> $/, 'Hello\r'],
      [/(\\u001b){5}\s+It ends after .*\s+> $/, '\u0004'],
    )
    expect(chat).toContain('\\u001b'.repeat(5))
    expect(chat).not.toContain('\u001b'.repeat(2))
  })

  test.skipIf(!hasTerminal)(
    'and of the name of its file are shown, and not obeyed, above a progress bar',
    async () => {
      const named = join(folder, `${EVIL}.gguf`)
      copyFileSync(EMBEDDED, named)
      const said = await onTerminal(['--verbose', 'generate', '-m', named, '-n', '1', 'x'])
      expect(said).toMatch(/load \[=+\]/)
      expect(said).toContain(SHOWN.slice(0, 20))
      for (const sequence of ['\u001b]', '\u001b[2J', '\u009b', '\u202e', '\u007f'])
        expect(said).not.toContain(sequence)
    },
  )
})
