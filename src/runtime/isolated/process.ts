import { type ChildProcess, fork } from 'node:child_process'
import { isMainThread } from 'node:worker_threads'
import type { EngineCrashedError } from '../../core/errors.ts'
import type { Logger } from '../../core/logger.ts'
import type { ChatMessage } from '../../core/messages.ts'
import type { Progress } from '../../core/progress.ts'
import { publishPrompt } from '../../core/prompt-channel.ts'
import { loadBinding } from '../../native/binding.ts'
import { environmentOf } from '../../native/child/environment.ts'
import { hostFile } from '../../native/child/host-file.ts'
import { startWithThread } from '../../native/child/node.ts'
import type { NativeBinding } from '../../native/contract.ts'
import type { Activity } from '../../scheduler/scheduler.ts'
import { crashOf, type End } from './crash.ts'
import { connect, Outbox } from './link.ts'
import type { RemoteRun } from './remote-run.ts'
import type { HostFunctions, News, ProgramFunctions, RemoteHost } from './wire.ts'
import { errorToWire } from './wire-errors.ts'

/** The most lines, and characters of a line, kept from the end of the process's stderr and log. */
const LAST_LINES = 20
const LONGEST_LINE = 500
/** How long to wait for stderr after the process has ended. */
const LAST_WORDS_MS = 200

/** What the program knows about a model in the process. */
export type ModelWatch = {
  readonly logger: Logger
  onProgress: (progress: Progress) => void
  parallel: number
  activity: Activity
}

type Overflow = () => Promise<readonly ChatMessage[]>

/** A process in which models are opened and compute, for as long as it lives. */
export class EngineProcess {
  readonly #host: RemoteHost
  readonly models = new Map<number, ModelWatch>()
  readonly overflows = new Map<number, Overflow>()
  /** Resolves once the process has ended. */
  readonly ended: Promise<void>
  readonly #child: ChildProcess
  /** Held weakly: a generation that is neither referenced nor awaited any more is left. */
  readonly #runs = new Map<number, WeakRef<RemoteRun>>()
  readonly #abandoned = new FinalizationRegistry((id: number) => this.leaveRun(id))
  /** Waits for the process, which keep the program alive, and what for, where that is not a generation. */
  readonly #held = new Set<{ readonly what: string | undefined; readonly waiting: Promise<unknown> }>()
  #isReferenced = true
  #receive: (message: unknown) => void = () => {}
  /** The last line that reports a failure. */
  #lastError: string | undefined
  readonly #waiting = new Set<(error: unknown) => void>()
  #lastLines: string[] = []
  #failure: Error | undefined
  /** Why the process was ended, where that is not a crash. */
  #endedBecause: Error | undefined
  #hung: string | undefined
  #nextId = 0

