import type { Conversation, ConversationOptions, Turn, TurnOutcome } from '../chat/conversation.ts'
import { DEFAULT_STOPS } from '../chat/options.ts'
import { type ChatPrompt, PromptBuilder } from '../chat/prompt.ts'
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
import type { MakePrompt } from '../generation/prompt.ts'
import type { NativeModel } from '../native/contract.ts'
import type { ResolvedGenerateOptions } from '../options/generate.ts'
import { RESERVED_TOKENS } from '../options/model.ts'
import type { Demand } from '../scheduler/request.ts'
import type { LocalGenerations } from './local-generations.ts'

/** What a conversation needs of its model. */
type ConversationParts = {
  readonly native: NativeModel
  readonly format: PromptFormat
  readonly cache: CacheStore
  readonly contextSize: number
  readonly deterministic: boolean
  readonly logger: Logger
  readonly generations: LocalGenerations
}

/** @internal A conversation with a model in this process. */
export class LocalConversation implements Conversation {
  readonly #parts: ConversationParts
  readonly #prompts: PromptBuilder
  readonly isRestored: boolean
  #prompt: ChatPrompt | undefined

  private constructor(parts: ConversationParts, prompts: PromptBuilder, isRestored: boolean) {
    this.#parts = parts
    this.#prompts = prompts
    this.isRestored = isRestored
  }

  static async open(
    parts: ConversationParts,
    { overflow, reasoning, restore }: ConversationOptions,
  ): Promise<LocalConversation> {
    const { native, format, contextSize, deterministic, cache, logger } = parts
    const shape = { contextSize, reserved: RESERVED_TOKENS, overflow, reasoning, deterministic }
    const prompts = new PromptBuilder(native, format, shape)
    const isRestored = restore !== undefined && (await bringBack(restore, prompts, cache, logger))
    return new LocalConversation(parts, prompts, isRestored)
  }

  get systemPrompt(): string | undefined {
    return this.#parts.format.systemPrompt
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
    const makePrompt: MakePrompt = async (aside) => {
      const prompt = await prompts.prompt({ ...request, signal }, aside)
      if (!signal.aborted) this.#prompt = prompt
      const wantsDefaults = defaultStops ?? this.#parts.format.kind === 'pattern'
      return {
        tokens: prompt.record.tokens,
        text: prompt.text,
        stop: [...stop, ...prompt.stops, ...(wantsDefaults ? DEFAULT_STOPS : [])],
        moved: prompt.moved,
        conversation: prompts,
        fits: prompt.fits,
        dropped: prompt.dropped,
        reply: prompt.reply,
      }
    }
    return this.#parts.generations.generate(makePrompt, options, demand, signal)
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
    const { cache, logger } = this.#parts
    const { head, state, saved } = await collect(snapshot, this.#prompts, cache, options, logger)
    if (file !== undefined) await writeSaved(file, head, state, making)
    return saved
  }

  close(): void {} // garbage collection frees it
}
