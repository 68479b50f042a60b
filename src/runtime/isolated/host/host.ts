import type { BirpcReturn } from 'birpc'
import { loggerOf } from '../../../core/logger.ts'
import type { Progress } from '../../../core/progress.ts'
import { onPrompt } from '../../../core/prompt-channel.ts'
import type { ResolvedModelOptions } from '../../../options/model.ts'
import type { Demand } from '../../../scheduler/request.ts'
import type { LocalConversation } from '../../local-conversation.ts'
import { type LocalEmbedder, openLocalEmbedder } from '../../local-embedder.ts'
import type { LocalModel } from '../../local-model.ts'
import { openLocal } from '../../open-local.ts'
import type {
  EmbeddingUpdate,
  GenerationRequest,
  GenerationUpdate,
  HostFunctions,
  ModelUpdate,
  News,
  OpenRequest,
  ProgramFunctions,
  WireVectors,
} from '../wire.ts'
import { HostEmbedding } from './host-embedding.ts'
import { HostGeneration } from './host-generation.ts'

type Program = BirpcReturn<ProgramFunctions, HostFunctions>

/**
 * The engine's process: what is open and under way in it, by the numbers that the program has assigned.
 */
export class Host {
  readonly #program: () => Program
  readonly #schedule: () => void
  readonly #opening = new Map<number, AbortController>()
  readonly #models = new Map<number, LocalModel>()
  readonly #embedders = new Map<number, LocalEmbedder>()
  readonly #conversations = new Map<number, LocalConversation>()
  /** Generations that wait until their conversation is open. */
  readonly #inLine = new Map<number, AbortController>()
  readonly #generations = new Map<number, HostGeneration>()
  readonly #embeddings = new Map<number, HostEmbedding>()
  /** What was last reported of each model. */
  readonly #reportedModels = new Map<number, string>()
  /** A generation has arrived, has its first token, or is over: how many run and wait may have changed. */
  #areModelsOther = false
  #unhear: (() => void) | undefined

  /** `schedule` is called when there are `news()`. */
  constructor(program: () => Program, schedule: () => void) {
    this.#program = program
    this.#schedule = schedule
  }

  /** What is new since the last call. */
  news(): News | undefined {
    const generations: GenerationUpdate[] = []
    for (const [id, generation] of this.#generations) {
      const update = generation.take()
      if (!update) continue
      generations.push(update)
      const isOver = update.error !== undefined || update.events?.end !== undefined
      if (update.events?.prompt || update.events?.usage || isOver) this.#areModelsOther = true
      if (isOver) this.#generations.delete(id)
    }
    const models = this.#areModelsOther ? this.#modelUpdates() : []
    this.#areModelsOther = false
    const embeddings = this.#embeddingUpdates()
    if (generations.length + models.length + embeddings.length === 0) return undefined
    return {
      ...(generations.length > 0 && { generations }),
      ...(models.length > 0 && { models }),
      ...(embeddings.length > 0 && { embeddings }),
    }
  }

  #embeddingUpdates(): EmbeddingUpdate[] {
    const updates = Array.from(this.#embeddings, ([embedding, call]) => ({ embedding, texts: call.take() }))
    return updates.filter(({ texts }) => texts > 0)
  }

  #modelUpdates(): ModelUpdate[] {
    const updates: ModelUpdate[] = []
    for (const [model, { parallel, activity }] of this.#models) {
      const known = `${parallel} ${activity.running} ${activity.queued}`
      if (this.#reportedModels.get(model) === known) continue
      this.#reportedModels.set(model, known)
      updates.push({ model, parallel, activity })
    }
    return updates
  }

