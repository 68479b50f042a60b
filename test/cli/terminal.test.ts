import { execFileSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, describe, expect, test } from 'vitest'
import { ENV, home, program } from '../support/cli.ts'
import { EMBEDDED, hasReal, REAL } from '../support/models.ts'

// A real terminal, driven by keys. Where there is no tmux (Windows, bare containers) nothing of it can be tried.
const hasTmux = (() => {
  try {
    return /^tmux/.test(execFileSync('tmux', ['-V'], { encoding: 'utf8' }))
  } catch {
    return false
  }
})()

const sockets: string[] = []
const tmuxAt =
  (socket: string) =>
  (...args: string[]) =>
    execFileSync('tmux', ['-L', socket, ...args], { encoding: 'utf8' })
const quote = (text: string) => `'${text.replaceAll("'", "'\\''")}'`

afterEach(() => {
  for (const socket of sockets.splice(0)) tmuxAt(socket)('kill-server')
})

/** A terminal in which `gpt4all-ts` runs; `status()` is what the shell says when it is over. */
function terminal(args: readonly string[], env: Record<string, string> = {}, columns = 100) {
  const socket = `gpt4all-${randomUUID()}`
  sockets.push(socket)
  const tmux = tmuxAt(socket)
  const variables = Object.entries({ HOME: home, XDG_STATE_HOME: ENV.XDG_STATE_HOME, ...env })
  const words = [
    'env',
    ...variables.map(([name, value]) => `${name}=${value}`),
    process.execPath,
    program,
    ...args,
  ]
  const command = `${words.map(quote).join(' ')}; echo "ended with $?"; cat`
  tmux('-f', '/dev/null', 'new-session', '-d', '-x', String(columns), '-y', '40', command)
  const screen = (...how: string[]) => tmux('capture-pane', '-p', ...how)
  return {
    screen,
    keys: (...keys: string[]) => tmux('send-keys', ...keys),
    type: (text: string) => tmux('send-keys', '-l', text),
    paste(text: string) {
      tmux('set-buffer', text)
      tmux('paste-buffer', '-p') // says where it begins and ends, as terminals do
    },
    /** What a terminal shows comes when it comes: looked at until it is there. */
    async shows(pattern: RegExp): Promise<string> {
      for (let tries = 0; tries < 1200; tries++) {
        const now = screen()
        if (pattern.test(now)) return now
        await sleep(25)
      }
      throw new Error(`${pattern} never appeared:\n${screen()}`)
    },
  }
}

const CHAT = ['chat', '-m', EMBEDDED, '--n-threads', '1', '--temp', '0', '--repeat-penalty', '1']

/** The model's answer goes on until the context is full. */
const ENDLESS = [
  '--max-tokens',
  'infinity',
  '--stop',
  'there is no such text',
  '--repeat-penalty',
  '1.5',
  '--temp',
  '2',
  '--top-p',
  '1',
]

