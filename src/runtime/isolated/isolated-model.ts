import { basename, resolve } from 'node:path'
import type { ConversationOptions } from '../../chat/conversation.ts'
import type { TemplateOptions } from '../../chat/template/template.ts'
import { abortOf, anySignal } from '../../core/async.ts'
import { ClosedError } from '../../core/errors.ts'
import { isSilent, LOG_LEVELS } from '../../core/logger.ts'
import type { ChatMessage } from '../../core/messages.ts'
import type { Progress } from '../../core/progress.ts'
import type { EventStream } from '../../generation/events.ts'
import { withProgressBar } from '../../models/download/progress-bar.ts'
import { locateModel, type ModelLocation } from '../../models/locate.ts'
import type { ResolvedThreads } from '../../options/compute.ts'
import type { ResolvedGenerateOptions } from '../../options/generate.ts'
import type { ResolvedModelOptions, ResolvedTokenizeOptions } from '../../options/model.ts'
import type { Demand } from '../../scheduler/request.ts'
import type { Activity } from '../../scheduler/scheduler.ts'
import type { ModelFacts, OpenModel } from '../model.ts'
import type { IsolatedEngine } from './engine.ts'
import { IsolatedConversation } from './isolated-conversation.ts'
import { EngineProcess, type ModelWatch } from './process.ts'
import { messagesToWire, type OpenRequest } from './wire.ts'

/** A model that is open in a certain process. */
type ModelInProcess = {
  readonly process: EngineProcess
  readonly id: number
  readonly facts: ModelFacts
  readonly watch: ModelWatch
}

const ignoreProgress = () => {}

/** Closes models that were garbage collected without being closed. */
const abandoned = new FinalizationRegistry(({ process, id }: ModelInProcess) => {
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
 * @internal A model in the process of an isolated engine. After a crash the next call opens it again in a new
 * process.
 */
export class IsolatedModel implements OpenModel {
  readonly #engine: IsolatedEngine
  readonly #location: ModelLocation
  readonly #draft: ModelLocation | undefined
  readonly #options: ResolvedModelOptions
  readonly #closing = new AbortController()
  #threads: ResolvedThreads | undefined
  #opening: { readonly process: EngineProcess; readonly opened: Promise<ModelInProcess> } | undefined
  #opened: ModelInProcess | undefined

  private constructor(
    engine: IsolatedEngine,
    location: ModelLocation,
    draft: ModelLocation | undefined,
    options: ResolvedModelOptions,
  ) {
    this.#engine = engine
    this.#location = location
    this.#draft = draft
    this.#options = options
    this.setThreads(options)
  }

  static async open(
    engine: IsolatedEngine,
    location: ModelLocation,
    draft: ModelLocation | undefined,
    options: ResolvedModelOptions,
    signal: AbortSignal,
  ): Promise<IsolatedModel> {
    const model = new IsolatedModel(engine, location, draft, options)
    await model.use(signal)
    return model
  }

  get facts(): ModelFacts {
    return this.#last.facts
  }

  get parallel(): number {
    return this.#last.watch.parallel
  }

  get activity(): Activity {
    const { process, watch } = this.#last
    return process.isAlive ? watch.activity : { running: 0, queued: 0 }
  }

  /** The model in the running process; opens it there where it is not open yet. */
  async use(signal: AbortSignal = this.#closing.signal): Promise<ModelInProcess> {
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

  async tokenize(text: string, options: ResolvedTokenizeOptions): Promise<number[]> {
    const { process, id } = await this.use()
    return process.ask('tokenizing', (host) => host.tokenize(id, text, options))
  }

  async countTokens(text: string): Promise<number> {
    const { process, id } = await this.use()
    return process.ask('tokenizing', (host) => host.countTextTokens(id, text))
  }

  async detokenize(tokens: readonly number[]): Promise<string> {
    const { process, id } = await this.use()
    return process.ask('detokenizing', (host) => host.detokenize(id, tokens))
  }

  async renderPrompt(
    messages: readonly ChatMessage[],
    template: TemplateOptions,
    enableThinking: boolean,
  ): Promise<string> {
    const { process, id } = await this.use()
    return process.ask('rendering a prompt', (host) =>
      host.renderPrompt(id, messagesToWire(messages), template, enableThinking),
    )
  }

  async *generate(
    prompt: string | readonly number[],
    options: ResolvedGenerateOptions,
    demand: Demand,
    signal: AbortSignal,
  ): EventStream {
    const { process, id } = await this.use()
    yield* process.generate({ model: id, prompt }, options, demand, signal)
  }

  conversation(
    options: ConversationOptions,
    awaitedBy: AbortSignal | undefined,
  ): Promise<IsolatedConversation> {
    return IsolatedConversation.open(() => this.use(), options, awaitedBy)
  }

  setThreads({ nThreads, nThreadsBatch, fixedThreads }: ResolvedThreads): void {
    const threads = { nThreads, nThreadsBatch, fixedThreads }
    this.#threads = threads
    const opened = this.#opened
    opened?.process.say((host) => host.setThreads.asEvent(opened.id, threads))
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

  // Never read before the first opening.
  get #last(): ModelInProcess {
    if (!this.#opened) throw new ClosedError('The model')
    return this.#opened
  }

  async #open(process: EngineProcess, signal: AbortSignal): Promise<ModelInProcess> {
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
      const request: OpenRequest = {
        location: this.#location,
        draft: this.#draft,
        options: { ...options, ...this.#threads, ...absolute(options), verbose: false },
        levels: LOG_LEVELS.filter(
          (level) => level === 'warn' || level === 'error' || !isSilent(logger, level),
        ),
        reportsProgress: onProgress !== undefined,
      }
      const answer = process.ask(`loading ${name}`, (host) => host.open(id, request))
      try {
        const { facts, parallel } = await Promise.race([answer, abortOf(either)])
        watch.parallel = parallel
        watch.onProgress = ignoreProgress // the process holds `watch`; `report` would hold the model
        const opened = { process, id, facts, watch }
        this.#opened = opened
        abandoned.unregister(this)
        abandoned.register(this, opened, this)
        if (this.#threads) this.setThreads(this.#threads) // they may have changed meanwhile
        return opened
      } catch (error) {
        process.forgetModel(id)
        if (!either.aborted) throw error
        process.say((host) => host.cancelOpen.asEvent(id))
        // Where cancelling comes too late, close the model again.
        answer.then(
          () => process.say((host) => host.closeModel.asEvent(id)),
          () => {},
        )
        throw either.reason
      }
    })
  }
}
