/** The types of the gpt4all package for Node.js, version 4.0.0, under its names. */

/** A message of a conversation. */
export interface ChatMessage {
  role: 'system' | 'assistant' | 'user'
  content: string
}

/** The name of `ChatMessage` in version 3. */
export type PromptMessage = ChatMessage

/** Kinds of models in version 3. */
export type ModelType = 'gptj' | 'llama' | 'mpt' | 'replit'

/** Files of those kinds in version 3. */
export type ModelFile = Record<ModelType, string>

/** What is known of a model: its entry in the list of models, and where its file is. */
export interface ModelConfig {
  /** Text before a chat session, special tokens included. */
  systemPrompt: string
  /** Template of a turn: `%1` is the user's message, `%2`, which may be left out, the answer. */
  promptTemplate: string
  /** Path of the file. */
  path: string
  /** Address of the file. */
  url?: string
}

/** Options of a generation. All have defaults; unknown ones are ignored. */
export interface LLModelPromptContext {
  /** Has no effect. */
  logitsSize: number
  /** Has no effect. */
  tokensSize: number
  /**
   * How many tokens of what was generated before the model keeps: an integer of 0 or more. A call of a model begins with
   * 0, a turn of a session with all.
   */
  nPast: number
  /**
   * The most tokens to generate. 0 only reads the prompt.
   * @default 4096
   */
  nPredict: number
  /** Template of the turn, instead of the model's. */
  promptTemplate?: string
  /** Has no effect: it is an option of `loadModel()`. */
  nCtx: number
  /** @default 40 */
  topK: number
  /** @default 0.9 */
  topP: number
  /** @default 0 */
  minP: number
  /** @default 0.1 */
  temp: number
  /** Means the same as `temp`, which goes first. */
  temperature: number
  /** Has no effect: the engine chooses how many tokens of a prompt it evaluates at a time. */
  nBatch: number
  /**
   * Penalty for tokens that occur among the last ones of prompt and answer.
   * @default 1.18
   */
  repeatPenalty: number
  /** @default 10 */
  repeatLastN: number
  /**
   * The share of the context that is given up, oldest turns first, when it is full: from 0 to 1.
   * @default 0.75
   */
  contextErase: number
}

/** What `infer()` takes. */
export interface LLModelInferenceOptions extends Partial<LLModelPromptContext> {
  /** Called for each token that is generated. `false`, or an error, ends the generation. */
  // biome-ignore lint/suspicious/noConfusingVoidType: functions of programs may return nothing
  onResponseToken?: (tokenId: number, token: string) => boolean | void
  /** Called for each token of the prompt. `false`, or an error, ends the call before anything is generated. */
  // biome-ignore lint/suspicious/noConfusingVoidType: functions of programs may return nothing
  onPromptToken?: (tokenId: number) => boolean | void
  /**
   * Reads special tokens in the user's text as such.
   * @default false
   */
  special?: boolean
}

/** Options of a completion. */
export interface CompletionOptions extends LLModelInferenceOptions {
  /**
   * Writes the request and its result to stderr.
   * @default false
   */
  verbose?: boolean
  /** Version 3: text before everything else. */
  promptHeader?: string
  /** Version 3: text behind everything else. */
  promptFooter?: string
  /** Version 3: how system messages of an array are written; `%1` is their text. */
  systemPromptTemplate?: string
}

/** What is to be answered: a text, or messages of which the last is the user's. */
export type CompletionInput = string | ChatMessage[]

/** What `infer()` resolves with. */
export interface LLModelInferenceResult {
  text: string
  /** Tokens that the model keeps, from which another call can go on. */
  nPast: number
}

/** What `generate()` resolves with. */
export interface InferenceResult extends LLModelInferenceResult {
  /** Tokens of the prompt that were read, those of the template included. */
  tokensIngested: number
  /** Tokens that were generated. */
  tokensGenerated: number
}

/** What completes texts: a model, a chat session, or a class of your own. */
export interface CompletionProvider {
  modelName: string
  generate(input: CompletionInput, options?: CompletionOptions): Promise<InferenceResult>
}

/** Options of a chat session; those of generations are defaults for all of its turns. */
export interface ChatSessionOptions extends Partial<LLModelPromptContext> {
  /** Text before everything else, special tokens included; otherwise that of the model. */
  systemPrompt?: string
  /** A conversation to go on with. */
  messages?: ChatMessage[]
  /**
   * Writes each request and its result to stderr.
   * @default false
   */
  verbose?: boolean
}