  readonly functions: HostFunctions = {
    open: async (model, { draft, ...request }) => {
      const opened = await this.#open(model, request, (options, signal) =>
        openLocal(request.location, draft, options, signal),
      )
      this.#models.set(model, opened)
      return { facts: opened.facts, parallel: opened.parallel }
    },
    openEmbedder: async (embedder, request) => {
      const opened = await this.#open(embedder, request, (options, signal) =>
        openLocalEmbedder(request.location, options, signal),
      )
      this.#embedders.set(embedder, opened)
      return { facts: opened.facts, size: opened.size }
    },
    cancelOpen: (model) => this.#opening.get(model)?.abort(new Error('cancelled')),
    closeModel: async (model) => {
      const open = this.#opened(model)
      this.#models.delete(model)
      this.#embedders.delete(model)
      await open?.close()
    },
    setThreads: (model, threads) => this.#opened(model)?.setThreads(threads),
    tokenize: (model, text, options) => this.#model(model).tokenize(text, options),
    detokenize: (model, tokens) => this.#model(model).detokenize(tokens),
    countTextTokens: (model, text) => (this.#embedders.get(model) ?? this.#model(model)).countTokens(text),
    renderPrompt: (model, messages, template, enableThinking) =>
      this.#model(model).renderPrompt(messages, template, enableThinking),
    openConversation: async (model, conversation, { overflow, ...options }, isAwaited) => {
      const ask = () => this.#program().overflow(conversation)
      const resolved = { ...options, overflow: overflow === 'ask' ? ask : overflow }
      const inLine = isAwaited ? new AbortController() : undefined
      if (inLine) this.#inLine.set(conversation, inLine)
      try {
        const opening = this.#model(model).conversation(resolved, inLine?.signal)
        this.#noteChange()
        const made = await opening
        this.#conversations.set(conversation, made)
        const { systemPrompt, isRestored } = made
        return { systemPrompt, isRestored }
      } finally {
        this.#inLine.delete(conversation)
        this.#noteChange()
      }
    },
    leaveOpening: (conversation) => {
      this.#inLine.get(conversation)?.abort(new Error('left'))
      this.#noteChange()
    },
    closeConversation: (conversation) => void this.#conversations.delete(conversation),
    countTokens: (conversation, messages, enableThinking) =>
      this.#conversation(conversation).countTokens(messages, enableThinking),
    commit: (conversation, turn) => this.#conversation(conversation).commit(turn),
    resetConversation: (conversation) => this.#conversations.get(conversation)?.reset(),
    save: (conversation, file, snapshot, options, making) =>
      this.#conversation(conversation).save(file, snapshot, options, making),
    startGeneration: (id, request) => {
      this.#reportPrompts(request.reportsPrompt)
      const messages = 'turn' in request ? request.turn.messages : []
      const generation = new HostGeneration(id, request.interval, messages, this.#schedule)
      this.#generations.set(id, generation)
      void generation.read({ start: (demand, signal) => this.#start(request, demand, signal) })
      this.#noteChange()
    },
    credit: (id, batches, interval) => this.#generations.get(id)?.grant(batches, interval),
    leaveGeneration: (id) => {
      this.#generations.get(id)?.leave()
      this.#generations.delete(id)
      this.#noteChange()
    },
    embed: (embedder, id, request) => {
      const ask = (batchTokens: readonly number[]) => this.#program().isCancelled(id, batchTokens)
      const send = (vectors: WireVectors) => void this.#program().vectors.asEvent(id, vectors)
      return this.#embed(embedder, id, (opened, call) =>
        call.run(opened, request, request.asksFirst ? ask : undefined, send),
      )
    },
    rank: (embedder, id, request) => this.#embed(embedder, id, (opened, call) => call.rank(opened, request)),
    leaveEmbedding: (id) => this.#embeddings.get(id)?.leave(),
  }

  async #embed<Answer>(
    embedder: number,
    id: number,
    run: (opened: LocalEmbedder, call: HostEmbedding) => Promise<Answer>,
  ): Promise<Answer> {
    const opened = this.#embedders.get(embedder)
    if (!opened) throw new Error(`embedder ${embedder} is not open`)
    const call = new HostEmbedding(this.#schedule)
    this.#embeddings.set(id, call)
    try {
      return await run(opened, call)
    } finally {
      this.#embeddings.delete(id)
    }
  }

  #noteChange(): void {
    this.#areModelsOther = true
    this.#schedule()
  }

  #reportPrompts(wanted: boolean): void {
    if (!wanted) this.#unhear?.()
    this.#unhear = wanted
      ? (this.#unhear ?? onPrompt((message) => void this.#program().prompt.asEvent(message)))
      : undefined
  }

  async #open<Options extends ResolvedModelOptions, Opened>(
    id: number,
    { options, levels, reportsProgress }: OpenRequest<Options>,
    open: (options: Options, signal: AbortSignal) => Promise<Opened>,
  ): Promise<Opened> {
    const opening = new AbortController()
    this.#opening.set(id, opening)
    const own = {
      logger: loggerOf(levels, (level, line) => void this.#program().log.asEvent(id, level, line)),
      onProgress: reportsProgress
        ? (progress: Progress) => void this.#program().progress.asEvent(id, progress)
        : undefined,
      isolated: undefined,
      signal: undefined,
    }
    try {
      return await open({ ...options, ...own } as unknown as Options, opening.signal)
    } finally {
      this.#opening.delete(id)
    }
  }

  #start(request: GenerationRequest, demand: Demand, signal: AbortSignal) {
    const onPromptProgress = request.reportsProgress ? () => {} : undefined // what counts is that there is one
    const options = { ...request.options, callback: undefined, onPromptProgress, signal: undefined }
    return 'turn' in request
      ? this.#conversation(request.conversation).turn(request.turn, options, demand, signal)
      : this.#model(request.model).generate(request.prompt, options, demand, signal)
  }

  /** A model, or an embedder. */
  #opened(id: number): Pick<LocalModel, 'setThreads' | 'close'> | undefined {
    return this.#models.get(id) ?? this.#embedders.get(id)
  }

  #model(id: number): LocalModel {
    const model = this.#models.get(id)
    if (!model) throw new Error(`model ${id} is not open`)
    return model
  }

  #conversation(id: number): LocalConversation {
    const conversation = this.#conversations.get(id)
    if (!conversation) throw new Error(`conversation ${id} is not open`)
    return conversation
  }
}
