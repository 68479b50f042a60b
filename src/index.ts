export type { OverflowPolicy } from './chat/history.ts'
export type { ChatGenerateOptions, ChatSessionOptions } from './chat/options.ts'
export type { SavedSession, SaveOptions } from './chat/saving.ts'
export {
  type ChatMessage,
  DEFAULT_PROMPT_TEMPLATE,
  type ReasoningPolicy,
  type TemplateOptions,
} from './chat/template.ts'
export { ChatSession } from './chat-session.ts'
export type { KvType, LoraAdapter } from './compute-options.ts'
export type { IsolatedEngineOptions } from './distribution-options.ts'
export type { Activity } from './engine/engine.ts'
export type { TokenLogprob, TokenProbability } from './engine/logprobs.ts'
export type { Channel } from './engine/reply.ts'
export type { FinishReason } from './engine/tokens.ts'
export {
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
} from './errors.ts'
export type { GenerateOptions } from './generate-options.ts'
export { Generation } from './generation.ts'
export type {
  GenerationResult,
  Part,
  PartialResult,
  Timings,
  Usage,
} from './generation-result.ts'
export { GPT4All } from './gpt4all.ts'
export { IsolatedEngine } from './isolated/engine.ts'
export type { Logger, LogLevel, PromptMessage } from './logger.ts'
export type {
  DescribeModelOptions,
  DownloadModelOptions,
  EstimateMemoryOptions,
  ListDevicesOptions,
  ListModelsOptions,
  RetrievedModel,
  RetrieveModelOptions,
  SystemInfo,
  VerifiedModel,
  VerifyModelOptions,
} from './model-files-options.ts'
export type { CatalogEntry } from './models/catalog-shape.ts'
export type { ModelDescription } from './models/describe.ts'
export type { Device } from './models/devices.ts'
export { defaultModelPath } from './models/locate.ts'
export type { MemoryPlan } from './models/memory.ts'
export type { Progress } from './models/progress.ts'
export type { ModelConfig } from './open-model.ts'
export { DEFAULTS, type ModelOptions, type TokenizeOptions } from './options.ts'
export { printable, printableLine } from './printable.ts'
export { VERSION } from './version.ts'
