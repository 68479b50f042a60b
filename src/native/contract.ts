/**
 * The contract of the addon: what `native/*.cc` exports, one entry per verb, with the llama.cpp function it
 * wraps named above it. The addon has no policy, and no defaults of the user's options. It checks
 * types and bounds again, never trusts a handle, and throws errors that carry a `code`.
 * `test/unit/contract.test.ts` compares this page with the C++ sources.
 */

/** The type of the numbers in a KV cache, by ggml's names. */
export type KvType = 'f16' | 'bf16' | 'f32' | 'q8_0' | 'q5_1' | 'q5_0' | 'q4_1' | 'q4_0' | 'iq4_nl'

/** Receives llama.cpp's log lines of one model (its loading and its contexts). */
export type NativeLog = (level: 'debug' | 'info' | 'warn' | 'error', line: string) => void

export type NativeModelParams = {
  /**
   * Load the vocabulary only: `tokenize` works, contexts cannot be made. For tests with vocabularies that
   * have no weights.
   */
  readonly vocabOnly: boolean
  /** Layers to put on GPUs, from the last; 0 = none. */
  readonly gpuLayers: number
  /** Names of devices (see `devices()`) to use; empty = none but the CPU. */
  readonly devices: readonly string[]
  /**
   * Files of LoRA adapters for this model (llama_adapter_lora_init), checked: damaged ones may abort the
   * process.
   */
  readonly adapters: readonly string[]
  /** Proportions of the layers, one a device (llama_model_params.tensor_split); empty = by free memory. */
  readonly tensorSplit: readonly number[]
  /**
   * False: all weights stay mapped as they are in the file: slower, but they take no memory of their own
   * (use_extra_bufts).
   */
  readonly repack?: boolean
  /** Begin a stage only once another load of the same files has finished it, which `allow()` reports. */
  readonly follows?: boolean
  /**
   * Called with the number of stages that are over, of three: header, tokens, vocabulary. The weights come
   * after them.
   */
  readonly onStage?: (stages: number) => void
  readonly log?: NativeLog
}

export type NativeModelInfo = {
  /** Another model of this process had loaded these weights. */
  readonly shared: boolean
  /** e.g. `llama 1B Q4_0` (llama_model_desc) */
  readonly description: string
  /** Bytes of all tensors (llama_model_size) */
  readonly sizeBytes: number
  /** llama_model_n_params */
  readonly parameters: number
  /** Context length the model was trained with, tokens (llama_model_n_ctx_train) */
  readonly trainedContextSize: number
  readonly vocabSize: number
  /** Bytes of a text that one token spells at most; 0 where a token may stand for any number of them */
  readonly longestToken: number
  /** Some special tokens include the white space around them (LLAMA_TOKEN_ATTR_LSTRIP, _RSTRIP) */
  readonly stripsWhiteSpace: boolean
  readonly hasEncoder: boolean
  readonly hasDecoder: boolean
  readonly isRecurrent: boolean
  readonly isHybrid: boolean
  readonly isDiffusion: boolean
  /** Width of the attention window, tokens; 0 = full attention (llama_model_n_swa) */
  readonly slidingWindow: number
  /** Every token that ends a generation (llama_vocab_is_eog) */
  readonly endTokens: Int32Array
  /** What the vocabulary puts between the two texts of a pair (llama_vocab_eos, llama_vocab_sep) */
  readonly pairSeparator: Int32Array
  /** Texts that `tokenize` reads as control tokens with `parseSpecial` only (llama_vocab_get_attr) */
  readonly controlTexts: readonly string[]
  /** Texts that `tokenize` always reads as one token (user-defined tokens) */
  readonly definedTexts: readonly string[]
  /**
   * The GGUF's scalar metadata as text, the first 4,096 (llama_model_meta_key_by_index,
   * llama_model_meta_val_str_by_index)
   */
  readonly metadata: Readonly<Record<string, string>>
}

