import type { ChildProcess } from 'node:child_process'
import type { EngineCrashedError } from '../../core/errors.ts'
import type { Logger } from '../../core/logger.ts'
import type { ChatMessage } from '../../core/messages.ts'
import type { Progress } from '../../core/progress.ts'
import { arePromptsWanted, publishPrompt } from '../../core/prompt-channel.ts'
import type { EventStream } from '../../generation/events.ts'
import type { ResolvedGenerateOptions } from '../../options/generate.ts'
import type { Demand } from '../../scheduler/request.ts'
import type { Activity } from '../../scheduler/scheduler.ts'
import { crashOf, endOf, LastWords, type ProcessEnd } from './crash.ts'
import { type GenerationTarget, IsolatedGeneration } from './isolated-generation.ts'
import { connect, Outbox } from './link.ts'
import { startProcess } from './start-process.ts'
import {
  type HostCalls,
  type HostFunctions,
  messagesToWire,
  type News,
  type ProgramFunctions,
  type WireVectors,
} from './wire.ts'
import { errorToWire } from './wire-errors.ts'

/** What the program knows about a model in the process. */
export type ModelWatch = {
  readonly logger: Logger
  onProgress: (progress: Progress) => void
  parallel: number
  activity: Activity
}

type Overflow = () => Promise<readonly ChatMessage[]>

/** Whom the process tells about a call of `embed()` or `rank()`. */
export type EmbeddingWatch = {
  readonly isCancelled: (batchTokens: readonly number[]) => Promise<boolean>
  readonly onVectors: (vectors: WireVectors) => void
  readonly onTexts: (texts: number) => void
}

