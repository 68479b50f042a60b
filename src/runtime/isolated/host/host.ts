import type { BirpcReturn } from 'birpc'
import { loggerOf } from '../../../core/logger.ts'
import { onPrompt } from '../../../core/prompt-channel.ts'
import type { Demand } from '../../../scheduler/request.ts'
import type { LocalConversation } from '../../local-conversation.ts'
import type { LocalModel } from '../../local-model.ts'
import { openLocal } from '../../open-local.ts'
import type {
  GenerationRequest,
  GenerationUpdate,
  HostFunctions,
  ModelUpdate,
  News,
  OpenRequest,
  ProgramFunctions,
} from '../wire.ts'
import { HostGeneration } from './host-generation.ts'

type Program = BirpcReturn<ProgramFunctions, HostFunctions>

/**
 * The engine's process: models, conversations and generations, by the numbers that the program has assigned.
 */
export class Host {
  readonly #program: () => Program
  readonly #schedule: () => void
  readonly #opening = new Map<number, AbortController>()
  readonly #models = new Map<number, LocalModel>()
  readonly #conversations = new Map<number, LocalConversation>()
  /** Generations that wait until their conversation is open. */
  readonly #inLine = new Map<number, AbortController>()
  readonly #generations = new Map<number, HostGeneration>()
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

  /** What is new of the generations and models since the last call. */
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
    if (generations.length === 0 && models.length === 0) return undefined
    return models.length > 0 ? { generations, models } : { generations }
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
    open: (model, request) => this.#open(model, request),
    cancelOpen: (model) => this.#opening.get(model)?.abort(new Error('cancelled')),
    closeModel: async (model) => {
      const open = this.#models.get(model)
      this.#models.delete(model)
      await open?.close()
    },
    setThreads: (model, threads) => this.#models.get(model)?.setThreads(threads),
    tokenize: (model, text, options) => this.#model(model).tokenize(text, options),
    detokenize: (model, tokens) => this.#model(model).detokenize(tokens),
    countTextTokens: (model, text) => this.#model(model).countTokens(text),
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

  async #open(model: number, { location, draft, options, levels, reportsProgress }: OpenRequest) {
    const opening = new AbortController()
    this.#opening.set(model, opening)
    try {
      const opened = await openLocal(
        location,
        draft,
        {
          ...options,
          logger: loggerOf(levels, (level, line) => void this.#program().log.asEvent(model, level, line)),
          onProgress: reportsProgress
            ? (progress) => void this.#program().progress.asEvent(model, progress)
            : undefined,
          isolated: undefined,
          signal: undefined,
        },
        opening.signal,
      )
      this.#models.set(model, opened)
      return { facts: opened.facts, parallel: opened.parallel }
    } finally {
      this.#opening.delete(model)
    }
  }

  #start(request: GenerationRequest, demand: Demand, signal: AbortSignal) {
    const onPromptProgress = request.reportsProgress ? () => {} : undefined // what counts is that there is one
    const options = { ...request.options, callback: undefined, onPromptProgress, signal: undefined }
    return 'turn' in request
      ? this.#conversation(request.conversation).turn(request.turn, options, demand, signal)
      : this.#model(request.model).generate(request.prompt, options, demand, signal)
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
