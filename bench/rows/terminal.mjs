// The row on the command line: how soon Ctrl-C is heeded.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { inRoot } from '../../scripts/paths.mjs'
import { Stop } from '../../scripts/steps.mjs'
import { median } from '../stats.mjs'
import { startTmux } from '../terminal.mjs'

const ESC = '\u001b'
const PROMPT = new RegExp(`${ESC}\\[36m> `)
/** About 1,500 tokens: Ctrl-C comes while they are evaluated. */
const SYSTEM =
  'You tell long stories about the sea, the hills and the old town, and you never end them. '.repeat(75)
const INTO_PROMPT_MS = 300
const WORDS = /(?:\w+\W+){12}/

/** ms from the key until the program asks again. */
async function interrupt({ keys, wrote }) {
  const pressed = performance.now()
  keys('C-c')
  const before = await wrote(PROMPT)
  return { ms: performance.now() - pressed, before }
}

async function session(words) {
  const terminal = await startTmux(words)
  if (!terminal) return undefined
  const { type, keys, wrote, stop } = terminal
  try {
    await wrote(PROMPT)
    type('Begin.')
    keys('Enter')
    await sleep(INTO_PROMPT_MS)
    const inPrompt = await interrupt(terminal)
    if (WORDS.test(inPrompt.before)) throw new Stop(`The answer had begun: ${inPrompt.before}`)
    type('Now begin.')
    keys('Enter')
    await wrote(/Now begin\./)
    await wrote(WORDS)
    return { inPrompt: inPrompt.ms, inAnswer: (await interrupt(terminal)).ms }
  } finally {
    await stop()
  }
}

export const terminalRows = [
  {
    name: 'ctrl-c',
    title: 'a chat in a terminal: from Ctrl-C, in the middle of a prompt or an answer, until it asks again',
    unit: 'ms',
    bar: { atMost: 200, worst: true },
    async measure({ model, threads, pairs: count, onPair }) {
      const home = mkdtempSync(join(tmpdir(), 'gpt4all-bench-'))
      const flags = [
        '-m',
        model,
        '--n-threads',
        String(threads),
        '--max-tokens',
        '1000',
        '--temp',
        '0',
        '-s',
        SYSTEM,
      ]
      const words = ['env', `HOME=${home}`, `XDG_STATE_HOME=${home}`, 'TERM=xterm', process.execPath]
      const measured = []
      try {
        for (let i = 0; i < count; i++) {
          const times = await session([...words, inRoot('dist', 'cli.cjs'), 'chat', ...flags])
          if (!times) return { skipped: 'it needs tmux' }
          measured.push(times)
          onPair(times, i)
        }
      } finally {
        rmSync(home, { recursive: true, force: true })
      }
      const of = (name) => median(measured.map((times) => times[name])).toFixed(0)
      return {
        values: measured.map(({ inPrompt, inAnswer }) => Math.max(inPrompt, inAnswer)),
        note: `medians: ${of('inPrompt')} ms in a prompt, ${of('inAnswer')} ms in an answer`,
        measured,
      }
    },
  },
]