/** A process in which models are opened and compute, for as long as it lives. */
export class EngineProcess {
  readonly #host: HostCalls
  readonly #models = new Map<number, ModelWatch>()
  readonly #overflows = new Map<number, Overflow>()
  readonly #embeddings = new Map<number, EmbeddingWatch>()
  /** Resolves once the process has ended. */
  readonly ended: Promise<void>
  readonly #child: ChildProcess
  /** Held weakly: a generation that is neither referenced nor awaited any more is left. */
  readonly #generations = new Map<number, WeakRef<IsolatedGeneration>>()
  readonly #abandoned = new FinalizationRegistry((id: number) => this.#leave(id))
  /** Waits for the process, which keep the program alive, and what for, where that is not a generation. */
  readonly #held = new Set<{ readonly what: string | undefined; readonly waiting: Promise<unknown> }>()
  #isReferenced = true
  #receive: (message: unknown) => void = () => {}
  readonly #lastWords = new LastWords()
  readonly #waiting = new Set<(error: unknown) => void>()
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
    this.#child = startProcess(cwd, env)
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
    this.ended = endOf(this.#child, this.#lastWords).then((end) => {
      this.#failure = this.#endedBecause ?? this.#crash(end, onCrash)
      for (const generation of this.#generations.values()) generation.deref()?.fail(this.#failure)
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

  /**
   * True until the end of the process is noticed, or asked for: calls made before that reject with the
   * others.
   */
  get isAlive(): boolean {
    return this.#failure === undefined && this.#endedBecause === undefined
  }

  /** A number that nothing else in this process has. */
  newId(): number {
    return this.#nextId++
  }

  /** Calls the process and returns its answer; rejects when it crashes, with `what` in the report. */
  async ask<T>(what: string, question: (host: HostCalls) => Promise<T>): Promise<T> {
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
  say(what: (host: HostCalls) => Promise<void>): void {
    if (!this.#failure) what(this.#host).catch(() => {})
  }

  /** Keeps `watch` up to date with the model `id` until that is forgotten. */
  watchModel(id: number, watch: ModelWatch): void {
    this.#models.set(id, watch)
  }

  forgetModel(id: number): void {
    this.#models.delete(id)
  }

  /** How many models are watched. */
  get modelCount(): number {
    return this.#models.size
  }

  /** From now on `watch` is told of the call; call the returned function when it is over. */
  watchEmbedding(embedding: number, watch: EmbeddingWatch): () => void {
    this.#embeddings.set(embedding, watch)
    return () => this.#embeddings.delete(embedding)
  }

  /**
   * From now on `overflow` is asked for the messages of a turn that does not fit; call the returned
   * function when the turn ends.
   */
  answerOverflow(conversation: number, overflow: Overflow): () => void {
    this.#overflows.set(conversation, overflow)
    return () => {
      if (this.#overflows.get(conversation) === overflow) this.#overflows.delete(conversation)
    }
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

  /** Generates in the process. */
  async *generate(
    target: GenerationTarget,
    { callback: _, signal: __, onPromptProgress, ...options }: ResolvedGenerateOptions,
    demand: Demand,
    signal: AbortSignal,
  ): EventStream {
    signal.throwIfAborted()
    const id = this.newId()
    const messages = 'turn' in target ? target.turn.messages : []
    const generation = new IsolatedGeneration(demand, messages, (batches, interval) =>
      this.say((host) => host.credit.asEvent(id, batches, interval)),
    )
    this.#generations.set(id, new WeakRef(generation))
    this.#abandoned.register(generation, id, generation)
    if (this.#failure) generation.fail(this.#failure)
    const { interval } = demand
    const wire =
      'turn' in target ? { ...target, turn: { ...target.turn, messages: messagesToWire(messages) } } : target
    const reports = { reportsPrompt: arePromptsWanted(), reportsProgress: onPromptProgress !== undefined }
    const request = { ...wire, ...reports, options, interval }
    this.say((host) => host.startGeneration.asEvent(id, request))
    try {
      yield* generation.read(signal, (waiting) => this.hold(waiting))
    } finally {
      this.#abandoned.unregister(generation)
      if (generation.isOver) this.#generations.delete(id)
      else this.#leave(id)
    }
  }

  #leave(id: number): void {
    this.#generations.delete(id)
    this.say((host) => host.leaveGeneration.asEvent(id))
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
      else this.#refuse(messages[0] as BirpcMessage, error)
    }
  }

  #refuse({ t, i, m, a }: BirpcMessage, error: unknown): void {
    const failed = { t: 's', i, e: errorToWire(error) }
    if (t === 's') this.#send([failed])
    else if (i !== undefined) this.#receive(failed)
    else if (m === 'startGeneration')
      this.#generations
        .get(a?.[0] as number)
        ?.deref()
        ?.fail(error)
  }

  #functions(): ProgramFunctions {
    return {
      log: (model, level, message) => {
        if (level === 'warn' || level === 'error') this.#lastWords.remember(message, level === 'error')
        this.#models.get(model)?.logger[level](message)
      },
      prompt: publishPrompt,
      progress: (model, progress) => this.#models.get(model)?.onProgress(progress),
      overflow: async (conversation) => {
        const ask = this.#overflows.get(conversation)
        if (!ask) throw new Error('the turn is over')
        return ask()
      },
      isCancelled: async (embedding, batchTokens) =>
        this.#embeddings.get(embedding)?.isCancelled(batchTokens) ?? true,
      vectors: (embedding, vectors) => this.#embeddings.get(embedding)?.onVectors(vectors),
    }
  }

  #note({ generations = [], models = [], embeddings = [] }: News): void {
    for (const { model, parallel, activity } of models)
      Object.assign(this.#models.get(model) ?? {}, { parallel, activity })
    for (const update of generations) this.#generations.get(update.generation)?.deref()?.receive(update)
    for (const { embedding, texts } of embeddings) this.#embeddings.get(embedding)?.onTexts(texts)
  }

  #crash(end: ProcessEnd, onCrash: (crash: EngineCrashedError) => void): EngineCrashedError {
    const underWay = this.#underWay()
    const how = this.#hung === undefined ? end : { hung: this.#hung }
    const crash = crashOf(how, this.#lastWords, underWay)
    onCrash(crash)
    // Where something was under way, its rejection reports the crash.
    const level = underWay.length > 0 ? 'info' : 'error'
    for (const { logger } of this.#models.values()) logger[level](crash.message)
    return crash
  }

  // Includes generations whose readers are doing something else.
  #underWay(): string[] {
    const asked = Array.from(this.#held, ({ what }) => what)
    const generations = Array.from(this.#generations.values(), (reference) => {
      const generation = reference.deref()
      return generation?.isOver ? undefined : generation?.what
    })
    return [...asked, ...generations].filter((what) => what !== undefined)
  }

  /** A process with nothing to answer must not keep the program alive. */
  #setReferenced(referenced: boolean): void {
    if (referenced === this.#isReferenced) return
    this.#isReferenced = referenced
    const { channel, stderr } = this.#child
    for (const handle of [this.#child, channel, stderr as RefHandle | null])
      if (referenced) handle?.ref?.()
      else handle?.unref?.()
  }
}

/**
 * A message of birpc: a question (`q`) with a method and its arguments, or an answer (`s`); without `i` none
 * is awaited.
 */
type BirpcMessage = {
  readonly t: 'q' | 's'
  readonly i?: string
  readonly m?: string
  readonly a?: readonly unknown[]
}

type RefHandle = { ref?(): void; unref?(): void }