export type NativeModelLoad = {
  readonly promise: Promise<NativeModel>
  /**
   * The load stops at its next progress step, or at once while it waits for another load, and rejects with
   * `ERR_ABORTED`.
   */
  cancel(): void
  /** For a load that follows another one: that one has finished this many stages; 4 = it is done. */
  allow(stages: number): void
}

/** Work on one of the addon's own threads. */
export type NativeJob<T> = {
  readonly promise: Promise<T>
  /** The promise rejects with `ERR_ABORTED` within a few milliseconds, unless the job is done. */
  cancel(): void
}

/** A text that marks cut into pieces, each tokenized by itself. Empty marks = none. */
export type NativeMarkedText = {
  readonly text: string
  readonly cut: string
  readonly open: string
  readonly close: string
  /** The first piece begins a text; else it follows one. */
  readonly begins: boolean
  /** A piece that begins a text gets the vocabulary's own start and end tokens. */
  readonly addSpecial: boolean
  /** Read the text of control tokens as these tokens, except single characters between `open` and `close`. */
  readonly parseSpecial: boolean
  /** A text after which pieces that follow others are tokenized; its tokens are left out. */
  readonly anchor: string
}

export interface NativeModel {
  readonly info: NativeModelInfo
  // llama_tokenize, on the calling thread: for short texts
  tokenize(text: string, addSpecial: boolean, parseSpecial: boolean): Int32Array
  // llama_tokenize of each piece
  tokenizeMarked(text: NativeMarkedText): Int32Array
  // the same on a thread of the model's own; rejects with `ERR_CLOSED` when the model is closed
  tokenizeLater(text: NativeMarkedText): NativeJob<Int32Array>
  // llama_detokenize; UTF-8 bytes, special tokens written out when `special`
  detokenize(tokens: Int32Array, special: boolean): Uint8Array
  // the same on a thread of the model's own
  detokenizeLater(tokens: Int32Array, special: boolean): NativeJob<Uint8Array>
  // llama_token_to_piece; raw bytes, empty for control tokens unless `special`
  tokenBytes(token: number, special: boolean): Uint8Array
  // llama_model_chat_template
  chatTemplate(): string | undefined
  // llama_model_free, once every context of it and every model that shares its weights is closed too
  close(): void
}

export type NativeContextParams = {
  /** Cells of the KV cache per sequence (llama.cpp pads it upwards). */
  readonly contextSize: number
  /** Sequences that live side by side, each with its own cells. */
  readonly sequences: number
  /** The most tokens of one `eval` (n_batch). */
  readonly batchSize: number
  /** Tokens computed at once inside it (n_ubatch). */
  readonly microBatchSize: number
  /**
   * The most outputs of one micro-batch (n_outputs_max): bounds the logits buffer, outputs x vocabulary x 4
   * bytes.
   */
  readonly maxOutputs: number
  readonly threads: number
  /** Threads for steps of more than one token, of one sequence or of several. */
  readonly batchThreads: number
  /** How eagerly waiting worker threads spin between graphs, 0 to 100 (ggml_threadpool_params.poll). */
  readonly poll: number
  readonly flashAttention: 'auto' | 'on' | 'off'
  /** What the KV cache keeps keys and values as (type_k, type_v). A quantized V needs flash attention. */
  readonly keyType: KvType
  readonly valueType: KvType
  /** How much of each of the model's adapters is added to its weights; 0 = none (llama_set_adapters_lora). */
  readonly adapterScales: readonly number[]
  /**
   * Bytes of all its buffers, about, which V8 counts until it is closed (napi_adjust_external_memory); left
   * out = 0
   */
  readonly memoryBytes?: number
}

export type NativeContextInfo = {
  /** Cells per sequence as llama.cpp made them (llama_n_ctx_seq) */
  readonly cells: number
  readonly sequences: number
  readonly batchSize: number
  /** llama_memory_can_shift; false for keys of bf16, which ggml cannot rotate in place */
  readonly canShift: boolean
}