/** The result of a completion. */
export interface CompletionResult {
  /** Name of the model. */
  model: string
  usage: {
    /** Tokens of the prompt that were read, those of the template included. */
    prompt_tokens: number
    /** Tokens that were generated. */
    completion_tokens: number
    /** The sum of both. */
    total_tokens: number
    /** Tokens that the model keeps: `nPast` of a call that goes on from here. */
    n_past_tokens: number
  }
  choices: Array<{ message: ChatMessage }>
}

/** The name of `CompletionResult` in version 3. */
export type CompletionReturn = CompletionResult

/** One of the answers in a result; there is always one. Its name in version 3. */
export type CompletionChoice = CompletionResult['choices'][number]

/** What `createCompletionStream()` returns. */
export interface CompletionStreamReturn {
  /** The text as it is generated. It fails when the generation fails. */
  tokens: NodeJS.ReadableStream
  result: Promise<CompletionResult>
}

/** Options of `createEmbedding()`. */
export interface EmbeddingOptions {
  /** What the texts are for, without the colon: `search_query`, `search_document` ... */
  prefix?: string
  /** Numbers of a vector, for models that can give fewer. */
  dimensionality?: number
  /**
   * What becomes of a text that is too long: the mean over its pieces, or its beginning.
   * @default 'mean'
   */
  longTextMode?: 'mean' | 'truncate'
  /**
   * Refuses, or with `truncate` cuts, texts of more than 8,192 tokens, as Nomic Atlas does.
   * @default false
   */
  atlas?: boolean
}

/** The name of `EmbeddingOptions` in the package's own declarations. */
export type EmbedddingOptions = EmbeddingOptions

/** What `createEmbedding()` returns. */
export interface EmbeddingResult<T> {
  /** Tokens of the texts, without those of the prefix and those that the model puts around a text. */
  n_prompt_tokens: number
  embeddings: T
}

/** Options of `new LLModel()`. */
export interface LLModelOptions {
  /** Name of the file, with its extension. */
  model_name: string
  /** Folder of the file. */
  model_path: string
  /** Has no effect. */
  library_path?: string
  /** @default 'cpu' */
  device?: string
  /** @default 2048 */
  nCtx?: number
  /** @default 100 */
  ngl?: number
  /** What `type()` returns. */
  model_type?: string
  /** The same as `model_type`. */
  type?: string
}

/** A GPU of this machine. */
export interface GpuDevice {
  index: number
  /** 1: it shares the memory of the machine. 2: it has its own. */
  type: number
  /** Bytes of its memory. */
  heapSize: number
  name: string
  vendor: string
}

/** Options of `loadModel()`. */
export interface LoadModelOptions {
  /**
   * Folder of the models.
   * @default DEFAULT_DIRECTORY
   */
  modelPath?: string
  /** Has no effect. */
  librariesPath?: string
  /** A list of models on the disk, instead of GPT4All's. */
  modelConfigFile?: string
  /**
   * Whether a model that is not there is downloaded.
   * @default true
   */
  allowDownload?: boolean
  /**
   * Logs to stderr.
   * @default false
   */
  verbose?: boolean
  /**
   * Where to compute: `cpu`, `gpu`, a vendor or a device's name. The CPU is used where that fails.
   * @default 'cpu'
   */
  device?: string
  /**
   * Size of the context in tokens.
   * @default 2048
   */
  nCtx?: number
  /**
   * Layers on the GPU.
   * @default 100
   */
  ngl?: number
}

export interface InferenceModelOptions extends LoadModelOptions {
  type?: 'inference'
}

export interface EmbeddingModelOptions extends LoadModelOptions {
  type: 'embedding'
}

/** Options of `listModels()`: one of the two. */
export interface ListModelsOptions {
  url?: string
  file?: string
}

/** Options of `retrieveModel()`. */
export interface RetrieveModelOptions {
  allowDownload?: boolean
  verbose?: boolean
  modelPath?: string
  modelConfigFile?: string
}

/** Options of `downloadModel()`. */
export interface DownloadModelOptions {
  /**
   * Folder of the file.
   * @default DEFAULT_DIRECTORY
   */
  modelPath?: string
  /** @default false */
  verbose?: boolean
  /** Address of the file; otherwise that of GPT4All's list. */
  url?: string
  /** The MD5 checksum that the file must have, hexadecimal. */
  md5sum?: string
}

/** A download under way. */
export interface DownloadController {
  /** Ends the download: `promise` rejects with an `AbortError`. */
  cancel: () => void
  /**
   * Resolves with the path of the file. The package declared a `ModelConfig`: the type has both, so that programs written
   * for either compile.
   */
  promise: Promise<string & ModelConfig>
}
