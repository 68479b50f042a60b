import { spawn } from 'node:child_process'
import { readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { abortOf } from '../aborts.ts'
import { cacheFolder, makeCacheFolder } from '../cache-folder.ts'
import type { Logger } from '../logger.ts'
import { Queue } from '../queue.ts'
import { writeWhole } from '../whole-file.ts'
import { environmentOf } from './child-environment.ts'
import { canStart, startWithThread, type TrialRole } from './own-node.ts'
import type { NativeBinding } from './types.ts'

/** What a child process is to try, which it may die of. */
export type Trial = {
  readonly role: TrialRole
  /**
   * JavaScript (CommonJS) of a function `(binding, input, watch, step) => unknown`: `watch()` begins to look at what it takes,
   * `step(name)` tells what comes next, and what it returns, or a promise of it, may be a word. A text, since a bundled program has
   * no file of ours to run.
   */
  readonly program: string
  readonly input: string
  /** Time of the processor, since a machine may be busy. */
  readonly limitMs: number
  /** Beyond what it takes when the watch begins. */
  readonly limitBytes: number
  /** After this long there is something else wrong: no verdict. */
  readonly giveUpMs: number
  readonly signal?: AbortSignal
  readonly onStep?: (name: string) => void
}

export type TrialEnd = {
  /** `killed`: from outside, as by a system that has no more memory. */
  readonly end: 'well' | 'time' | 'memory' | 'crash' | 'killed'
  /** The signal or the exit code. */
  readonly status: NodeJS.Signals | number | null
  /** The last step that it told of. */
  readonly step: string | undefined
  /** The word that it returned. */
  readonly word: string | undefined
  /** What it wrote last on stderr. */
  readonly lastWords: string
}

/** The child could not be started, or ended for a reason that is not what it tried; or its program threw. */
export class NoVerdict extends Error {}

/** Runs the program; the watch is a thread that ends it where it takes too much, or its parent is gone. */
const CHILD = `
const { readFileSync, writeSync } = require('node:fs')
const tell = (line) => writeSync(1, line + '\\n')
const watching = \`
  const { bytes, ms, parent } = require('node:worker_threads').workerData
  const end = (why) => { require('node:fs').writeSync(1, why + '\\\\n'); process.kill(process.pid, 'SIGKILL') }
  const since = process.cpuUsage()
  setInterval(() => {
    if (process.memoryUsage.rss() > bytes) end('end memory')
    const { user, system } = process.cpuUsage(since)
    if ((user + system) / 1000 > ms) end('end time')
    if (process.ppid !== parent) end('end orphan')
  }, 10)
\`
const [, , limitBytes, limitMs, program] = process.argv
const parent = process.ppid
const watch = () => {
  const workerData = { bytes: process.memoryUsage.rss() + Number(limitBytes), ms: Number(limitMs), parent }
  new (require('node:worker_threads').Worker)(watching, { eval: true, workerData })
}
const binding = require(require('node:url').fileURLToPath(process.argv[1]))
const input = readFileSync(0, 'utf8')
tell('ready')
void (async () => {
  try {
    const word = await eval(program)(binding, input, watch, (name) => tell('step ' + name))
    tell('done ' + (word ?? ''))
  } catch (error) {
    tell('failed ' + String(error).split('\\n')[0])
  }
  process.exit(0)
})()
`

const LAST_WORDS = 2000

/** Rejects where it cannot be found out how it ends, and with the signal's reason once that aborts. */
export function inChild(trial: Trial, binding: NativeBinding): Promise<TrialEnd> {
  const { role, program, input, limitBytes, limitMs, giveUpMs, signal, onStep } = trial
  signal?.throwIfAborted()
  return new Promise((resolve, reject) => {
    const args = ['-e', CHILD, binding.file, String(limitBytes), String(limitMs), program]
    const env = environmentOf(role, { GGML_NO_BACKTRACE: '1' })
    const child = startWithThread(binding, () =>
      spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'pipe'], env, windowsHide: true }),
    )
    let said = ''
    let lastWords = ''
    const last = (what: string) => new RegExp(`^.*\\n${what} ([^\\n]*)\\n`, 's').exec(said)?.[1]
    const tell = (end: TrialEnd['end'], status: TrialEnd['status']) =>
      resolve({ end, status, step: last('step'), word: last('done') || undefined, lastWords })
    child.stdout.on('data', (data) => {
      said += data
      const step = last('step')
      if (step !== undefined) onStep?.(step)
      if (last('done') !== undefined) tell('well', 0) // its own end takes a while
    })
    child.stderr.on('data', (data) => {
      lastWords = (lastWords + data).slice(-LAST_WORDS)
    })
    let isGivenUp = false
    const giveUp = () => {
      isGivenUp = true
      child.kill('SIGKILL')
    }
    const timer = setTimeout(giveUp, giveUpMs)
    signal?.addEventListener('abort', giveUp, { once: true })
    child.stdin.on('error', () => {}) // it died before it read everything
    child.stdin.end(input)
    child.once('error', (error) => reject(new NoVerdict(error.message)))
    child.once('close', (code, by) => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', giveUp)
      if (signal?.aborted) return reject(signal.reason)
      const why = last('end')
      if (why === 'time' || why === 'memory') tell(why, by)
      else if (!said.startsWith('ready') || isGivenUp || why !== undefined)
        reject(new NoVerdict(`it ended with ${by ?? code}${said === '' ? ' while it started' : ''}`))
      else if (last('failed') !== undefined) reject(new NoVerdict(last('failed')))
      else tell(by === 'SIGKILL' ? 'killed' : 'crash', by ?? code)
    })
  })
}