export type NativeEvalEntry = {
  readonly sequence: number
  /** Position of `tokens[0]`; what the cache holds from here on is dropped first (llama_memory_seq_rm). */
  readonly position: number
  readonly tokens: Int32Array
  /** Draws one token per output; left out = outputs are only evaluated. */
  readonly sampler?: NativeSampler | undefined
  /**
   * Indices into `tokens`, ascending, whose logits are wanted; left out = none. With a sampler, drawing
   * goes on only while the drawn token equals the entry's next token: the outputs after the first
   * difference were computed for a text that the sampler did not choose.
   */
  readonly outputs?: readonly number[] | undefined
  /** Return the logits of each output as well. For tests, which compare steps bit for bit. */
  readonly logits?: boolean | undefined
  /** Return the log probability of each drawn token, and this many of the most likely tokens with theirs. */
  readonly logprobs?: number | undefined
}

/** How far a step continues without JavaScript. Each entry must draw one token, from its last. */
export type NativeRun = {
  /**
   * Steps, at most; the results hold as many tokens per entry. It ends early where an entry draws an end
   * token.
   */
  readonly steps: number
  /** No further step begins that would end later, as long as the one before it took. */
  readonly milliseconds: number
}

export type NativeEvalResult = {
  /** Drawn token ids, one per drawn output. */
  readonly tokens: Int32Array
  /** `[vocabulary]` raw logits per output, when asked for. */
  readonly logits?: readonly Float32Array[]
  /** Per drawn output, when asked for: natural logarithms under the raw distribution, most likely first. */
  readonly logprobs?: readonly NativeLogprobs[]
  /**
   * Why no more was drawn than `tokens`. `ERR_LOGITS`: the logits were not numbers, and nothing is left of
   * the sequence in the cache. `ERR_DECODE`: the sampler's bias leaves no token.
   */
  readonly error?: Error
}

export type NativeLogprobs = {
  /** Of the drawn token. */
  readonly logprob: number
  readonly topTokens: Int32Array
  readonly topLogprobs: Float32Array
}

/** The first and the last position that the cache holds of a sequence; -1 where it is empty. */
export type NativePositions = { readonly min: number; readonly max: number }

export interface NativeContext {
  readonly info: NativeContextInfo
  /**
   * One step for all active sequences: drop, llama_decode, sample. Rejects with `ERR_ABORTED`,
   * `ERR_CROWDED`, `ERR_CONTEXT_FULL` (no cells left), `ERR_CANNOT_ROLL_BACK` (this memory cannot drop a
   * part of a sequence; nothing was evaluated) or `ERR_DECODE`. After a rejection ask `positions()` for
   * what the cache holds, and after an `error` in a result for what it holds of all sequences. With `run`
   * it goes on, each entry with the token that it drew; what fails then only ends the run.
   */
  eval(entries: readonly NativeEvalEntry[], run?: NativeRun): Promise<NativeEvalResult[]>
  /** Each run asked for so far ends with its current step; single steps are not affected. */
  endRun(): void
  /** llama_memory_seq_rm: false where this memory cannot drop a part. `to` -1 = to the end. */
  remove(sequence: number, from: number, to: number): Promise<boolean>
  // llama_state_seq_get_data, then llama_state_seq_set_data, of the whole sequence
  copy(from: number, to: number): Promise<void>
  // llama_memory_seq_rm [from, to) + llama_memory_seq_add of the rest by from - to; false where it cannot
  shift(sequence: number, from: number, to: number): Promise<boolean>
  // llama_memory_seq_pos_min/_max
  positions(sequence: number): Promise<NativePositions>
  // llama_state_seq_get_data
  save(sequence: number): Promise<Uint8Array>
  // llama_state_seq_set_data; ERR_STATE when the bytes do not fit this context
  restore(sequence: number, state: Uint8Array): Promise<void>
  /**
   * llama_set_n_threads; takes effect with the next step. With `watch`, steps reject with `ERR_CROWDED`
   * when their threads keep losing the cores to other programs: then fewer threads are faster.
   */
  setThreads(threads: number, batchThreads: number, watch: boolean): void
  /**
   * Every step asked for so far rejects with `ERR_ABORTED`, unless it is finished
   * (llama_set_abort_callback).
   */
  abort(): void
  /** Aborts what runs, frees the llama_context on its thread, joins it. Idempotent. */
  close(): Promise<void>
}

