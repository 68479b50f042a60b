import { type InspectOptions, inspect } from 'node:util'
import { ClosedError, EngineCrashedError } from '../../core/errors.ts'
import {
  type EngineHandle,
  type IsolatedEngineOptions,
  resolveEngineOptions,
} from '../../options/isolation.ts'
import type { EngineProcess } from './process.ts'

/** Ends the processes of engines that were garbage collected without being closed. */
const abandoned = new FinalizationRegistry((process: EngineProcess) => {
  void process.end(new ClosedError('The isolated engine'))
})

// Outside the class: what the process holds must not keep the engine alive.
function listenerOf(engine: WeakRef<IsolatedEngine>): (crash: EngineCrashedError) => void {
  return (crash) => engine.deref()?.noteCrash(crash)
}

/**
 * A separate process in which models compute: when llama.cpp crashes, or the system kills the process because
 * memory runs out, calls reject with `ERR_ENGINE_CRASHED`, and the next ones start a new process.
 * `isolated: true` makes an engine for a single model; one that you make yourself can serve several.
 *
 * @example
 * ```ts
 * import { GPT4All, IsolatedEngine } from 'gpt4all-ts'
 *
 * const engine = new IsolatedEngine({ maxRestarts: 3 })
 * const model = await GPT4All.load('models/gpt4all-ts-tiny-chat.Q8_0.gguf', { isolated: engine })
 * console.log(await model.generate('Once upon a time', { maxTokens: 5 }))
 * await model.close()
 * await engine.close()
 * ```
 */
export class IsolatedEngine implements EngineHandle {
  readonly #maxRestarts: number
  readonly #restartWindow: number
  readonly #onCrash: IsolatedEngineOptions['onCrash']
  readonly #env: Readonly<Record<string, string>>
  readonly #crashes: number[] = []
  #process: EngineProcess | undefined
  #lastCrash: EngineCrashedError | undefined
  #down: EngineCrashedError | undefined
  #restarts = 0
  #closed: Promise<void> | undefined
  #cwd: string | undefined

  /**
   * Starts no process before a model needs one.
   *
   * @throws `TypeError` or `RangeError` with `ERR_OPTION` for a bad option
   */
  constructor(options?: IsolatedEngineOptions) {
    const { maxRestarts, restartWindow, onCrash, env } = resolveEngineOptions(options)
    this.#maxRestarts = maxRestarts
    this.#restartWindow = restartWindow
    this.#onCrash = onCrash
    this.#env = env
  }

  /** Id of the process; `undefined` while none runs, and for some milliseconds during the first opening. */
  get pid(): number | undefined {
    return this.#process?.isAlive ? this.#process.pid : undefined
  }

  /** How often a process was started because the previous one had crashed, or hung and was killed. */
  get restarts(): number {
    return this.#restarts
  }

  /** The last crash; `undefined` if there was none. */
  get lastCrash(): EngineCrashedError | undefined {
    return this.#lastCrash
  }

  /**
   * `idle`: no process runs, and the next call starts one. `running`: a process runs. `down`: it has crashed
   * too often and is not started again until `reset()`. `closed`: after `close()`.
   */
  get state(): 'idle' | 'running' | 'down' | 'closed' {
    if (this.#closed) return 'closed'
    if (this.#down) return 'down'
    return this.#process?.isAlive ? 'running' : 'idle'
  }

  /**
   * @internal The running process, or a new one. The caller passes the class, which is loaded for isolated
   * models only.
   */
  use(Process: typeof EngineProcess): EngineProcess {
    if (this.#closed) throw new ClosedError('The isolated engine')
    if (this.#process?.isAlive) return this.#process
    if (this.#down) throw this.#down
    if (this.#process) this.#restarts++
    this.#cwd ??= process.cwd()
    this.#process = new Process(this.#cwd, this.#env, listenerOf(new WeakRef(this)))
    abandoned.register(this, this.#process, this)
    return this.#process
  }

  /** Forgets earlier crashes, so that an engine that is `down` starts again with the next call. */
  reset(): void {
    this.#down = undefined
    this.#crashes.length = 0
  }

  /** @internal Ends the process, if there is one, until a model needs it again. */
  rest(): void {
    const process = this.#process
    if (!process?.isAlive) return
    this.#process = undefined
    abandoned.unregister(this)
    void process.end(new ClosedError('The isolated engine'))
  }

  /** Ends the process; calls in progress reject with `ERR_CLOSED`. Idempotent. */
  close(): Promise<void> {
    this.#closed ??= this.#process?.isAlive
      ? this.#process.end(new ClosedError('The isolated engine'))
      : Promise.resolve()
    return this.#closed
  }

  /** Calls `close()`; makes `await using` work. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** What `console.log(engine)` shows. */
  [Symbol.for('nodejs.util.inspect.custom')](_depth: number, options: InspectOptions): string {
    const { state, pid, restarts } = this
    return `IsolatedEngine ${inspect({ state, pid, restarts }, options)}`
  }

  /** @internal */
  noteCrash(crash: EngineCrashedError): void {
    abandoned.unregister(this)
    this.#lastCrash = crash
    setImmediate(() => this.#onCrash?.(crash)) // after the calls that it fails have rejected
    const now = performance.now()
    this.#crashes.push(now)
    while (now - this.#crashes[0]! > this.#restartWindow) this.#crashes.shift()
    if (this.#crashes.length <= this.#maxRestarts) return
    this.#down = new EngineCrashedError(
      `The isolated engine has crashed ${this.#crashes.length === 1 ? 'once' : `${this.#crashes.length} times`} within ${this.#restartWindow / 1000} s and will not be started again (maxRestarts ${this.#maxRestarts}). The last time: ${crash.message}`,
      { ...crash, running: [], isDown: true },
      { cause: crash },
    )
  }
}
