import type { Logger } from '../../index.ts'
import { ApiError, engineDown, tooMany } from '../errors.ts'
import type { ResolvedServerOptions } from '../options.ts'
import { AdmissionQueue, type Place } from './admission-queue.ts'
import { type Entry, engineOf, newEntry, ownEngine } from './entry.ts'
import { fileName, ModelFolder, withoutExtension } from './folder.ts'
import {
  type AnyModel,
  checkPurpose,
  doesWhat,
  load,
  type ModelFor,
  type Purpose,
  purposeOf,
} from './purpose.ts'

/** A model that clients may name. */
export type ServedModel = {
  readonly id: string
  /** Seconds since 1970. */
  readonly created: number
  /** What its file says that it is for. */
  readonly purpose: Purpose | undefined
  /** Tokens of its context, once it is loaded. */
  readonly contextSize: number | undefined
}

/** A model in use; `release()` once when its generations are over. */
type Lease<P extends Purpose> = {
  readonly id: string
  readonly model: ModelFor<P>
  readonly release: () => void
}

type PoolOptions = Pick<
  ResolvedServerOptions,
  'modelPath' | 'modelOptions' | 'maxModels' | 'idleTimeout' | 'engineRetry' | 'maxQueue' | 'logPrompts'
>

/** The longest delay of a timer. */
const MOST_MS = 2 ** 31 - 1

/** The models given to a server, and those of its folder, loaded on demand and unloaded when idle. */
export class ModelPool {
  readonly #options: PoolOptions
  readonly #folder: ModelFolder
  readonly #entries = new Map<string, Entry>()
  readonly #queue: AdmissionQueue
  #isClosed = false

  constructor(given: ReadonlyMap<string, AnyModel>, options: PoolOptions) {
    this.#options = options
    this.#folder = new ModelFolder(options.modelPath)
    this.#queue = new AdmissionQueue(options.maxQueue)
    const created = Math.floor(Date.now() / 1000)
    for (const [id, model] of given)
      this.#entries.set(id, { ...newEntry(id, created), isGiven: true, purpose: purposeOf(model), model })
  }

