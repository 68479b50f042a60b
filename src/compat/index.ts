export {
  DEFAULT_DIRECTORY,
  DEFAULT_LIBRARIES_DIRECTORY,
  DEFAULT_MODEL_CONFIG,
  DEFAULT_MODEL_LIST_URL,
  DEFAULT_PROMPT_CONTEXT,
} from './common/constants.ts'
export type {
  ChatMessage,
  ChatSessionOptions,
  CompletionChoice,
  CompletionInput,
  CompletionOptions,
  CompletionProvider,
  CompletionResult,
  CompletionReturn,
  CompletionStreamReturn,
  DownloadController,
  DownloadModelOptions,
  EmbedddingOptions,
  EmbeddingModelOptions,
  EmbeddingOptions,
  EmbeddingResult,
  GpuDevice,
  InferenceModelOptions,
  InferenceResult,
  ListModelsOptions,
  LLModelInferenceOptions,
  LLModelInferenceResult,
  LLModelOptions,
  LLModelPromptContext,
  LoadModelOptions,
  ModelConfig,
  ModelFile,
  ModelType,
  PromptMessage,
  RetrieveModelOptions,
} from './common/types.ts'
export {
  createCompletion,
  createCompletionGenerator,
  createCompletionStream,
  createTokenStream,
} from './completions.ts'
export { createEmbedding, EmbeddingModel } from './embedding-model.ts'
export { downloadModel, listModels, retrieveModel } from './files.ts'
export { ChatSession, InferenceModel } from './inference-model.ts'
export { LLModel } from './llmodel.ts'
export { loadModel } from './load.ts'
