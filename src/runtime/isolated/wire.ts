import type { ConversationOptions, Turn, TurnOutcome } from '../../chat/conversation.ts'
import type { SavedSession, SaveOptions, SessionSnapshot } from '../../chat/saved/session.ts'
import type { TemplateOptions } from '../../chat/template/template.ts'
import type { LogLevel } from '../../core/logger.ts'
import type { ChatMessage } from '../../core/messages.ts'
import type { Progress } from '../../core/progress.ts'
import type { PromptMessage } from '../../core/prompt-channel.ts'
import type { Embeddable } from '../../embedding/chunks.ts'
import type { DocumentScores } from '../../embedding/ranking.ts'
import type { ModelLocation } from '../../models/locate.ts'
import type { ResolvedThreads } from '../../options/compute.ts'
import type { ResolvedEmbedderOptions, ResolvedEmbedOptions } from '../../options/embed.ts'
import type { ResolvedGenerateOptions } from '../../options/generate.ts'
import type { ResolvedModelOptions, ResolvedTokenizeOptions } from '../../options/model.ts'
import type { Activity } from '../../scheduler/scheduler.ts'
import type { ModelFacts } from '../model.ts'
import type { WireEvents } from './event-batch.ts'
import type { WireError } from './wire-errors.ts'

/** What to open, with the options that do not belong to the program's own process. */
export type OpenRequest<Options extends ResolvedModelOptions = ResolvedModelOptions> = {
  readonly location: ModelLocation
  readonly options: Omit<Options, 'logger' | 'onProgress' | 'signal' | 'isolated'>
  /** Log levels that the program listens to. */
  readonly levels: readonly LogLevel[]
  readonly reportsProgress: boolean
}

type ModelRequest = OpenRequest & { readonly draft: ModelLocation | undefined }

type WireGenerateOptions = Omit<ResolvedGenerateOptions, 'callback' | 'onPromptProgress' | 'signal'>

/** A generation: from a prompt, or as a turn of a conversation. */
export type GenerationRequest = {
  readonly options: WireGenerateOptions
  /** See `Demand`. */
  readonly interval: number
  /** The program listens to `gpt4all-ts:prompt`. */
  readonly reportsPrompt: boolean
  /** The program has given `onPromptProgress`. */
  readonly reportsProgress: boolean
} & (
  | { readonly model: number; readonly prompt: string | readonly number[] }
  | { readonly conversation: number; readonly turn: Turn }
)

/** A conversation's options; a function as `overflow` stays in the program, which is asked to call it. */
type WireConversationOptions = Omit<ConversationOptions, 'overflow'> & {
  readonly overflow: 'drop-oldest' | 'error' | 'stop' | 'ask'
}

/** What is new of a generation, which is over after an `error` or an `end` among its events. */
export type GenerationUpdate = {
  readonly generation: number
  readonly events?: WireEvents
  readonly error?: WireError
}

export type ModelUpdate = { readonly model: number; readonly parallel: number; readonly activity: Activity }

/** A call of `rank()`. */
export type RankRequest = {
  readonly query: string
  readonly documents: readonly string[]
  readonly longTextMode: 'truncate' | 'error'
  readonly reportsProgress: boolean
}

/** How many more texts of a call of `embed()` or `rank()` are done. */
export type EmbeddingUpdate = { readonly embedding: number; readonly texts: number }

/** What is new: a message of its own kind, as one comes with every few tokens. */
export type News = {
  readonly generations?: readonly GenerationUpdate[]
  readonly models?: readonly ModelUpdate[]
  readonly embeddings?: readonly EmbeddingUpdate[]
}

/** A call of `embed()`; `cancelCallback` stays in the program, which is asked to call it. */
export type EmbedRequest = {
  readonly texts: readonly Embeddable[]
  /** How many texts came before them. */
  readonly first: number
  readonly options: Pick<ResolvedEmbedOptions, 'prefix' | 'dimensionality' | 'longTextMode' | 'atlas'>
  /** The program has given `onProgress`. */
  readonly reportsProgress: boolean
  /** The program has given `cancelCallback`. */
  readonly asksFirst: boolean
}

/** Vectors of texts that follow each other, in one array, and the tokens of each text. */
export type WireVectors = { readonly numbers: Float32Array; readonly tokens: readonly number[] }

