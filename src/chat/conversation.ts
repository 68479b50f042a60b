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
  /** The saved file to continue, as far as it has been read. */
  readonly restore: SavedFile | undefined
}

/** @internal A turn: what its prompt asks for, and what ends the answer. */
export type Turn = Omit<PromptRequest, 'signal'> & {
  readonly stop: readonly string[]
  /** The session's option for GPT4All's stop strings. */
  readonly defaultStops: ChatSessionOptions['defaultStops']
}

/** @internal How a turn has ended: what the model wrote, as `PromptBuilder.commit()` takes it. */
export type TurnOutcome = {
  readonly raw: string
  readonly tokens: readonly number[] | undefined
  readonly contents: readonly string[]
}

/**
 * @internal The model's side of a conversation: how its messages become prompts, and which tokens of these
 * are cached. The session keeps the messages themselves.
 */
export interface Conversation {
  /** The template's own system prompt, for conversations that bring none. */
  readonly systemPrompt: string | undefined
  /** The file that it continues was written by this very model. */
  readonly isRestored: boolean
  /** Tokens of the prompt for the answer to `messages`, however many fit. */
  countTokens(messages: readonly ChatMessage[], enableThinking: boolean): Promise<number>
  turn(turn: Turn, options: ResolvedGenerateOptions, demand: Demand, signal: AbortSignal): EventStream
  /** Adds the last turn to what is known. True where the model may continue after `raw` as it stands. */
  commit(turn: TurnOutcome): Promise<boolean>
  /** The messages were replaced by others. */
  reset(): void
  /** Writes the conversation into `file`; without one, only returns what would be written. */
  save(file: string | undefined, snapshot: SessionSnapshot, options: SaveOptions): Promise<SavedSession>
  /** The session is closed and asks for nothing more. */
  close(): void
}

/** @internal A model that conversations can be held with. */
export type ConversationModel = {
  /**
   * Reads the model's template, and the saved file. Meanwhile the generation whose signal is `awaitedBy`
   * has a place in line; without that signal no generation waits.
   * @throws {TemplateError} `ERR_TEMPLATE` when the model's template cannot be used
   */
  conversation(options: ConversationOptions, awaitedBy: AbortSignal | undefined): Promise<Conversation>
}
