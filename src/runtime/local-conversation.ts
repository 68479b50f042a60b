import type { Conversation, ConversationOptions, Turn, TurnOutcome } from '../chat/conversation.ts'
import { DEFAULT_STOPS } from '../chat/options.ts'
import { type Prompt, PromptBuilder } from '../chat/prompt.ts'
import { writeSaved } from '../chat/saved/file.ts'
import {
  bringBack,
  type CacheStore,
  collect,
  type SavedSession,
  type SaveOptions,
  type SessionSnapshot,
} from '../chat/saved/session.ts'
import type { PromptFormat } from '../chat/template/template.ts'
import type { Logger } from '../core/logger.ts'
import type { ChatMessage } from '../core/messages.ts'
import type { EventStream } from '../generation/events.ts'
import type { Prepare } from '../generation/prepare.ts'
import type { NativeModel } from '../native/contract.ts'
import type { ResolvedGenerateOptions } from '../options/generate.ts'
import { RESERVED_TOKENS } from '../options/model.ts'
import type { Demand } from '../scheduler/request.ts'
import type { LocalRuns } from './local-runs.ts'

/** What a conversation needs of its model. */
type Host = {
  readonly native: NativeModel
  readonly format: PromptFormat
  readonly cache: CacheStore
  readonly contextSize: number
  readonly deterministic: boolean
  readonly logger: Logger
  readonly runs: LocalRuns
}

/** @internal A conversation with a model in this process. */
export class LocalConversation implements Conversation {
  readonly #host: Host
  readonly #prompts: PromptBuilder
  readonly isRestored: boolean
  #prompt: Prompt | undefined

  private constructor(host: Host, prompts: PromptBuilder, isRestored: boolean) {
    this.#host = host
    this.#prompts = prompts
    this.isRestored = isRestored
  }

  static async open(
    host: Host,
    { overflow, reasoning, restore }: ConversationOptions,
  ): Promise<LocalConversation> {
    const { native, format, contextSize, deterministic, cache, logger } = host
    const shape = { contextSize, reserved: RESERVED_TOKENS, overflow, reasoning, deterministic }
    const prompts = new PromptBuilder(native, format, shape)
    const isRestored =
      restore !== undefined && (await bringBack(restore.file, restore, prompts, cache, logger))
    return new LocalConversation(host, prompts, isRestored)
  }

  get systemPrompt(): string | undefined {
    return this.#host.format.systemPrompt
  }

  countTokens(messages: readonly ChatMessage[], enableThinking: boolean): Promise<number> {
    return this.#prompts.countTokens(messages, enableThinking)
  }

  turn(
    { stop, defaultStops, ...request }: Turn,
    options: ResolvedGenerateOptions,
    demand: Demand,
    signal: AbortSignal,
  ): EventStream {
    const prompts = this.#prompts
    const prepare: Prepare = async (aside) => {
      const prompt = await prompts.prompt({ ...request, signal }, aside)
      if (!signal.aborted) this.#prompt = prompt
      const wantsDefaults = defaultStops ?? this.#host.format.kind === 'pattern'
      return {
        tokens: prompt.record.tokens,
        text: prompt.text,
        stop: [...stop, ...prompt.stops, ...(wantsDefaults ? DEFAULT_STOPS : [])],
        moved: prompt.moved,
        conversation: prompts,
        full: prompt.full,
        dropped: prompt.dropped,
        reply: prompt.reply,
      }
    }
    return this.#host.runs.run(prepare, options, demand, signal)
  }

  async commit({ raw, tokens, contents }: TurnOutcome): Promise<boolean> {
    return this.#prompt !== undefined && this.#prompts.commit(this.#prompt, raw, tokens, contents)
  }

  reset(): void {
    this.#prompts.reset()
  }

  /** `making` is the path of the file until it is whole. */
  async save(
    file: string | undefined,
    snapshot: SessionSnapshot,
    options: SaveOptions,
    making?: string,
  ): Promise<SavedSession> {
    const { cache, logger } = this.#host
    const { head, state, saved } = await collect(snapshot, this.#prompts, cache, options, logger)
    if (file !== undefined) await writeSaved(file, head, state, making)
    return saved
  }

  close(): void {} // garbage collection frees it
}