/** How the vectors of a text's tokens become one; `rank`: scores of a classifier; `none`: the last token's. */
export type Pooling = 'none' | 'mean' | 'cls' | 'last' | 'rank'

/** As those of a `NativeContextParams`, but for what is said here. */
export type NativeEmbedderParams = {
  /** The most tokens of one `embed`, and of a text: n_ctx, n_batch and n_ubatch. */
  readonly batchSize: number
  /** The most texts of one `embed`. */
  readonly sequences: number
  readonly threads: number
  readonly batchThreads: number
  readonly poll: number
  readonly flashAttention: 'auto' | 'on' | 'off'
  readonly keyType: KvType
  readonly valueType: KvType
  readonly adapterScales: readonly number[]
  readonly memoryBytes?: number
  /** `file`: what the GGUF says, or `none` where it says nothing. */
  readonly pooling: Pooling | 'file'
}

export type NativeEmbedderInfo = {
  /** Numbers of a vector, or scores of a text (llama_model_n_embd_out, llama_model_n_cls_out) */
  readonly vectorSize: number
  readonly pooling: Pooling
  /** The most tokens of a text. */
  readonly longest: number
}

/** A context that makes vectors of texts. */
export interface NativeEmbedder {
  readonly info: NativeEmbedderInfo
  /**
   * Computes a batch of texts: `tokens` of all, `lengths` of each (llama_decode, llama_get_embeddings_seq).
   * Resolves with their vectors, one after the other. Rejects with `ERR_ABORTED`, `ERR_LOGITS` (a vector is
   * not numbers) or `ERR_DECODE`.
   */
  embed(tokens: Int32Array, lengths: Int32Array): Promise<Float32Array>
  /** The same, after what was asked for before it; the calling thread waits. Throws what `embed` rejects with. */
  embedNow(tokens: Int32Array, lengths: Int32Array): Float32Array
  // as a NativeContext's; crowding is not watched for
  setThreads(threads: number, batchThreads: number, watch: boolean): void
  abort(): void
  close(): Promise<void>
}

export type NativeSamplerParams = {
  /** 0 = greedy */
  readonly temperature: number
  /** 0 = off */
  readonly topK: number
  /** 1 = off */
  readonly topP: number
  /** 0 = off */
  readonly minP: number
  /** 1 = off */
  readonly repeatPenalty: number
  /** Tokens the penalty looks back on: the drawn ones, and those given to `lookBackOn()`; 0 = off */
  readonly repeatLastN: number
  /** Taken off the logit of every token drawn so far; 0 = off */
  readonly presencePenalty: number
  /** The same, once per time it was drawn; 0 = off */
  readonly frequencyPenalty: number
  /** Tokens, each once, whose logits change before all else, and by how much; -Infinity = never drawn */
  readonly biasedTokens: Int32Array
  readonly biases: Float32Array
  /** 32 bits, unsigned */
  readonly seed: number
}

/** `eval()` draws with it. `sample()` and `accept()` are for tests, which draw from logits of their own. */
export interface NativeSampler {
  /** Draws from logits `[vocabulary]` and remembers the token. The array is not changed. */
  sample(logits: Float32Array): number
  /** Remembers a token as if it had been drawn. */
  accept(token: number): void
  /** The repeat penalty looks back on these tokens of the prompt too; the other penalties do not. */
  lookBackOn(tokens: Int32Array): void
}

export type NativeDevice = {
  /** e.g. `CUDA0` (ggml_backend_dev_name) */
  readonly name: string
  /** e.g. `NVIDIA GeForce RTX 3060` (ggml_backend_dev_description) */
  readonly description: string
  /** Of ggml, e.g. `CUDA`, `Vulkan`, `MTL`, `CPU` (ggml_backend_reg_name) */
  readonly backend: string
  readonly type: 'cpu' | 'gpu' | 'igpu' | 'accel'
  /** Bytes (ggml_backend_dev_memory) */
  readonly memoryFree: number
  readonly memoryTotal: number
}

