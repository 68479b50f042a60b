import { spawn } from 'node:child_process'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { abortOf } from '../aborts.ts'
import { cacheFolder, makeCacheFolder } from '../cache-folder.ts'
import type { Logger } from '../logger.ts'
import { Queue } from '../queue.ts'
import { writeWhole } from '../whole-file.ts'
import { environmentOf } from './child-environment.ts'
import { canStart, type TrialRole } from './own-node.ts'
import type { NativeBinding } from './types.ts'

/** What a child process is to try, which it may die of. */
export type Trial = {
  readonly role: TrialRole
  /**
   * JavaScript (CommonJS) of a function `(binding, input, step) => void | Promise<void>`; `step(name)` tells what comes next.
   * A text, since a bundled program has no file of ours to run.
   */
  readonly program: string
  readonly input: string
  /** Time of the processor, since a machine may be busy. */
  readonly limitMs: number
  /** Beyond what it takes when it begins. */
  readonly limitBytes: number
  /** After this long there is something else wrong: no verdict. */
  readonly giveUpMs: number
  readonly signal?: AbortSignal
}

export type TrialEnd = {
  /** `crash` also where the program threw. */
  readonly end: 'well' | 'time' | 'memory' | 'crash'
  /** The signal or the exit code. */
  readonly status: NodeJS.Signals | number | null
  /** The last step that it told of. */
  readonly step: string | undefined
  /** What it wrote last on stderr. */
  readonly lastWords: string
}

/** No verdict: the child could not be started, or ended for a reason that is not its program's. */
class NoVerdict extends Error {}

/** Runs the program, and beside it a thread that ends it where it takes too much, or its parent is gone. */
const CHILD = `
const { readFileSync, writeSync } = require('node:fs')
const tell = (line) => writeSync(1, line + '\\n')
const binding = require(require('node:url').fileURLToPath(process.argv[1]))
const input = readFileSync(0, 'utf8')
const watch = \`
  const { parentPort, workerData: { bytes, ms, parent } } = require('node:worker_threads')
  const end = (why) => { require('node:fs').writeSync(1, why + '\\\\n'); process.kill(process.pid, 'SIGKILL') }
  const since = process.cpuUsage()
  setInterval(() => {
    if (process.memoryUsage.rss() > bytes) end('end memory')
    const { user, system } = process.cpuUsage(since)
    if ((user + system) / 1000 > ms) end('end time')
    if (process.ppid !== parent) end('end orphan')
  }, 10)
  parentPort.postMessage('watching')
\`
const [, , limitBytes, limitMs, program] = process.argv
const workerData = { bytes: process.memoryUsage.rss() + Number(limitBytes), ms: Number(limitMs), parent: process.ppid }
new (require('node:worker_threads').Worker)(watch, { eval: true, workerData }).once('message', async () => {
  tell('ready')
  await eval(program)(binding, input, (name) => tell('step ' + name))
  process.exit(0)
})
`

const LAST_WORDS = 2000

/** Rejects where it cannot be found out how it ends, and with the signal's reason once that aborts. */
export function inChild(trial: Trial, { file }: NativeBinding): Promise<TrialEnd> {
  const { role, program, input, limitBytes, limitMs, giveUpMs, signal } = trial
  signal?.throwIfAborted()
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['-e', CHILD, file, String(limitBytes), String(limitMs), program], {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: environmentOf(role, { GGML_NO_BACKTRACE: '1' }),
      windowsHide: true,
    })
    let said = ''
    let lastWords = ''
    child.stdout.on('data', (data) => {
      said += data
    })
    child.stderr.on('data', (data) => {
      lastWords = (lastWords + data).slice(-LAST_WORDS)
    })
    const kill = () => child.kill('SIGKILL')
    const timer = setTimeout(kill, giveUpMs)
    signal?.addEventListener('abort', kill, { once: true })
    child.stdin.on('error', () => {}) // it died before it read everything
    child.stdin.end(input)
    child.once('error', (error) => reject(new NoVerdict(error.message)))
    child.once('close', (code, by) => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', kill)
      if (signal?.aborted) return reject(signal.reason)
      const lines = said.split('\n')
      const why = lines.find((line) => line.startsWith('end '))?.slice('end '.length)
      const step = lines.findLast((line) => line.startsWith('step '))?.slice('step '.length)
      const tell = (end: TrialEnd['end']) => resolve({ end, status: by ?? code, step, lastWords })
      if (why === 'time' || why === 'memory') tell(why)
      else if (lines[0] === 'ready' && why === undefined && code === 0) tell('well')
      else if (lines[0] === 'ready' && why === undefined && by !== 'SIGKILL') tell('crash')
      else reject(new NoVerdict(`it ended with ${by ?? code}${said === '' ? ' while it started' : ''}`))
    })
  })
}

