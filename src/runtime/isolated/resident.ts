import { basename, resolve } from 'node:path'
import { abortOf, anySignal } from '../../core/async.ts'
import { ClosedError } from '../../core/errors.ts'
import { isSilent, LOG_LEVELS } from '../../core/logger.ts'
import type { Progress } from '../../core/progress.ts'
import { withProgressBar } from '../../models/download/progress-bar.ts'
import { locateModel, type ModelLocation } from '../../models/locate.ts'
import type { ResolvedThreads } from '../../options/compute.ts'
import type { ResolvedModelOptions } from '../../options/model.ts'
import type { ModelFacts } from '../model.ts'
import type { IsolatedEngine } from './engine.ts'
import { EngineProcess, type ModelWatch } from './process.ts'
import type { HostCalls, OpenRequest } from './wire.ts'

/** What the process tells of what it has opened. */
type Answer = { readonly facts: ModelFacts; readonly parallel?: number }

/** Something that is open in a certain process. */
export type InProcess<Told extends Answer> = {
  readonly process: EngineProcess
  readonly id: number
  readonly told: Told
  readonly watch: ModelWatch
}

/** Asks the process to open something under the number `id`. */
type Ask<Options extends ResolvedModelOptions, Told extends Answer> = (
  host: HostCalls,
  id: number,
  request: OpenRequest<Options>,
) => Promise<Told>

const ignoreProgress = () => {}

/** Closes what was garbage collected without being closed. */
const abandoned = new FinalizationRegistry(({ process, id }: Pick<InProcess<Answer>, 'process' | 'id'>) => {
  process.forgetModel(id)
  process.say((host) => host.closeModel.asEvent(id))
})

/** Paths as this process resolves them: the engine's process may have been started in another folder. */
function absolute({
  lora,
  modelPath,
  modelConfigFile,
}: Pick<ResolvedModelOptions, 'lora' | 'modelPath' | 'modelConfigFile'>) {
  return {
    lora: lora.map(({ path, scale }) => ({ path: locateModel(path, modelPath).asGiven, scale })),
    modelConfigFile: modelConfigFile && resolve(modelConfigFile),
  }
}

/** How long a process may take to free a model, ms; one that does not answer by then is killed. */
const CLOSE_MS = 5000

/**
 * @internal A model of any kind in the process of an isolated engine. After a crash the next `use()` opens it
 * again in a new process. Once nothing refers to it any more, it is closed there.
 */
export class Resident<Told extends Answer, Options extends ResolvedModelOptions = ResolvedModelOptions> {
  readonly #engine: IsolatedEngine
  readonly #location: ModelLocation
  readonly #options: Options
  readonly #ask: Ask<Options, Told>
  readonly #closing = new AbortController()
  #threads: ResolvedThreads
  #opening: { readonly process: EngineProcess; readonly opened: Promise<InProcess<Told>> } | undefined
  #opened: InProcess<Told> | undefined

  constructor(engine: IsolatedEngine, location: ModelLocation, options: Options, ask: Ask<Options, Told>) {
    this.#engine = engine
    this.#location = location
    this.#options = options
    this.#ask = ask
    this.#threads = threadsOf(options)
  }

  /** Where it was opened last. Never read before the first opening. */
  get last(): InProcess<Told> {
    if (!this.#opened) throw new ClosedError('The model')
    return this.#opened
  }

  /** What is open in the running process; opens it there where it is not open yet. */
  async use(signal: AbortSignal = this.#closing.signal): Promise<InProcess<Told>> {
    this.#closing.signal.throwIfAborted()
    signal.throwIfAborted()
    const process = this.#engine.use(EngineProcess)
    if (this.#opening?.process !== process) {
      const opened = this.#open(process, signal)
      this.#opening = { process, opened }
      opened.catch(() => {
        if (this.#opening?.opened === opened) this.#opening = undefined
      })
    }
    return this.#opening.opened
  }

  setThreads(threads: ResolvedThreads): void {
    this.#threads = threadsOf(threads)
    const opened = this.#opened
    opened?.process.say((host) => host.setThreads.asEvent(opened.id, this.#threads))
  }

  async close(): Promise<void> {
    this.#closing.abort(new ClosedError('The model'))
    const opened = await this.#opening?.opened.catch(() => undefined)
    if (!opened?.process.isAlive) return
    const { process, id } = opened
    abandoned.unregister(this)
    process.forgetModel(id)
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<'late'>((resolve) => {
      timer = setTimeout(resolve, CLOSE_MS, 'late')
    })
    const freed = process.ask('closing a model', (host) => host.closeModel(id)).catch(() => {})
    if ((await Promise.race([freed, late])) === 'late')
      await (process.modelCount === 0
        ? process.end(new ClosedError('The model'))
        : process.endHung(`did not close a model within ${CLOSE_MS / 1000} s and was killed`))
    clearTimeout(timer)
  }

  async #open(process: EngineProcess, signal: AbortSignal): Promise<InProcess<Told>> {
    const id = process.newId()
    const { logger, isolated: _, signal: __, onProgress: ___, ...options } = this.#options
    const name = basename(this.#location.withExtension)
    return withProgressBar(name, this.#options, async (onProgress) => {
      const failing = new AbortController()
      const either = anySignal(signal, failing.signal)
      const report = (progress: Progress) => {
        try {
          if (!either.aborted) onProgress?.(progress)
        } catch (error) {
          failing.abort(error)
        }
      }
      const watch = { logger, onProgress: report, parallel: 1, activity: { running: 0, queued: 0 } }
      process.watchModel(id, watch)
      const request: OpenRequest<Options> = {
        location: this.#location,
        options: { ...options, ...this.#threads, ...absolute(options), verbose: false },
        levels: LOG_LEVELS.filter(
          (level) => level === 'warn' || level === 'error' || !isSilent(logger, level),
        ),
        reportsProgress: onProgress !== undefined,
      }
      const answer = process.ask(`loading ${name}`, (host) => this.#ask(host, id, request))
      try {
        const told = await Promise.race([answer, abortOf(either)])
        watch.parallel = told.parallel ?? 1
        watch.onProgress = ignoreProgress // the process holds `watch`; `report` would hold this
        const opened = { process, id, told, watch }
        this.#opened = opened
        abandoned.unregister(this)
        abandoned.register(this, { process, id }, this)
        this.setThreads(this.#threads) // they may have changed meanwhile
        return opened
      } catch (error) {
        process.forgetModel(id)
        if (!either.aborted) throw error
        process.say((host) => host.cancelOpen.asEvent(id))
        // Where cancelling comes too late, close it again.
        answer.then(
          () => process.say((host) => host.closeModel.asEvent(id)),
          () => {},
        )
        throw either.reason
      }
    })
  }
}

function threadsOf({ nThreads, nThreadsBatch, fixedThreads }: ResolvedThreads): ResolvedThreads {
  return { nThreads, nThreadsBatch, fixedThreads }
}