export type NativeBinding = {
  /**
   * The addon's own file, as a `file:` URL; empty where Node does not know it
   * (node_api_get_module_file_name)
   */
  readonly file: string
  /** llama.cpp's version (llama_version) */
  readonly llamaVersion: string
  /** CPU features the build uses (llama_print_system_info) */
  readonly systemInfo: string
  // ggml_backend_reg_get: the backends of this build, whether or not the machine has such a device
  backends(): string[]
  // ggml_backend_rpc_add_server: makes the devices of a ggml-rpc-server known, and returns their names.
  // Blocks, and ends the process where nothing answers: see `IsolatedEngine`
  addRpcServer(endpoint: string): string[]
  // native/parent-process.cc: the system ends this process with the thread that started it
  endWithParent(): void
  // native/child-process.cc: the child that `start` starts ends with this thread, until it is dropped
  // because it has ended. Where the system does not list children (Linux does), the child must be held as
  // well
  startChild<T>(start: () => T): T
  holdChild(pid: number): void
  dropChild(pid: number): void
  /** This build has the kernels and the memory of native/tuning. For tests. */
  readonly hasTuning: boolean
  // native/tuning/matmul.cc: the kernels that can multiply matrices on this CPU, the fastest last: `ggml`,
  // `avx2`, `vnni`
  kernels(): string[]
  // Chooses one of them, `false` for another name; the last is chosen at first. For tests and benchmarks,
  // not while contexts compute
  useKernels(name: string): boolean
  // ggml_backend_dev_get
  devices(): NativeDevice[]
  readonly Model: {
    // llama_model_load_from_file on a thread of its own; `onProgress` gets 0 to 1. Weights that a model of
    // this process holds, or is loading, are shared: same files, unchanged, and same params but for `log`
    load(path: string, params: NativeModelParams, onProgress?: (fraction: number) => void): NativeModelLoad
    /** Whether a `load()` would share weights that are loaded or being loaded now. */
    isLoaded(path: string, params: NativeModelParams): boolean
  }
  readonly Context: {
    // llama_init_from_model on the context's own thread
    create(model: NativeModel, params: NativeContextParams): Promise<NativeContext>
  }
  readonly Embedder: {
    // llama_init_from_model with embeddings, on the context's own thread
    create(model: NativeModel, params: NativeEmbedderParams): Promise<NativeEmbedder>
  }
  readonly Sampler: new (vocabSize: number, params: NativeSamplerParams) => NativeSampler
  // common_chat_templates_init; no source = the model's own, no model = start and end tokens are `<s>` and
  // `</s>`
  readonly ChatTemplate: new (
    model: NativeModel | undefined,
    source: string | undefined,
  ) => NativeChatTemplate
  readonly TextFinder: new (texts: readonly string[], spelling: NativeSpelling) => NativeTextFinder
  /**
   * `distinct`: no two strings are equal up to their first zero byte, empty ones aside; `pairs`: a space
   * after the first byte.
   */
  readonly StringScan: new (
    rule: 'distinct' | 'pairs',
    count: number,
    maxBytes: number,
  ) => NativeStringScan
}

/**
 * Marks that cut a text into pieces, which are tokenized apart; a character between `open` and `close` is
 * not a control token.
 */
export type NativeMarks = { readonly cut: string; readonly open: string; readonly close: string }

/**
 * How a vocabulary writes the bytes of its tokens: as they are, by GPT-2's characters, or escaped as RWKV
 * does.
 */
export type NativeSpelling = 'plain' | 'characters' | 'escapes'

/**
 * Looks for a set of texts in another text, in one pass: of long ones for the first 32 UTF-16 units, or
 * fewer where they are very many. U+2581 is a space.
 */