/** What is tried under one key, and who waits for it. */
type Attempt = {
  readonly passed: Promise<void>
  readonly abort: AbortController
  waiting: number
}

/** What has passed its trial, of one kind: each is tried once, and then remembered on disk. */
export class Trials {
  readonly #role: TrialRole
  readonly #folder: string
  readonly #what: string
  readonly #attempts = new Map<string, Attempt>()
  /** One child at a time: several would only make each other slower. */
  readonly #line = new Queue()

  /** `folder` in the cache folder; `what` is tried, e.g. `a chat template`. */
  constructor(role: TrialRole, folder: string, what: string) {
    this.#role = role
    this.#folder = folder
    this.#what = what
  }

  isRemembered(key: string): Promise<boolean> {
    const folder = cacheFolder()
    return (folder ? stat(join(folder, this.#folder, key)) : Promise.reject()).then(
      () => true,
      () => false,
    )
  }

  /**
   * Resolves once what `key` stands for has passed, which `attempt` finds out for all who ask meanwhile, or cannot be tried
   * here, which is logged. Rejects with what `attempt` throws about it: the next one to ask tries it again.
   */
  async pass(
    key: string,
    attempt: (signal: AbortSignal) => Promise<void>,
    logger: Logger,
    signal?: AbortSignal,
  ): Promise<void> {
    const shared = this.#attempts.get(key) ?? this.#begin(key, attempt, logger)
    shared.waiting++
    try {
      await (signal ? Promise.race([shared.passed, abortOf(signal)]) : shared.passed)
    } finally {
      // Does nothing to one that has ended.
      if (--shared.waiting === 0) shared.abort.abort()
    }
  }

  #begin(key: string, attempt: (signal: AbortSignal) => Promise<void>, logger: Logger): Attempt {
    const abort = new AbortController()
    const shared = { passed: this.#try(key, attempt, logger, abort.signal), abort, waiting: 0 }
    const forget = () => {
      if (this.#attempts.get(key) === shared) this.#attempts.delete(key)
    }
    this.#attempts.set(key, shared)
    shared.passed.then(() => abort.signal.removeEventListener('abort', forget), forget)
    abort.signal.addEventListener('abort', forget)
    return shared
  }

  async #try(
    key: string,
    attempt: (signal: AbortSignal) => Promise<void>,
    logger: Logger,
    signal: AbortSignal,
  ): Promise<void> {
    if (await this.isRemembered(key)) return
    if (!canStart(this.#role))
      return logger.debug(`${this.#what} is not tried first: this program is its own Node.js`)
    const leave = await this.#line.enter()
    try {
      await attempt(signal)
    } catch (error) {
      if (!(error instanceof NoVerdict)) throw error
      return logger.warn(`${this.#what} could not be tried in a child process: ${error.message}`)
    } finally {
      leave()
    }
    await makeCacheFolder(this.#folder)
      .then((folder) => writeWhole(join(folder, key), ['']))
      .catch((error: Error) => logger.debug(`${this.#what} that passed is not remembered: ${error.message}`))
  }
}
