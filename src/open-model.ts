import type { Request } from './chat/history.ts'
import type { ChatSessionOptions, ResolvedChatOptions } from './chat/options.ts'
import type { SavedFile } from './chat/saved-file.ts'
import type { Said, SavedSession, SaveOptions } from './chat/saving.ts'
import type { ChatMessage, TemplateOptions } from './chat/template.ts'
import type { ResolvedThreads } from './compute-options.ts'
import type { Activity } from './engine/engine.ts'
import type { Spoken } from './engine/reply.ts'
import type { DeviceFallback } from './errors.ts'
import type { ResolvedGenerateOptions } from './generate-options.ts'
import type { RunRecord } from './generation-run.ts'
import type { ResolvedTokenizeOptions } from './options.ts'

/** What a loaded model says of itself. */
export type ModelConfig = {
  /** The file's name, e.g. `Llama-3.2-1B-Instruct-Q4_0.gguf` */
  readonly filename: string
  readonly path: string
  /** Bytes of the file, or of all files of a split model. */
  readonly filesize: number
  /** `general.name` of the GGUF; the file's name where it has none. */
  readonly name: string
  /** e.g. `llama` */
  readonly architecture: string
  /** llama.cpp's description: kind, size and quantization. */
  readonly description: string
  /** Number of weights. */
  readonly parameters: number
  /** Tokens of context the model was trained with. */
  readonly trainedContextSize: number
  readonly vocabularySize: number
  /** Jinja source from the GGUF; `undefined` where it has none. */
  readonly chatTemplate: string | undefined
  /** The GGUF's scalar metadata, as text. */
  readonly metadata: Readonly<Record<string, string>>
}

/** @internal What is known of a model once it is open. */
export type ModelFacts = {
  readonly backend: string
  readonly device: string | undefined
  readonly sharesWeights: boolean
  readonly fallbacks: readonly DeviceFallback[]
  readonly config: ModelConfig
}

/** @internal A model that is open, and the engine that computes with it: in this process, or in one of its own. */
export interface OpenModel {
  readonly facts: ModelFacts
  readonly parallel: number
  readonly activity: Activity
  tokenize(text: string, options: ResolvedTokenizeOptions): Promise<number[]>
  detokenize(tokens: readonly number[]): Promise<string>
  /** Tokens of `text` as a prompt. */
  countTokens(text: string): Promise<number>
  /** The prompt that asks for the answer to `messages`. */
  renderPrompt(
    messages: readonly ChatMessage[],
    template: TemplateOptions,
    enableThinking: boolean,
  ): Promise<string>
  /** Evaluates `prompt`, special tokens and all, or tokens as they are, and yields what the model writes. */
  generate(
    prompt: string | readonly number[],
    options: ResolvedGenerateOptions,
    record: RunRecord,
    signal: AbortSignal,
  ): AsyncGenerator<Spoken, void, void>
  /**
   * Reads its template, and the file that it goes on with. `asking` is the signal of the generation that waits for it, which
   * takes a place in line meanwhile; without one nobody generates.
   * @throws {TemplateError} `ERR_TEMPLATE` when its template cannot be used
   */
  conversation(options: ConversationOptions, asking: AbortSignal | undefined): Promise<Conversation>
  /** Takes effect with the next step. */
  setThreads(threads: ResolvedThreads): void
  /** Interrupts what is under way, waits for it, and frees everything. */
  close(): Promise<void>
}

/** @internal */
export type ConversationOptions = Pick<ResolvedChatOptions, 'template' | 'overflow' | 'reasoning'> & {
  /** The file to go on with, as far as it has been read. */
  readonly restore: (SavedFile & { readonly file: string }) | undefined
}

/** @internal A turn: what its prompt asks for, and what ends the answer. */
export type Turn = Omit<Request, 'signal'> & {
  readonly stop: readonly string[]
  /** The session's word on GPT4All's stop strings. */
  readonly defaultStops: ChatSessionOptions['defaultStops']
}

/** @internal How a turn has ended: what the model wrote, as `History.commit()` takes it. */
export type Committed = {
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
  turn(
    turn: Turn,
    options: ResolvedGenerateOptions,
    record: RunRecord,
    signal: AbortSignal,
  ): AsyncGenerator<Spoken, void, void>
  /** The last turn joins what is known. True where the model may go on behind `raw` as it stands. */
  commit(turn: Committed): Promise<boolean>
  /** The messages are no longer those of before. */
  reset(): void
  /** Writes it into `file`, or only tells what that would be. */
  save(file: string | undefined, said: Said, options: SaveOptions): Promise<SavedSession>
  /** Nobody will ask any more. */
  close(): void
}