  /** The given models, then those of the folder by name, without files that are damaged or not models. */
  async list(): Promise<readonly ServedModel[]> {
    const given = [...this.#entries.values()].filter(({ isGiven }) => isGiven)
    const found = (await this.#folder.models()).filter(({ id }) => !given.some((entry) => entry.id === id))
    return [...given, ...found].map(({ id, created, purpose }) => {
      const model = this.#entries.get(id)?.model
      return {
        id,
        created,
        purpose,
        contextSize: model?.config && 'contextSize' in model ? model.contextSize : undefined,
      }
    })
  }

  /** Ids of the models whose weights are in memory. */
  get loaded(): readonly string[] {
    return [...this.#entries.values()].filter(({ model }) => model?.config).map(({ id }) => id)
  }

  /** Ids of the models whose isolated engine has crashed too often and is not started any more. */
  get down(): readonly string[] {
    const down = [...this.#entries.values()].filter((entry) => engineOf(entry)?.state === 'down')
    return down.map(({ id }) => id)
  }

  /** How often the isolated engines of models were started anew. */
  *restarts(): Iterable<{ readonly id: string; readonly restarts: number }> {
    for (const entry of this.#entries.values()) {
      const engine = engineOf(entry)
      if (engine) yield { id: entry.id, restarts: engine.restarts }
    }
  }

  /** What the loaded models are doing. */
  *activities(): Iterable<{ readonly id: string; readonly running: number; readonly queued: number }> {
    for (const { id, model } of this.#entries.values())
      if (model && 'activity' in model) yield { id, ...model.activity }
  }

  /**
   * The requested model, opened for `count` generations; without an `id`, the first one. Waits for room if
   * all loaded models are busy. Throws 404 for an unknown model, 400 for one of another purpose, 429 if too many
   * requests wait.
   */
  use(id: string | undefined, count: number, signal: AbortSignal): Promise<Lease<'text'>> {
    return this.#use('text', id, count, signal)
  }

  /** The same for a model that makes embeddings. */
  useEmbedder(id: string | undefined, signal: AbortSignal): Promise<Lease<'embeddings'>> {
    return this.#use('embeddings', id, 1, signal)
  }

  /** The same for a model that ranks documents. */
  useRanker(id: string | undefined, signal: AbortSignal): Promise<Lease<'ranking'>> {
    return this.#use('ranking', id, 1, signal)
  }

  async #use<P extends Purpose>(
    purpose: P,
    id: string | undefined,
    count: number,
    signal: AbortSignal,
  ): Promise<Lease<P>> {
    const entry = await this.#find(id, purpose)
    const refusal = this.#refusal(entry, count)
    if (refusal) throw refusal
    const engine = engineOf(entry)
    if (engine?.state === 'down') engine.reset()
    entry.asked += count
    let isAdmitted = false
    let isReleased = false
    const release = () => {
      if (isReleased) return
      isReleased = true
      entry.asked -= count
      if (isAdmitted) entry.active -= count
      entry.lastUsed = performance.now()
      this.#rest(entry)
    }
    try {
      await this.#admit(entry, purpose, count, signal)
      isAdmitted = true
      const model = await (entry.isGiven ? entry.model!.open() : entry.opening!)
      checkPurpose(entry.id, purposeOf(model), purpose) // a file may not have said what it is
      return { id: entry.id, model: model as ModelFor<P>, release }
    } catch (error) {
      release()
      throw error
    }
  }

  /** Throws the error that a request would get whichever model it named: then its body need not be read. */
  refuseAny(): void {
    if (this.#options.modelPath !== undefined && !this.#queue.isFull) return
    const refusals = Array.from(this.#entries.values(), (entry) => this.#refusal(entry, 1))
    if (refusals[0] && !refusals.includes(undefined)) throw refusals[0]
  }

  /** An engine that has crashed too often gets another chance after `engineRetry`. */
  #refusal(entry: Entry, count: number): ApiError | undefined {
    const parallel = entry.model && 'parallel' in entry.model ? entry.model.parallel : undefined
    const places = (parallel ?? 1) + this.#options.maxQueue
    if (entry.asked > 0 && entry.asked + count > places)
      return tooMany(`Too many requests are waiting for "${entry.id}". Try again later.`, 1)
    const engine = engineOf(entry)
    if (engine?.state !== 'down') return undefined
    const { own, given } = this.#options.engineRetry
    const left = engine.lastCrash!.time.getTime() + (entry.isGiven ? given : own) - Date.now()
    return left > 0 ? engineDown(left / 1000) : undefined
  }

  /** Closes the models it has opened; those it was given stay open. */
  async close(): Promise<void> {
    this.#isClosed = true
    const entries = [...this.#entries.values()]
    for (const { idleTimer } of entries) clearTimeout(idleTimer)
    this.#queue.wake()
    await Promise.all(entries.map((entry) => this.#unload(entry)))
  }

  async #find(id: string | undefined, wanted: Purpose): Promise<Entry> {
    const isMeant = ({ isGiven, purpose }: Entry) => isGiven && purpose === wanted
    const given = id === undefined ? [...this.#entries.values()].find(isMeant) : undefined
    const known = given ?? this.#entries.get(id ?? '') ?? this.#entries.get(withoutExtension(id ?? ''))
    if (known?.isGiven) {
      checkPurpose(known.id, known.purpose, wanted)
      return known
    }
    const file = id === undefined ? await this.#folder.first(wanted) : await this.#folder.find(id)
    if (!file) throw await this.#unknown(id, wanted)
    checkPurpose(file.id, await this.#folder.purposeOf(file), wanted)
    const entry = this.#entries.get(file.id) ?? newEntry(file.id, file.created)
    this.#entries.set(file.id, entry)
    return entry
  }

  async #unknown(id: string | undefined, wanted: Purpose): Promise<ApiError> {
    const listed = (await this.list()).filter((model) => model.id !== withoutExtension(id ?? '')) // it may come or go meanwhile
    const ids = listed.map((model) => `"${model.id}"`)
    const there =
      ids.length === 0 ? 'This server has no models.' : `Available models: ${ids.slice(0, 20).join(', ')}.`
    const none = ids.length === 0 ? there : `No model here ${doesWhat(wanted)}. ${there}`
    const message = id === undefined ? none : `There is no model "${id.slice(0, 200)}". ${there}`
    return new ApiError(404, message, { code: 'model_not_found', param: 'model' })
  }

  /**
   * Waits until the model is open or opening. A request for one that is not waits in line until there is
   * room, and later requests wait behind it, whatever they want: otherwise a busy model would never become
   * idle.
   */
  async #admit(entry: Entry, purpose: Purpose, count: number, signal: AbortSignal): Promise<void> {
    const take = () => {
      entry.active += count
      clearTimeout(entry.idleTimer)
    }
    if (entry.isGiven) return take()
    const place: Place = { entry, wake: () => {} }
    try {
      for (;;) {
        if (this.#isClosed) throw new ApiError(503, 'The server is shutting down.', { code: 'shutting_down' })
        signal.throwIfAborted()
        const room = this.#queue.isTurnOf(place) && this.#roomFor(entry)
        if (room === true) {
          entry.opening ??= this.#load(entry, purpose)
          return take() // at once, or it might be unloaded for another
        }
        await (room === false ? this.#queue.wait(place, signal) : room)
      }
    } finally {
      this.#queue.leave(place)
    }
  }

  /** Whether the model is loaded, or there is room for it; a promise while room is being made. */
  #roomFor(entry: Entry): boolean | Promise<void> {
    const others = [...this.#entries.values()].filter(
      (other) => other !== entry && (other.opening || other.closing),
    )
    if (entry.opening) return true
    if (entry.closing) return entry.closing // never twice in memory
    if (others.length < this.#options.maxModels) return true
    const leaving = others.find(({ closing }) => closing)
    if (leaving?.closing) return leaving.closing
    const [idle] = others.filter(({ active }) => active === 0).sort((a, b) => a.lastUsed - b.lastUsed)
    return idle ? this.#unload(idle) : false
  }

  async #load(entry: Entry, purpose: Purpose): Promise<AnyModel> {
    const { modelPath, modelOptions, logPrompts } = this.#options
    const { logger } = modelOptions
    entry.engine ??= ownEngine(modelOptions)
    try {
      entry.model = await load(fileName(entry.id), purpose, {
        ...modelOptions,
        ...(entry.engine && { isolated: entry.engine }),
        modelPath: modelPath!,
        allowDownload: false,
        logger: logger && !logPrompts ? withoutPrompts(logger) : logger,
        signal: entry.giveUp.signal,
      })
      return entry.model
    } catch (error) {
      entry.opening = undefined
      this.#queue.wake()
      throw this.#folder.isGone(entry.id, error) ? await this.#unknown(entry.id, purpose) : error
    }
  }

  #rest(entry: Entry): void {
    if (entry.isGiven || entry.active > 0) return
    this.#queue.wake()
    const { idleTimeout } = this.#options
    if (this.#isClosed || !entry.opening || idleTimeout === Number.POSITIVE_INFINITY) return
    clearTimeout(entry.idleTimer)
    entry.idleTimer = setTimeout(() => void this.#unload(entry), Math.min(idleTimeout, MOST_MS))
    entry.idleTimer.unref()
  }

  async #unload(entry: Entry): Promise<void> {
    if (entry.isGiven) return
    const { opening, closing: before } = entry
    entry.opening = undefined
    entry.giveUp.abort(new ApiError(503, 'The model is being unloaded.', { code: 'shutting_down' }))
    entry.giveUp = new AbortController()
    const close = async () => {
      const model = await opening?.catch(() => undefined)
      if (entry.model === model) entry.model = undefined
      await model?.close()
      // An engine that is down stays known, and stays down.
      if (entry.engine?.state !== 'down') {
        await entry.engine?.close()
        entry.engine = undefined
      }
      await before // an earlier load may still be closing
      if (entry.closing === closing) entry.closing = undefined
    }
    const closing = close()
    entry.closing = closing
    await closing
  }
}

/** The library logs prompts at level `info`. */
function withoutPrompts(logger: Logger): Logger {
  return {
    debug: () => {},
    info: () => {},
    warn: (line) => logger.warn(line),
    error: (line) => logger.error(line),
  }
}
