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

/** What is shown of the end of its stderr and log. */
const LAST_LINES = 20
const LONGEST_LINE = 500
/** Its stderr may arrive behind the news of its end. */
const LAST_WORDS_MS = 200

/** What the program knows of a model in the process. */
export type ModelWatch = {
  readonly logger: Logger
  onProgress: (progress: Progress) => void
  parallel: number
  activity: Activity
}

type Overflow = () => Promise<readonly ChatMessage[]>

/** A process in which models are opened and compute, as long as it lives. */
export class EngineProcess {
  readonly #host: RemoteHost
  readonly models = new Map<number, ModelWatch>()
  readonly overflows = new Map<number, Overflow>()
  /** Resolves once it has ended. */
  readonly ended: Promise<void>
  readonly #child: ChildProcess
  /** Weakly: a generation that nobody holds any more, and nobody waits for, is left. */
  readonly #runs = new Map<number, WeakRef<RemoteRun>>()
  readonly #abandoned = new FinalizationRegistry((id: number) => this.leaveRun(id))
  /** Who waits for something of it, and for what where that is no generation: these stay. */
  readonly #held = new Set<{ readonly what: string | undefined; readonly waiting: Promise<unknown> }>()
  #isReferenced = true
  #receive: (message: unknown) => void = () => {}
  /** The last line that tells of a failure. */
  #lastError: string | undefined
  readonly #waiting = new Set<(error: unknown) => void>()
  #lastLines: string[] = []
  #failure: Error | undefined
  /** Set where that is no crash. */
  #endedBecause: Error | undefined
  #hung: string | undefined
  #nextId = 0

  /** `onCrash` hears of an end that nobody asked for, before any of those whom it concerns. */
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

  /** Until its end has been noticed: what comes before is rejected with the others. */
  get isAlive(): boolean {
    return this.#failure === undefined && this.#endedBecause === undefined
  }

  /** A number that nothing else has in this process. */
  newId(): number {
    return this.#nextId++
  }

  /** Asks for something; `what` is what a crash meanwhile tells of it. Rejects where it crashes. */
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

  /** Tells it something that needs no answer; nothing once it has ended. */
  say(what: (host: RemoteHost) => Promise<void>): void {
    if (!this.#failure) what(this.#host).catch(() => {})
  }

  /** Keeps the program alive until `waiting` settles; a crash tells of `what` until then. */
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

  // A turn later: who reads a stream waits again at once.
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

  /** Ends it as a crash that was noticed here: `why` goes on after "The engine's process". */
  async endHung(why: string): Promise<void> {
    this.#hung = why
    this.#child.kill('SIGKILL')
    await this.hold(this.ended, 'closing')
  }

  /** Ends it at once: whatever is under way rejects with `reason`. Resolves when it has ended. */
  end(reason: Error): Promise<void> {
    this.#endedBecause ??= reason
    this.#child.kill('SIGKILL')
    return this.hold(this.ended, 'closing')
  }

  #send(messages: readonly unknown[]): void {
    if (!this.#child.connected) return // its end is told otherwise
    try {
      this.#child.send([...messages], () => {})
    } catch (error) {
      // Something cannot cross: whom that concerns is told, the others go on.
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
    // Where something was under way, who waits for it hears of it.
    const level = underWay.length > 0 ? 'info' : 'error'
    for (const { logger } of this.models.values()) logger[level](crash.message)
    return crash
  }

  // A generation also while its reader does something else.
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
      rest = (lines.pop() ?? '').slice(0, LONGEST_LINE) // of a line without an end
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
        const timer = setTimeout(done, LAST_WORDS_MS) // a child of its own may still hold its stderr
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

  /** A process with nothing to answer keeps nobody alive. */
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
  // When a worker thread is terminated, only native code is told. The main thread ends with the process.
  if (isMainThread) return begin()
  let binding: NativeBinding
  try {
    binding = loadBinding()
  } catch {
    return begin() // opening a model tells that there is no addon
  }
  return startWithThread(binding, begin)
}

/** A message of birpc: a question (`q`) with a method and its arguments, or an answer (`s`); without `i` nobody waits for one. */
type Refusal = {
  readonly t: 'q' | 's'
  readonly i?: string
  readonly m?: string
  readonly a?: readonly unknown[]
}

type Referable = { ref?(): void; unref?(): void }