/**
 * What the engine's process does for the program, which chooses the numbers of models, embedders,
 * conversations, generations and calls of `embed()`. Where a function takes a `model`, that may be an
 * embedder, unless only models can do it.
 */
export type HostFunctions = {
  open(model: number, request: ModelRequest): Promise<{ facts: ModelFacts; parallel: number }>
  openEmbedder(
    embedder: number,
    request: OpenRequest<ResolvedEmbedderOptions>,
  ): Promise<{ facts: ModelFacts; size: number }>
  /** Makes `open()` or `openEmbedder()` reject. */
  cancelOpen(model: number): void
  closeModel(model: number): Promise<void>
  setThreads(model: number, threads: ResolvedThreads): void
  tokenize(model: number, text: string, options: ResolvedTokenizeOptions): Promise<number[]>
  detokenize(model: number, tokens: readonly number[]): Promise<string>
  countTextTokens(model: number, text: string): Promise<number>
  renderPrompt(
    model: number,
    messages: readonly ChatMessage[],
    template: TemplateOptions,
    enableThinking: boolean,
  ): Promise<string>
  openConversation(
    model: number,
    conversation: number,
    options: WireConversationOptions,
    /** A generation waits for the conversation. */
    isAwaited: boolean,
  ): Promise<{ systemPrompt: string | undefined; isRestored: boolean }>
  /** The generation that waits for the conversation was aborted; others may still want that. */
  leaveOpening(conversation: number): void
  closeConversation(conversation: number): void
  countTokens(
    conversation: number,
    messages: readonly ChatMessage[],
    enableThinking: boolean,
  ): Promise<number>
  commit(conversation: number, turn: TurnOutcome): Promise<boolean>
  resetConversation(conversation: number): void
  save(
    conversation: number,
    file: string | undefined,
    snapshot: SessionSnapshot,
    options: SaveOptions,
    making: string | undefined,
  ): Promise<SavedSession>
  startGeneration(generation: number, request: GenerationRequest): void
  /** `batches` more of the generation have been read; `interval` is given where it has changed. */
  credit(generation: number, batches: number, interval: number | undefined): void
  /** The program wants no more of the generation. */
  leaveGeneration(generation: number): void
  /** Resolves with the last vectors, after `vectors()` has been called with those before them. */
  embed(embedder: number, embedding: number, request: EmbedRequest): Promise<WireVectors>
  rank(embedder: number, embedding: number, request: RankRequest): Promise<DocumentScores>
  /** The program wants no more of the call. */
  leaveEmbedding(embedding: number): void
}

/** What the program does for the engine's process. */
export type ProgramFunctions = {
  log(model: number, level: LogLevel, message: string): void
  prompt(message: PromptMessage): void
  progress(model: number, progress: Progress): void
  /** The messages that the program's `overflow` function returns for the current turn, which does not fit. */
  overflow(conversation: number): Promise<readonly ChatMessage[]>
  /** What the program's `cancelCallback` returns for the tokens of each batch to come. */
  isCancelled(embedding: number, batchTokens: readonly number[]): Promise<boolean>
  vectors(embedding: number, vectors: WireVectors): void
}

/**
 * Batches of a generation that the engine may compute ahead of what has been read; reading is reported every
 * few of them.
 */
export const BATCHES_AHEAD = 8
export const BATCHES_PER_GRANT = 4

/**
 * Messages without anything else that a program may have put into them, which might not cross. The engine's
 * process refuses what is not a message.
 */
export function messagesToWire(messages: readonly ChatMessage[]): ChatMessage[] {
  return messages.map((message) => {
    if (typeof message !== 'object' || message === null) return message
    const { role, content, reasoning } = message
    return { role, content, ...(reasoning !== undefined && { reasoning }) }
  })
}

/** A function that is called in another process, or told something without waiting for an answer. */
type Remote<F> = F extends (...args: infer Args) => infer Answer
  ? ((...args: Args) => Promise<Awaited<Answer>>) & { readonly asEvent: (...args: Args) => Promise<void> }
  : never

/** The engine's process, as the program calls it. Part of our declarations, where birpc's own types need ESM. */
export type HostCalls = { readonly [Name in keyof HostFunctions]: Remote<HostFunctions[Name]> } & {
  readonly $close: () => void
  readonly $rejectPendingCalls: () => void
}