describe.skipIf(!hasTmux)('a chat in a terminal', () => {
  test('shows a prompt, streams the answer, and asks again', async () => {
    const { type, keys, shows } = terminal(CHAT)
    await shows(/Q8_0\. \/help lists .*\n> *$/m)
    type('Count from 1 to 5.')
    keys('Enter')
    const screen = await shows(/1, 2, 3, 4, 5\.\n> *$/m)
    expect(screen).toContain('> Count from 1 to 5.')
    keys('C-d')
    await shows(/ended with 0/)
  })

  test('breaks the lines of an answer between words', async () => {
    const { type, keys, shows } = terminal(CHAT, {}, 30)
    await shows(/> *$/m)
    type('Count from 1 to 20.')
    keys('Enter')
    const screen = await shows(/ 20\.\n> *$/m)
    const answer = screen.slice(screen.indexOf('\n1, 2') + 1, screen.lastIndexOf('\n>')).split('\n')
    expect(answer.length).toBeGreaterThan(2)
    for (const line of answer) expect(line).toMatch(/^\d+, .*[,.]$/)
  })

  test('stops an answer at Ctrl-C, and ends at two of them at the prompt', async () => {
    const { type, keys, shows } = terminal([...CHAT.slice(0, 5), ...ENDLESS])
    await shows(/^> *$/m)
    type('Tell me a very long story.')
    keys('Enter')
    await shows(/story\.\n.+/)
    keys('C-c')
    await shows(/\n> *$/m)
    type('/stats')
    keys('Enter')
    await shows(/context +\d+ of 2048 tokens/)
    keys('C-c')
    await shows(/press Ctrl-C again to leave/)
    keys('C-c')
    await shows(/ended with 130/)
  })

  test('brings back what was typed in an earlier chat', async () => {
    const first = terminal(CHAT)
    await first.shows(/^> *$/m)
    first.type('Count from 1 to 3.')
    first.keys('Enter')
    await first.shows(/1, 2, 3\.\n> *$/m)
    first.keys('C-d')
    await first.shows(/ended with 0/)
    const second = terminal(CHAT)
    await second.shows(/^> *$/m)
    second.keys('Up')
    await second.shows(/^> Count from 1 to 3\./m)
  })

  test('reads only texts from a forged history, and shows their control characters', async () => {
    const state = join(home, 'forged state')
    const file = join(state, 'gpt4all-ts', 'cli.json')
    mkdirSync(dirname(file), { recursive: true })
    for (const [inputs, line] of [
      [['\u001b[2Jbefore\nbehind', 5, null, ['x']], /^> \\u001b\[2Jbefore\\u000abehind$/m],
      [{ length: 1e9 }, /^> *$/m],
      [7, /^> *$/m],
    ] as const) {
      writeFileSync(file, JSON.stringify({ model: 5, inputs }))
      const { shows, keys } = terminal(CHAT, { XDG_STATE_HOME: state })
      await shows(/^> *$/m)
      keys('Up')
      await shows(line)
      keys('C-u', 'C-d')
      await shows(/ended with 0/)
    }
  })

  test('reads lines that are pasted together as one message', async () => {
    const { paste, type, keys, shows } = terminal(CHAT)
    await shows(/^> *$/m)
    paste('My name is Ada.\nWhat is my name?\n')
    await shows(/^> My name is Ada\.\nWhat is my name\?\n.+\n> *$/m) // one answer to both
    // Without an end of line the last one waits for Enter.
    paste('My name is Bob.\nWhat is')
    await shows(/^What is$/m)
    type(' my name?')
    keys('Enter')
    await shows(/^What is my name\?\n.+\n> *$/m)
    keys('C-d')
    await shows(/ended with 0/)
  })

  test('takes lines that were typed during an answer one by one, after it', async () => {
    const { type, keys, shows } = terminal([...CHAT.slice(0, 5), ...ENDLESS])
    await shows(/^> *$/m)
    type('Tell me a very long story.')
    keys('Enter')
    await shows(/story\.\n.+/)
    for (const line of ['/set top-p', '/system']) {
      type(line)
      keys('Enter')
      await sleep(200) // lines that come faster were pasted
    }
    keys('C-c')
    await shows(/topP is 1\.\n[\s\S]*There is no system prompt\.\n> *$/m)
    keys('C-d')
    await shows(/ended with 0/)
  })

  test.skipIf(!hasReal)('takes a message back whose prompt is still being read', async () => {
    const model = ['chat', '-m', REAL, '--n-ctx', '8192', '--n-batch', '16']
    const { paste, keys, type, shows } = terminal(model)
    await shows(/^> *$/m)
    paste(`${'It was a dark and stormy night, and the rain fell in torrents. '.repeat(180)}\n`)
    await shows(/reading the prompt: \d+ % of \d+ tokens/)
    keys('C-c')
    await shows(/Stopped before the answer began: the message is not kept\.\n> *$/m)
    type('/stats')
    keys('Enter')
    await shows(/context +\d\d? of 8192 tokens \(0 %\)/)
    keys('C-d')
    await shows(/ended with 0/)
  })

  test('lets the user choose if there is no model', async () => {
    const empty = join(home, 'nobody')
    const { keys, shows } = terminal(['--verbose'], {
      HOME: empty,
      XDG_STATE_HOME: empty,
      GPT4ALL_MODELS_URL: 'http://127.0.0.1:9/',
    })
    await shows(/Which model\?/)
    await shows(/the tiny model of this package/)
    keys('Enter')
    await shows(/\/help lists/)
    keys('C-d')
    await shows(/ended with 0/)
  })

  test('has no colours with NO_COLOR', async () => {
    const colours = (env: Record<string, string>) => {
      const one = terminal(['chat', '-m', 'nowhere.gguf', '--no-allow-download'], env)
      return one.shows(/ended with 3/).then(() => one.screen('-e'))
    }
    // biome-ignore lint/suspicious/noControlCharactersInRegex: colours begin with one
    const coloured = /\x1b\[31m/
    expect(await colours({})).toMatch(coloured)
    expect(await colours({ NO_COLOR: '1' })).not.toMatch(coloured)
  })
})