  /** `onCrash` is called at an unexpected end, before the calls that it fails reject. */
  constructor(
    cwd: string,
    env: Readonly<Record<string, string>>,
    onCrash: (crash: EngineCrashedError) => void,
  ) {
    this.#child = start(cwd, env)
    const outbox = new Outbox<unknown>((messages) => {
      this.#send(messages)
    })
    this.#host = connect<HostFunctions, ProgramFunctions>(this.#functions(), outbox, (receive) => {
      this.#receive = receive
      this.#child.on('message', (messages) => {
        for (const message of messages as object[])
          if ('news' in message) this.#note(message.news as News)
          else receive(message)
      })
    })
    this.ended = this.#watch().then((end) => {
      this.#failure = this.#endedBecause ?? this.#crash(end, onCrash)
      for (const run of this.#runs.values()) run.deref()?.fail(this.#failure)
      for (const reject of this.#waiting) reject(this.#failure)
      this.#host.$rejectPendingCalls()
      this.#host.$close()
    })
    this.#setReferenced(false)
  }

  get pid(): number | undefined {
    const { pid, exitCode, signalCode } = this.#child
    return exitCode === null && signalCode === null ? pid : undefined
  }

  /** True until the end of the process is noticed, or asked for: calls made before that reject with the others. */
  get isAlive(): boolean {
    return this.#failure === undefined && this.#endedBecause === undefined
  }

  /** A number that nothing else in this process has. */
  newId(): number {
    return this.#nextId++
  }

  /** Calls the process and returns its answer; rejects when it crashes, with `what` in the report. */
  async ask<T>(what: string, question: (host: RemoteHost) => Promise<T>): Promise<T> {
    if (this.#failure) throw this.#failure
    const answer = new Promise<T>((resolve, reject) => {
      this.#waiting.add(reject)
      question(this.#host)
        .then(resolve, reject)
        .finally(() => this.#waiting.delete(reject))
    })
    return this.hold(answer, what)
  }

  /** Sends something that needs no answer; does nothing once the process has ended. */
  say(what: (host: RemoteHost) => Promise<void>): void {
    if (!this.#failure) what(this.#host).catch(() => {})
  }

  /** Keeps the program alive until `waiting` settles; until then a crash reports `what`. */
  async hold<T>(waiting: Promise<T>, what?: string): Promise<T> {
    const held = { what, waiting }
    this.#held.add(held)
    this.#setReferenced(true)
    try {
      return await waiting
    } finally {
      this.#held.delete(held)
      if (this.#held.size === 0) setImmediate(this.#letGo)
    }
  }

  // Called a turn later: the reader of a stream waits again at once.
  #letGo = (): void => {
    if (this.#held.size === 0) this.#setReferenced(false)
  }

  addRun(id: number, run: RemoteRun): void {
    this.#runs.set(id, new WeakRef(run))
    this.#abandoned.register(run, id, run)
    if (this.#failure) run.fail(this.#failure)
  }

  removeRun(id: number, run: RemoteRun): void {
    this.#abandoned.unregister(run)
    if (run.isOver) this.#runs.delete(id)
    else this.leaveRun(id)
  }

  leaveRun(id: number): void {
    this.#runs.delete(id)
    this.say((host) => host.leaveRun.asEvent(id))
  }

  /** Ends the process and treats that as a crash: `why` continues "The engine's process". */
  async endHung(why: string): Promise<void> {
    this.#hung = why
    this.#child.kill('SIGKILL')
    await this.hold(this.ended, 'closing')
  }

  /** Ends the process at once: everything under way rejects with `reason`. Resolves when it has ended. */
  end(reason: Error): Promise<void> {
    this.#endedBecause ??= reason
    this.#child.kill('SIGKILL')
    return this.hold(this.ended, 'closing')
  }

  #send(messages: readonly unknown[]): void {
    if (!this.#child.connected) return // `ended` reports that
    try {
      this.#child.send([...messages], () => {})
    } catch (error) {
      // Something cannot cross: only the call or generation that it belongs to fails.
      if (messages.length > 1) for (const message of messages) this.#send([message])
      else this.#refuse(messages[0] as Refusal, error)
    }
  }

  #refuse({ t, i, m, a }: Refusal, error: unknown): void {
    const failed = { t: 's', i, e: errorToWire(error) }
    if (t === 's') this.#send([failed])
    else if (i !== undefined) this.#receive(failed)
    else if (m === 'startRun')
      this.#runs
        .get(a?.[0] as number)
        ?.deref()
        ?.fail(error)
  }

  #functions(): ProgramFunctions {
    return {
      log: (model, level, message) => {
        if (level === 'warn' || level === 'error') this.#remember(message, level === 'error')
        this.models.get(model)?.logger[level](message)
      },
      prompt: publishPrompt,
      progress: (model, progress) => this.models.get(model)?.onProgress(progress),
      overflow: async (conversation) => {
        const ask = this.overflows.get(conversation)
        if (!ask) throw new Error('the turn is over')
        return ask()
      },
    }
  }

  #note({ runs, models = [] }: News): void {
    for (const { model, parallel, activity } of models)
      Object.assign(this.models.get(model) ?? {}, { parallel, activity })
    for (const update of runs) this.#runs.get(update.run)?.deref()?.receive(update)
  }

  #crash(end: End, onCrash: (crash: EngineCrashedError) => void): EngineCrashedError {
    const underWay = this.#underWay()
    const how = this.#hung === undefined ? end : { hung: this.#hung }
    const crash = crashOf(how, this.#lastError, this.#lastLines, underWay)
    onCrash(crash)
    // Where something was under way, its rejection reports the crash.
    const level = underWay.length > 0 ? 'info' : 'error'
    for (const { logger } of this.models.values()) logger[level](crash.message)
    return crash
  }

  // Includes generations whose readers are doing something else.
  #underWay(): string[] {
    const asked = Array.from(this.#held, ({ what }) => what)
    const runs = Array.from(this.#runs.values(), (run) => run.deref())
    const generations = runs.map((run) => (run?.isOver ? undefined : run?.what))
    return [...asked, ...generations].filter((what) => what !== undefined)
  }

  #watch(): Promise<End> {
    const child = this.#child
    let rest = ''
    child.stderr?.on('data', (data) => {
      const lines = (rest + data).split('\n')
      rest = (lines.pop() ?? '').slice(0, LONGEST_LINE) // a line may have no end
      for (const line of lines) this.#remember(line, true)
    })
    child.stderr?.on('error', () => {})
    return new Promise((resolve) => {
      child.on('error', (error) => {
        if (child.pid === undefined) resolve({ error })
      })
      child.once('exit', (code, signal) => {
        const done = () => {
          clearTimeout(timer)
          if (rest !== '') this.#remember(rest, true)
          rest = ''
          resolve({ code, signal })
        }
        const timer = setTimeout(done, LAST_WORDS_MS) // a child of the process may still hold its stderr
        if (child.stderr?.closed) done()
        else child.stderr?.once('close', done)
      })
    })
  }

  #remember(line: string, isError: boolean): void {
    if (line.trim() === '') return
    if (isError) this.#lastError = line.slice(0, LONGEST_LINE)
    this.#lastLines = [...this.#lastLines.slice(1 - LAST_LINES), line.slice(0, LONGEST_LINE)]
  }

  /** A process with nothing to answer must not keep the program alive. */
  #setReferenced(referenced: boolean): void {
    if (referenced === this.#isReferenced) return
    this.#isReferenced = referenced
    const { channel, stderr } = this.#child
    for (const handle of [this.#child, channel, stderr as Referable | null])
      if (referenced) handle?.ref?.()
      else handle?.unref?.()
  }
}

function start(cwd: string, env: Readonly<Record<string, string>>): ChildProcess {
  const file = hostFile()
  const options = {
    cwd,
    env: environmentOf('engine', { GGML_NO_BACKTRACE: '1', ...env }),
    execArgv: [],
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    windowsHide: true,
  } as Parameters<typeof fork>[2]
  const begin = () => fork(file, [], options)
  // When a worker thread is terminated, only native code is notified. The main thread ends with the process.
  if (isMainThread) return begin()
  let binding: NativeBinding
  try {
    binding = loadBinding()
  } catch {
    return begin() // opening a model reports that there is no addon
  }
  return startWithThread(binding, begin)
}

/**
 * A message of birpc: a question (`q`) with a method and its arguments, or an answer (`s`); without `i` none
 * is awaited.
 */
type Refusal = {
  readonly t: 'q' | 's'
  readonly i?: string
  readonly m?: string
  readonly a?: readonly unknown[]
}

type Referable = { ref?(): void; unref?(): void }
