/** The child's side of a `TrialChild`. Of the library it imports types only: each trial waits for it. */
import { readFileSync, writeSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import type { NativeBinding } from '../contract.ts'

/** What the child reads from stdin, as JSON. Nothing there means that it is not needed. */
export type TrialOrder = {
  /** For the program. */
  readonly input: unknown
  /** CPU time, since a machine may be busy. */
  readonly limitMs: number
  /** Beyond the memory in use when the watch begins. */
  readonly limitBytes: number
}

/**
 * How the lines begin that the child writes to stdout after `ready`: a step begins; the program returned a
 * word, or threw; the watch ends the child, and why.
 */
export type TrialReport = 'step' | 'done' | 'failed' | 'end'

/** Why the watch ends the child: a limit is exceeded, or the parent is gone. */
type TrialStop = 'time' | 'memory' | 'orphan'

type TrialProgram<Input> = (
  binding: NativeBinding,
  input: Input,
  /**
   * Starts to check the limits. It does so in turns of the event loop, since a thread would take 25 ms to
   * start, so long work must not be done on this thread.
   */
  watch: () => void,
  /** Reports what comes next. */
  step: (name: string) => void,
) => Promise<string | undefined>

const WATCH_MS = 10

/** Runs `program` once, as this process: loads the addon, reads the input, and exits. */
export function runTrial<Input>(program: TrialProgram<Input>): void {
  const parent = process.ppid
  const binding = loadAddon()
  const order = readFileSync(0, 'utf8')
  if (order === '') process.exit(0)
  const { input, limitMs, limitBytes } = JSON.parse(order) as TrialOrder
  write('ready')
  const watch = () => watchLimits(limitMs, limitBytes, parent)
  program(binding, input as Input, watch, (name) => report('step', name))
    .then((word = '') => report('done', word))
    .catch((error: unknown) => report('failed', String(error).split('\n')[0]!))
    .then(() => process.exit(0))
}

/** The parent has found and checked the addon, and passes the URL of its file. */
function loadAddon(): NativeBinding {
  const file = fileURLToPath(process.argv[2]!)
  return createRequire(file)(file) as NativeBinding
}

function watchLimits(limitMs: number, limitBytes: number, parent: number): void {
  const mostBytes = process.memoryUsage.rss() + limitBytes
  const since = process.cpuUsage()
  setInterval(() => {
    if (process.memoryUsage.rss() > mostBytes) stop('memory')
    const { user, system } = process.cpuUsage(since)
    if ((user + system) / 1000 > limitMs) stop('time')
    if (process.ppid !== parent) stop('orphan')
  }, WATCH_MS)
}

function stop(why: TrialStop): void {
  report('end', why)
  process.kill(process.pid, 'SIGKILL')
}

function report(what: TrialReport, detail: string): void {
  write(`${what} ${detail}`)
}

function write(line: string): void {
  writeSync(1, `${line}\n`)
}
