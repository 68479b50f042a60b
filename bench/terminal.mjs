// A program in a real terminal, tmux in its control mode: keys go in, and what the program writes is heard at once.
import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { Stop } from '../scripts/steps.mjs'

const PATIENCE_MS = 60_000

const quote = (text) => `'${text.replaceAll("'", "'\\''")}'`

/** Runs `words` in it: `{ type(text), keys(...names), wrote(pattern), stop() }`; `undefined` where there is no tmux. */
export async function startTmux(words) {
  const server = ['-L', `gpt4all-bench-${randomUUID()}`, '-f', '/dev/null']
  const command = words.map(quote).join(' ')
  const tmux = spawn('tmux', [...server, '-C', 'new-session', '-x', '100', '-y', '40', command], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const isThere = await once(tmux, 'spawn').then(
    () => true,
    () => false,
  )
  if (!isThere) return undefined
  let written = ''
  let hear = () => {}
  createInterface({ input: tmux.stdout }).on('line', (line) => {
    const [, text] = /^%output %\d+ (.*)$/.exec(line) ?? []
    if (text === undefined) return
    written += text.replaceAll(/\\(\d{3})/g, (_, octal) => String.fromCharCode(Number.parseInt(octal, 8)))
    hear()
  })
  return {
    type: (text) => tmux.stdin.write(`send-keys -l ${quote(text)}\n`),
    keys: (...names) => tmux.stdin.write(`send-keys ${names.join(' ')}\n`),
    /** Resolves when it has written `pattern`, with what came before; what comes later is looked at by the next call. */
    async wrote(pattern) {
      const deadline = sleep(PATIENCE_MS, false, { ref: false })
      for (;;) {
        const found = pattern.exec(written)
        if (found) {
          const before = written.slice(0, found.index)
          written = written.slice(found.index + found[0].length)
          return before
        }
        const heard = new Promise((resolve) => {
          hear = () => resolve(true)
        })
        if (!(await Promise.race([heard, deadline]))) throw new Stop(`${pattern} never came:\n${written}`)
      }
    },
    async stop() {
      const closed = once(tmux, 'close')
      tmux.stdin.write('kill-server\n')
      await closed
    },
  }
}
