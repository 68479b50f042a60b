export type { ChatGenerateOptions, ChatSessionOptions } from './chat/options.ts'
export type { OverflowPolicy } from './chat/prompt.ts'
export type { SavedSession, SaveOptions } from './chat/saved/session.ts'
export { ChatSession } from './chat/session.ts'
export {
  DEFAULT_PROMPT_TEMPLATE,
  type ReasoningPolicy,
  type TemplateOptions,
} from './chat/template/template.ts'
export {
  CancellationError,
  ClosedError,
  ContextOverflowError,
  DeviceError,
  type DeviceFallback,
  DownloadError,
  EngineCrashedError,
  type ErrorCode,
  GPT4AllError,
  isGPT4AllError,
  ModelError,
  type OptionError,
  OutOfMemoryError,
  optionError,
  QueueFullError,
  SessionFileError,
  TemplateError,
} from './core/errors.ts'
export type { Logger, LogLevel } from './core/logger.ts'
export type { ChatMessage } from './core/messages.ts'
export { printable, printableLine } from './core/printable.ts'
export type { Progress } from './core/progress.ts'
export type { PromptMessage } from './core/prompt-channel.ts'
export { Embed4All, type EmbeddedText, type Embedding, type Embeddings } from './embed4all.ts'
export type { FinishReason } from './generation/events.ts'
export { Generation } from './generation/generation.ts'
export type { TokenLogprob, TokenProbability } from './generation/logprobs.ts'
export type {
  GenerationResult,
  Part,
  PartialResult,
  Timings,
  Usage,
} from './generation/result.ts'
export type { Channel } from './generation/stages/reply.ts'
export type { GenerationStream } from './generation/stream.ts'
export { GPT4All, type TokenIds } from './gpt4all.ts'
export type { Device } from './loading/devices.ts'
export type { MemoryPlan } from './loading/memory.ts'
export type { CatalogEntry, StoredCatalogEntry } from './models/catalog/schema.ts'
export type { ModelDescription } from './models/describe.ts'
export { defaultModelPath } from './models/locate.ts'
export type {
  DescribeModelOptions,
  DownloadModelOptions,
  EstimateMemoryOptions,
  ListDevicesOptions,
  ListModelsOptions,
  LocalModelInfo,
  LocalModelsOptions,
  RetrievedModel,
  RetrieveModelOptions,
  VerifiedModel,
  VerifyModelOptions,
} from './models/options.ts'
export type { KvType } from './native/contract.ts'
export { VERSION } from './native/package.ts'
export type { SystemInfo } from './native/system-info.ts'
export type { LoraAdapter } from './options/compute.ts'
export { DEFAULTS } from './options/defaults.ts'
export type {
  EmbedderOptions,
  EmbedOptions,
  EmbedProgress,
  EmbedSyncOptions,
  RankOptions,
  RerankerOptions,
} from './options/embed.ts'
export type { GenerateOptions, PromptProgress } from './options/generate.ts'
export type { EngineHandle, IsolatedEngineOptions } from './options/isolation.ts'
export type { ModelOptions, TokenizeOptions } from './options/model.ts'
export type { FilePath } from './options/path-text.ts'
export { type RankedDocument, Reranker } from './reranker.ts'
export { checkGenerateOptions, checkModelOptions } from './runtime/check-options.ts'
export { IsolatedEngine } from './runtime/isolated/engine.ts'
export type { ModelConfig } from './runtime/model.ts'
export type { Activity } from './scheduler/scheduler.ts'