/** True where it has passed, false where nothing is known of it; throws what is wrong with it. */
type Try = (signal: AbortSignal) => Promise<boolean>

/** What is tried under one key, and who waits for it. */
type Attempt = {
  readonly passed: Promise<boolean>
  readonly abort: AbortController
  waiting: number
}

/** Of one kind: beyond it those that passed longest ago are tried again. */
const MOST_REMEMBERED = 4096

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
  async pass(key: string, attempt: Try, logger: Logger, signal?: AbortSignal): Promise<void> {
    const shared = this.#attempts.get(key) ?? this.#begin(key, attempt, logger)
    shared.waiting++
    try {
      await (signal ? Promise.race([shared.passed, abortOf(signal)]) : shared.passed)
    } finally {
      if (--shared.waiting === 0) shared.abort.abort() // which does nothing once it is over
    }
  }

  #begin(key: string, attempt: Try, logger: Logger): Attempt {
    const abort = new AbortController()
    const shared = { passed: this.#try(key, attempt, logger, abort.signal), abort, waiting: 0 }
    const forget = () => {
      if (this.#attempts.get(key) === shared) this.#attempts.delete(key)
    }
    this.#attempts.set(key, shared)
    abort.signal.addEventListener('abort', forget)
    shared.passed.then((isKnown) => {
      abort.signal.removeEventListener('abort', forget)
      if (!isKnown) forget()
    }, forget)
    return shared
  }

  async #try(key: string, attempt: Try, logger: Logger, signal: AbortSignal): Promise<boolean> {
    if (await this.isRemembered(key)) return true
    if (!canStart(this.#role)) {
      logger.debug(`${this.#what} is not tried first: this program is its own Node.js`)
      return true
    }
    const leave = await this.#line.enter()
    try {
      if (!(await attempt(signal))) return false
    } catch (error) {
      if (!(error instanceof NoVerdict)) throw error
      logger.warn(`${this.#what} could not be tried in a child process: ${error.message}`)
      return true
    } finally {
      leave()
    }
    await this.#remember(key).catch((error: Error) =>
      logger.debug(`${this.#what} that passed is not remembered: ${error.message}`),
    )
    return true
  }

  async #remember(key: string): Promise<void> {
    const folder = await makeCacheFolder(this.#folder)
    const names = await readdir(folder)
    if (names.length >= MOST_REMEMBERED) {
      const ages = names.map(async (name) => ({ name, time: (await stat(join(folder, name))).mtimeMs }))
      const oldest = (await Promise.all(ages)).sort((one, other) => one.time - other.time)
      for (const { name } of oldest.slice(0, MOST_REMEMBERED / 2)) await rm(join(folder, name))
    }
    await writeWhole(join(folder, key), [''])
  }
}
