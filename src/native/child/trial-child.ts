import { type ChildProcessByStdio, spawn } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'
import { messageOf } from '../../core/errors.ts'
import type { NativeBinding } from '../contract.ts'
import { environmentOf } from './environment.ts'
import { startWithThread, type TrialRole } from './node.ts'
import { type ProgramName, programFile } from './program-file.ts'
import type { TrialOrder, TrialReport } from './trial-runner.ts'
import { NoVerdict } from './trials.ts'

/** What a child process tries, and may crash on. */
type Trial = TrialOrder & {
  /** After this long something else is wrong, and there is no verdict. */
  readonly giveUpMs: number
  readonly signal?: AbortSignal
  readonly onStep?: (name: string) => void
}

export type TrialEnd = {
  /** `killed`: from outside, for example by a system that is out of memory. */
  readonly end: 'well' | 'time' | 'memory' | 'crash' | 'killed'
  /** The signal or the exit code. */
  readonly status: NodeJS.Signals | number | null
  /** The last step that was reported. */
  readonly step: string | undefined
  /** The word that the program returned. */
  readonly word: string | undefined
  /** The end of what it wrote to stderr. */
  readonly lastWords: string
}

const LAST_WORDS = 2000
/** A longer timer of Node.js fires at once. */
const MOST_MS = 2 ** 31 - 1

type Closed =
  | { readonly code: number | null; readonly signal: NodeJS.Signals | null }
  | { readonly error: Error }

/** A child process that has loaded the addon, and waits for its one trial. */
export class TrialChild {
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>
  readonly #closed: Promise<Closed>
  #said = ''
  #lastWords = ''
  #onSaid = () => {}
  #isFree = true

  /** @throws {NoVerdict} if the program is not found */
  constructor(role: TrialRole, program: ProgramName, binding: NativeBinding) {
    const file = find(program)
    const env = environmentOf(role, { GGML_NO_BACKTRACE: '1' })
    this.#child = startWithThread(binding, () =>
      spawn(process.execPath, [file, binding.file], {
        stdio: ['pipe', 'pipe', 'pipe'],
        env,
        windowsHide: true,
      }),
    )
    this.#child.stdout.on('data', (data) => {
      this.#said += data
      this.#onSaid()
    })
    this.#child.stderr.on('data', (data) => {
      this.#lastWords = (this.#lastWords + data).slice(-LAST_WORDS)
    })
    this.#child.stdin.on('error', () => {}) // the child died before it read everything
    this.#closed = new Promise((resolve) => {
      this.#child.once('error', (error) => resolve({ error }))
      this.#child.once('close', (code, signal) => resolve({ code, signal }))
    })
  }

  /** Whether it has not got its trial yet. */
  get isFree(): boolean {
    return this.#isFree
  }

  /** Ends the child, unless it has got its trial. */
  dismiss(): void {
    if (this.#isFree) this.#child.kill('SIGKILL')
    this.#isFree = false
  }

  /** Rejects with `NoVerdict` if the outcome is unknown, and with the signal's reason once that aborts. */
  try({ giveUpMs, signal, onStep, ...order }: Trial): Promise<TrialEnd> {
    signal?.throwIfAborted()
    this.#isFree = false
    return new Promise((resolve, reject) => {
      const tell = (end: TrialEnd['end'], status: TrialEnd['status']) =>
        resolve({
          end,
          status,
          step: this.#last('step'),
          word: this.#last('done') || undefined,
          lastWords: this.#lastWords,
        })
      this.#onSaid = () => {
        const step = this.#last('step')
        if (step !== undefined) onStep?.(step)
        if (this.#last('done') !== undefined) tell('well', 0) // the child's exit takes a while
      }
      let isGivenUp = false
      const giveUp = () => {
        isGivenUp = true
        this.#child.kill('SIGKILL')
      }
      const timer = setTimeout(giveUp, Math.min(giveUpMs, MOST_MS))
      signal?.addEventListener('abort', giveUp, { once: true })
      this.#child.stdin.end(JSON.stringify(order satisfies TrialOrder))
      this.#closed.then((closed) => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', giveUp)
        if (signal?.aborted) return reject(signal.reason)
        if ('error' in closed) return reject(new NoVerdict(closed.error.message))
        const { code, signal: by } = closed
        const why = this.#last('end')
        if (why === 'time' || why === 'memory') tell(why, by)
        else if (!this.#said.startsWith('ready') || isGivenUp || why !== undefined)
          reject(new NoVerdict(`it ended with ${by ?? code}${this.#said === '' ? ' while it started' : ''}`))
        else if (this.#last('failed') !== undefined) reject(new NoVerdict(this.#last('failed')))
        else tell(by === 'SIGKILL' ? 'killed' : 'crash', by ?? code)
      })
    })
  }

  #last(what: TrialReport): string | undefined {
    return new RegExp(`^.*\\n${what} ([^\\n]*)\\n`, 's').exec(this.#said)?.[1]
  }
}

function find(program: ProgramName): string {
  try {
    return programFile(program)
  } catch (error) {
    throw new NoVerdict(messageOf(error))
  }
}
