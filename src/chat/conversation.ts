import type { ChatMessage } from '../core/messages.ts'
import type { EventStream } from '../generation/events.ts'
import type { ResolvedGenerateOptions } from '../options/generate.ts'
import type { Demand } from '../scheduler/request.ts'
import type { ChatSessionOptions, ResolvedChatOptions } from './options.ts'
import type { PromptRequest } from './prompt.ts'
import type { SavedFile } from './saved/file.ts'
import type { SavedSession, SaveOptions, SessionSnapshot } from './saved/session.ts'

/** @internal */
export type ConversationOptions = Pick<ResolvedChatOptions, 'template' | 'overflow' | 'reasoning'> & {
  /** The file to go on with, as far as it has been read. */
  readonly restore: (SavedFile & { readonly file: string }) | undefined
}

/** @internal A turn: what its prompt asks for, and what ends the answer. */
export type Turn = Omit<PromptRequest, 'signal'> & {
  readonly stop: readonly string[]
  /** The session's word on GPT4All's stop strings. */
  readonly defaultStops: ChatSessionOptions['defaultStops']
}

/** @internal How a turn has ended: what the model wrote, as `History.commit()` takes it. */
export type TurnOutcome = {
  readonly raw: string
  readonly tokens: readonly number[] | undefined
  readonly contents: readonly string[]
}

/**
 * @internal What the engine knows of a conversation: how its messages become prompts, and which of these are in the cache. The
 * messages themselves are the session's.
 */
export interface Conversation {
  /** The system prompt that belongs to the template, for conversations that bring none. */
  readonly systemPrompt: string | undefined
  /** The file that it was to go on with was written by this very model. */
  readonly isRestored: boolean
  /** Tokens of the prompt for the answer to `messages`, however many fit. */
  countTokens(messages: readonly ChatMessage[], enableThinking: boolean): Promise<number>
  turn(turn: Turn, options: ResolvedGenerateOptions, demand: Demand, signal: AbortSignal): EventStream
  /** The last turn joins what is known. True where the model may go on behind `raw` as it stands. */
  commit(turn: TurnOutcome): Promise<boolean>
  /** The messages are no longer those of before. */
  reset(): void
  /** Writes it into `file`, or only tells what that would be. */
  save(file: string | undefined, said: SessionSnapshot, options: SaveOptions): Promise<SavedSession>
  /** Nobody will ask any more. */
  close(): void
}

/** @internal A model that conversations can be held with. */
export type ConversationHost = {
  /**
   * Reads the model's template, and the saved file. A place in line is taken meanwhile for the generation whose signal is
   * `asking`; without one no generation waits.
   * @throws {TemplateError} `ERR_TEMPLATE` when the model's template cannot be used
   */
  conversation(options: ConversationOptions, asking: AbortSignal | undefined): Promise<Conversation>
}
