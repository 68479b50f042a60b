import type { ConversationOptions } from '../../chat/conversation.ts'
import type { TemplateOptions } from '../../chat/template/template.ts'
import type { ChatMessage } from '../../core/messages.ts'
import type { EventStream } from '../../generation/events.ts'
import type { ModelLocation } from '../../models/locate.ts'
import type { ResolvedThreads } from '../../options/compute.ts'
import type { ResolvedGenerateOptions } from '../../options/generate.ts'
import type { ResolvedModelOptions, ResolvedTokenizeOptions } from '../../options/model.ts'
import type { Demand } from '../../scheduler/request.ts'
import type { Activity } from '../../scheduler/scheduler.ts'
import type { ModelFacts, OpenModel } from '../model.ts'
import type { IsolatedEngine } from './engine.ts'
import { IsolatedConversation } from './isolated-conversation.ts'
import { Resident } from './resident.ts'
import { messagesToWire } from './wire.ts'

/**
 * @internal A model in the process of an isolated engine. After a crash the next call opens it again in a new
 * process.
 */
export class IsolatedModel implements OpenModel {
  readonly #resident: Resident<{ readonly facts: ModelFacts; readonly parallel: number }>

  private constructor(
    engine: IsolatedEngine,
    location: ModelLocation,
    draft: ModelLocation | undefined,
    options: ResolvedModelOptions,
  ) {
    this.#resident = new Resident(engine, location, options, (host, id, request) =>
      host.open(id, { ...request, draft }),
    )
  }

  static async open(
    engine: IsolatedEngine,
    location: ModelLocation,
    draft: ModelLocation | undefined,
    options: ResolvedModelOptions,
    signal: AbortSignal,
  ): Promise<IsolatedModel> {
    const model = new IsolatedModel(engine, location, draft, options)
    await model.#resident.use(signal)
    return model
  }

  get facts(): ModelFacts {
    return this.#resident.last.told.facts
  }

  get parallel(): number {
    return this.#resident.last.watch.parallel
  }

  get activity(): Activity {
    const { process, watch } = this.#resident.last
    return process.isAlive ? watch.activity : { running: 0, queued: 0 }
  }

  async tokenize(text: string, options: ResolvedTokenizeOptions): Promise<number[]> {
    const { process, id } = await this.#resident.use()
    return process.ask('tokenizing', (host) => host.tokenize(id, text, options))
  }

  async countTokens(text: string): Promise<number> {
    const { process, id } = await this.#resident.use()
    return process.ask('tokenizing', (host) => host.countTextTokens(id, text))
  }

  async detokenize(tokens: readonly number[]): Promise<string> {
    const { process, id } = await this.#resident.use()
    return process.ask('detokenizing', (host) => host.detokenize(id, tokens))
  }

  async renderPrompt(
    messages: readonly ChatMessage[],
    template: TemplateOptions,
    enableThinking: boolean,
  ): Promise<string> {
    const { process, id } = await this.#resident.use()
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
    const { process, id } = await this.#resident.use()
    yield* process.generate({ model: id, prompt }, options, demand, signal)
  }

  conversation(
    options: ConversationOptions,
    awaitedBy: AbortSignal | undefined,
  ): Promise<IsolatedConversation> {
    return IsolatedConversation.open(() => this.#resident.use(), options, awaitedBy)
  }

  setThreads(threads: ResolvedThreads): void {
    this.#resident.setThreads(threads)
  }

  close(): Promise<void> {
    return this.#resident.close()
  }
}