export interface NativeTextFinder {
  /** Marks that occur neither in the texts nor in `text`. */
  unusedMarks(text: string): NativeMarks
  /**
   * `text` with a mark in each of the texts that users wrote a part of: `cut` after its first character
   * where users wrote that, and else before the first character that they wrote; `open` and `close` around
   * a text of a single character. `users` are pairs of places, in UTF-16 units, where a user's part begins
   * and ends, ascending; left out = users wrote all of it. Two equal places break the texts that span them.
   */
  marked(text: string, marks: NativeMarks, users?: Uint32Array): string
  /** The same on a thread of its own. */
  markedLater(text: string, marks: NativeMarks, users?: Uint32Array): NativeJob<string>
  /** The indices of the texts that occur, ascending. */
  occurring(text: string): Uint32Array
}

/**
 * Checks the strings of one GGUF array (length in 64 bits, then bytes), window by window, on the calling
 * thread.
 */
export interface NativeStringScan {
  /**
   * Takes strings from the start of `window`, up to the last one that lies wholly in it or to one that
   * breaks a rule, which is not taken.
   */
  scan(window: Uint8Array): NativeScanResult
}

export type NativeScanResult = {
  /** The index of the next string, counted over all windows. */
  readonly index: number
  /** Where in `window` the next string begins, which is how many bytes were taken. */
  readonly bytes: number
  /** What is wrong with the next string: more than `maxBytes`, equal to an earlier one, not a pair. */
  readonly problem?: 'long' | 'repeated' | 'single'
}

export type NativeChatMessage = {
  readonly role: string
  readonly content: string
  readonly reasoning?: string | undefined
}

export type NativeRenderParams = {
  readonly messages: readonly NativeChatMessage[]
  readonly addGenerationPrompt: boolean
  /** Lets the model think where the template has a switch for it. */
  readonly enableThinking: boolean
  /**
   * Whether past reasoning is shown, where the template has a switch for it; undefined = the template
   * decides.
   */
  readonly preserveReasoning?: boolean | undefined
  /**
   * Texts that marks keep the messages from forging, in the prompt and for the template; undefined = none.
   */
  readonly control?: NativeTextFinder | undefined
  /** A text in which the marks must not occur. */
  readonly avoided?: string | undefined
}

export type NativeReply = { readonly reasoning: string; readonly content: string }

export type NativeRenderedChat = {
  readonly prompt: string
  /** The same without its marks; undefined where it has none. */
  readonly plain: string | undefined
  /** Empty texts where there is no `control`. */
  readonly marks: NativeMarks
  /** The end of `prompt` that asks for the answer; may open a block of reasoning. */
  readonly generationPrompt: string
  /** Whether an answer has parts (reasoning, a frame around the text), into which `parseReply` splits it. */
  readonly splitsReply: boolean
  /** Tags around reasoning, without white space; empty where the format has none. */
  readonly thinkingStart: string
  readonly thinkingEnds: readonly string[]
  /** Texts of control tokens that `parseReply` needs to see in the output. */
  readonly preservedTexts: readonly string[]
  /** Texts that end an answer, beside the model's own end tokens. */
  readonly stops: readonly string[]
  // common_chat_parse; `partial` = more is to come, so what may begin a tag is held back
  parseReply(output: string, partial: boolean): NativeReply
}

/**
 * Work that is not quick fails with `ERR_EFFORT`, and is to be done by the `Later` methods, on a thread of
 * the template's own.
 */
export interface NativeChatTemplate {
  // common_chat_templates_init
  open(): void
  openLater(): NativeJob<void>
  // common_chat_templates_apply; opens it as well
  render(params: NativeRenderParams): NativeRenderedChat
  renderLater(params: NativeRenderParams): NativeJob<NativeRenderedChat>
}

/** Codes of errors that come out of the addon. */
export type NativeErrorCode =
  | 'ERR_ARGUMENT'
  | 'ERR_CLOSED'
  | 'ERR_ABORTED'
  | 'ERR_EFFORT'
  | 'ERR_CROWDED'
  | 'ERR_LOAD'
  | 'ERR_MEMORY'
  | 'ERR_CONTEXT_FULL'
  | 'ERR_CANNOT_ROLL_BACK'
  | 'ERR_DECODE'
  | 'ERR_LOGITS'
  | 'ERR_STATE'
  | 'ERR_TEMPLATE'
