export type { ChatMessage } from './chat/template.ts'
export type { FinishReason } from './engine/tokens.ts'
export {
  ClosedError,
  ContextOverflowError,
  type ErrorCode,
  GPT4AllError,
  isGPT4AllError,
  ModelError,
  type OptionError,
  OutOfMemoryError,
  TemplateError,
} from './errors.ts'
export {
  Generation,
  type GenerationResult,
  type PartialResult,
  type Timings,
  type Usage,
} from './generation.ts'
export { GPT4All, type ModelConfig } from './gpt4all.ts'
export type { Logger, LogLevel } from './logger.ts'
export { DEFAULTS, type GenerateOptions, type ModelOptions, type TokenizeOptions } from './options.ts'
