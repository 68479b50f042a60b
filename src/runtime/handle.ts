import { basename } from 'node:path'
import { anySignal } from '../core/async.ts'
import { ClosedError, optionError } from '../core/errors.ts'
import { isSilent } from '../core/logger.ts'
import { Generation } from '../generation/generation.ts'
import type { EventSource } from '../generation/source.ts'
import { retrieve } from '../models/files.ts'
import { locateModel, type ModelLocation } from '../models/locate.ts'
import type { ObtainRequest } from '../models/obtain.ts'
import type { RetrievedModel } from '../models/options.ts'
import { type ResolvedThreads, resolveThreadCount } from '../options/compute.ts'
import { DEFAULTS } from '../options/defaults.ts'
import type { ResolvedGenerateOptions } from '../options/generate.ts'
import type { IsolatedEngineOptions } from '../options/isolation.ts'
import type { ResolvedModelOptions } from '../options/model.ts'
import { locateBeside } from './check-options.ts'
import { IsolatedEngine } from './isolated/engine.ts'
import { openIsolated } from './isolated/open.ts'
import type { OpenModel } from './model.ts'
import { openLocal } from './open-local.ts'

/** What can be opened in this process or in an isolated engine. */
type Openable = Pick<OpenModel, 'facts' | 'setThreads' | 'close'>

type OpenIn<Opened, Options> = (
  engine: IsolatedEngine | undefined,
  location: ModelLocation,
  options: Options,
  signal: AbortSignal,
) => Promise<Opened>

/** @internal A file by name, opened when it is first needed, in this process or in an isolated engine. */
export class Handle<Opened extends Openable, Options extends ResolvedModelOptions = ResolvedModelOptions> {
  readonly options: Options
  /** The isolated engine, where the model has one. */
  readonly engine: IsolatedEngine | undefined
  readonly #location: ModelLocation
  readonly #openIn: OpenIn<Opened, Options>
  readonly #ownsEngine: boolean
  readonly #closing = new AbortController()
  #threads: ResolvedThreads
  #opening: Promise<Opened> | undefined
  #opened: Opened | undefined
  #closed: Promise<void> | undefined

  constructor(name: string, options: Options, openIn: OpenIn<Opened, Options>) {
    this.options = options
    this.#openIn = openIn
    this.#threads = options
    const { modelPath, isolated } = options
    this.#ownsEngine = !(isolated instanceof IsolatedEngine)
    this.engine =
      isolated instanceof IsolatedEngine || !isolated
        ? isolated
        : new IsolatedEngine(isolated as IsolatedEngineOptions)
    this.#location = locateModel(name, modelPath)
  }

  /** The file's name as it was given, without its folder. */
  get file(): string {
    return this.#location.hub?.name ?? basename(this.#location.asGiven)
  }

  get name(): string {
    return this.file.replace(/\.gguf$/, '')
  }

  get state(): 'closed' | 'open' | 'not open' {
    if (this.#closing.signal.aborted) return 'closed'
    return this.#opened ? 'open' : 'not open'
  }

  get opened(): Opened | undefined {
    return this.#opened
  }

  /** Aborts when it is closed. */
  get closing(): AbortSignal {
    return this.#closing.signal
  }

  get threads(): ResolvedThreads {
    return this.#threads
  }

  /** See `GPT4All.setThreadCount()`. */
  setThreadCount(count: number | undefined): void {
    this.#closing.signal.throwIfAborted()
    const threads = resolveThreadCount(count, this.options.logger)
    if (this.options.deterministic && this.#opening)
      throw optionError('count', 'no change while the deterministic model is open', count)
    this.#threads = threads
    this.#opened?.setThreads(threads)
  }

  /**
   * The model, opened only once. A failed attempt is forgotten, so that the file can be repaired and opened
   * again.
   */
  open(): Promise<Opened> {
    if (this.#closing.signal.aborted) return Promise.reject(this.#closing.signal.reason)
    if (this.#opening) return this.#opening
    const { signal = this.#closing.signal } = this.options
    const either = anySignal(this.#closing.signal, signal)
    const options = { ...this.options, ...this.#threads }
    const load = this.#openIn(this.engine, this.#location, options, either)
    this.#opening = load.then(async (opened) => {
      if (signal.aborted) await opened.close() // the abort came too late to stop it
      signal.throwIfAborted()
      opened.setThreads(this.#threads) // they may have changed meanwhile
      warnOfCpu(opened, this.options)
      this.#opened = opened
      return opened
    })
    this.#opening.catch(() => {
      this.#opening = undefined
      if (this.#ownsEngine) this.engine?.rest() // it may never be closed
    })
    return this.#opening
  }

  /** The file with its catalog entry, found or downloaded as `open()` does it. */
  async retrieve(purpose: ObtainRequest['purpose']): Promise<RetrievedModel> {
    const { signal = this.#closing.signal } = this.options
    const either = anySignal(this.#closing.signal, signal)
    either.throwIfAborted()
    return retrieve(this.#location, { ...this.options, signal: either, purpose })
  }

  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    this.#closing.abort(new ClosedError('The model'))
    const opened = await this.#opening?.catch(() => undefined)
    await opened?.close()
    if (this.#ownsEngine) await this.engine?.close()
    this.#opened = undefined
    this.#opening = undefined
  }
}

/** @internal A model that generates text. */
export class ModelHandle extends Handle<OpenModel> {
  constructor(name: string, options: ResolvedModelOptions) {
    const draft = locateBeside(options) // a wrong name is reported at once
    super(name, options, (engine, location, resolved, signal) =>
      engine
        ? openIsolated(engine, location, draft, resolved, signal)
        : openLocal(location, draft, resolved, signal),
    )
  }

  /**
   * A generation of what `source` yields; each of the signals `closing` ends it, as closing the model does.
   */
  start(source: EventSource, options: ResolvedGenerateOptions, ...closing: AbortSignal[]): Generation {
    const byDefault = this.engine ? DEFAULTS.isolatedStreamInterval : DEFAULTS.streamInterval
    const { streamInterval = byDefault } = options
    return new Generation(source, { ...options, streamInterval }, [this.closing, ...closing])
  }
}

/** A GPU that is not used makes a model many times slower; a logger has been told. Node.js shows it on stderr. */
function warnOfCpu({ facts }: Openable, { device, logger }: ResolvedModelOptions): void {
  const { backend, fallbacks } = facts
  if (backend !== 'cpu' || fallbacks.length === 0 || device.includes('cpu') || !isSilent(logger, 'warn'))
    return
  const reasons = fallbacks.map((one) => `"${one.device}" is not used: ${one.reason}`).join('; ')
  process.emitWarning(`The model computes on the CPU, as ${reasons}.`, {
    code: 'GPT4ALL_CPU',
    detail: 'Add "cpu" to the option "device" if that is fine, or set "strictDevice" to get an error.',
  })
}
