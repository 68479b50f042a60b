import { basename } from 'node:path'
import { PromptFormats } from './chat/formats.ts'
import type { Keeper } from './chat/saving.ts'
import type { PromptFormat, TemplateOptions } from './chat/template.ts'
import type { ResolvedThreads } from './compute-options.ts'
import { type Activity, Engine } from './engine/engine.ts'
import { logprobsInto } from './engine/logprobs.ts'
import { type ReplyFormat, type Spoken, tellApart } from './engine/reply.ts'
import { untilStop } from './engine/stop.ts'
import { toText } from './engine/text.ts'
import type { ThreadChoice } from './engine/thread-counts.ts'
import { generateTokens } from './engine/tokens.ts'
import { ClosedError, type DeviceFallback, optionError } from './errors.ts'
import type { ResolvedGenerateOptions } from './generate-options.ts'
import type { Prepare, RunRecord } from './generation-run.ts'
import { tellPrompt } from './logger.ts'
import { lookUpEntry } from './models/catalog-entry.ts'
import { loadDraft } from './models/draft.ts'
import { asGguf } from './models/ggml/convert.ts'
import type { GgufHeader } from './models/gguf/header.ts'
import { type Identity, identify } from './models/identity.ts'
import type { ModelLocation } from './models/locate.ts'
import { sideBySide } from './models/memory.ts'
import { obtainModel } from './models/obtain.ts'
import { candidates, type LoadedWeights, type OpenedModel, openModel } from './models/open.ts'
import { withProgressBar } from './models/progress-bar.ts'
import { loadBinding } from './native/binding.ts'
import { pieceReader } from './native/tokenizer.ts'
import type { NativeBinding, NativeModel } from './native/types.ts'
import type { ResolvedModelOptions } from './options.ts'

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

type Started = { readonly engine: Engine; readonly formats: PromptFormats }

/** @internal A model whose weights are loaded, and the engine that computes with them. */
export class LoadedModel {
  readonly #binding: NativeBinding
  readonly #model: OpenedModel<Started>
  readonly #options: ResolvedModelOptions
  readonly #endTokens: ReadonlySet<number>
  readonly #bytesOf: (token: number) => Uint8Array
  readonly #closing: AbortController
  #identity: Promise<Identity> | undefined

  private constructor(
    binding: NativeBinding,
    model: OpenedModel<Started>,
    options: ResolvedModelOptions,
    closing: AbortController,
  ) {
    this.#binding = binding
    this.#model = model
    this.#options = options
    this.#closing = closing
    this.#endTokens = new Set(model.native.info.endTokens)
    this.#bytesOf = pieceReader(model.native)
  }

  /** The model at `location`, and beside it the one that guesses for it. */
  static async open(
    location: ModelLocation,
    draftLocation: ModelLocation | undefined,
    options: ResolvedModelOptions,
    signal: AbortSignal,
  ): Promise<LoadedModel> {
    signal.throwIfAborted()
    const closing = new AbortController()
    const binding = loadBinding()
    const devices = candidates(binding, options) // before anything is downloaded
    const model = await withProgressBar(basename(location.withExtension), options, async (onProgress) => {
      const request = { ...options, onProgress, signal }
      const path = await asGguf(await obtainModel(location, request), request)
      const drafts = draftLocation && !options.deterministic
      const draftPath = drafts && (await asGguf(await obtainModel(draftLocation, request), request))
      const start = async (weights: LoadedWeights) => {
        const { native, header, gpus } = weights
        const formats = formatsOf(binding, weights, options, closing.signal)
        // The context is made on a thread of its own, and whoever opens the model waits for that.
        const [engine] = await Promise.all([
          startEngine(binding, native, header, options, async () =>
            !draftPath ? undefined : loadDraft(binding, draftPath, native, options, gpus, signal),
          ),
          formats.warmUp(),
        ])
        return { engine, formats }
      }
      return openModel(binding, path, request, devices, start, signal)
    })
    return new LoadedModel(binding, model, options, closing)
  }

  get native(): NativeModel {
    return this.#model.native
  }

  get backend(): string {
    return this.#model.gpus[0]?.backend ?? 'cpu'
  }

  get device(): string | undefined {
    const names = this.#model.gpus.map(({ description }) => description)
    return names.length > 0 ? names.join(', ') : undefined
  }

  get sharesWeights(): boolean {
    return this.native.info.shared
  }

  get parallel(): number {
    return this.#model.started.engine.parallel
  }

  get activity(): Activity {
    return this.#model.started.engine.activity
  }

  get fallbacks(): readonly DeviceFallback[] {
    return this.#model.fallbacks
  }

  get config(): ModelConfig {
    const { native, header } = this.#model
    const { info } = native
    return {
      filename: basename(header.path),
      path: header.path,
      filesize: header.fileBytes,
      name: info.metadata['general.name'] ?? basename(header.path),
      architecture: header.architecture,
      description: info.description,
      parameters: info.parameters,
      trainedContextSize: info.trainedContextSize,
      vocabularySize: info.vocabSize,
      chatTemplate: info.metadata['tokenizer.chat_template'],
      metadata: info.metadata,
    }
  }

  /** What its conversations have in the cache, and what files of them are bound to. */
  get keeper(): Keeper {
    const { engine } = this.#model.started
    return {
      stateOf: (conversation, tokens) => engine.stateOf(conversation, tokens),
      offer: (conversation, state) => engine.offer(conversation, state),
      identity: () => {
        this.#identity ??= identify(this.#model, this.#options, this.#binding.llamaVersion)
        return this.#identity
      },
    }
  }

  /** Takes effect with the next step. */
  setThreads(threads: ResolvedThreads): void {
    this.#model.started.engine.setThreads(threadChoice(this.native, { ...this.#options, ...threads }))
  }

  /** How messages become prompts. */
  promptFormat(options: TemplateOptions): Promise<PromptFormat> {
    return this.#model.started.formats.get(options)
  }

  /** Makes the prompt, evaluates it, and yields what the model answers. */
  async *run(
    prepare: Prepare,
    options: ResolvedGenerateOptions,
    record: RunRecord,
    signal: AbortSignal,
  ): AsyncGenerator<Spoken, void, void> {
    const { native } = this.#model
    const prompt = await prepare(native, record, signal)
    signal.throwIfAborted()
    record.promptTokens = prompt.tokens.length
    if (prompt.full) return
    checkBias(native, options)
    const sequence = this.#model.started.engine.sequence({
      moved: prompt.moved ?? false,
      conversation: prompt.conversation,
      looksUp: options.promptLookup,
      drafts: options.draft,
    })
    const step = {
      sampler: new this.#binding.Sampler(native.info.vocabSize, options.sampling),
      batchSize: options.nBatch,
      logprobs:
        options.logprobs === undefined ? undefined : logprobsInto(record.logprobs, options.logprobs, native),
      reader: record.reader,
      signal,
    }
    const limits = {
      maxTokens: options.maxTokens,
      contextSize: this.#options.nCtx,
      endTokens: this.#endTokens,
    }
    record.refresh = () => {
      record.cachedTokens = sequence.cachedTokens ?? 0
      record.queueMs = sequence.queueMs
      record.guessed = { proposedTokens: sequence.proposed, acceptedTokens: sequence.accepted }
    }
    let told = false
    const tell = () => {
      record.refresh()
      if (told) return
      told = true
      const { promptTokens, cachedTokens } = record
      tellPrompt(this.#options.logger, { prompt: prompt.text, promptTokens, cachedTokens })
    }
    try {
      const tokens = generateTokens(sequence, prompt.tokens, step, limits, record.outcome)
      const pieces = toText(tokens, this.#reader(prompt.reply, record))
      const released = untilStop(pieces, prompt.stop, record.outcome)
      for await (const spoken of tellApart(released, prompt.reply, record.transcript, record.outcome)) {
        tell()
        yield spoken
      }
    } finally {
      tell()
      sequence.release()
    }
  }

  /** The bytes of a token's text, counted; those of control tokens only where the parser of the answer needs them. */
  #reader(reply: ReplyFormat | undefined, record: RunRecord): (token: number) => Uint8Array {
    const shown = new Map<number, Uint8Array>()
    for (const text of reply?.preservedTexts ?? []) {
      const [token, ...more] = this.native.tokenize(text, false, true)
      if (token !== undefined && more.length === 0) shown.set(token, Buffer.from(text))
    }
    return (token) => {
      const bytes = shown.get(token) ?? this.#bytesOf(token)
      record.tokenBytes += bytes.length
      return bytes
    }
  }

  /** Interrupts what is under way, waits for it, and frees everything. */
  async close(): Promise<void> {
    this.#closing.abort(new ClosedError('The model'))
    await this.#model.started.engine.close()
    this.#model.native.close()
  }
}

function checkBias({ info }: NativeModel, { sampling }: ResolvedGenerateOptions): void {
  const unknown = sampling.biasedTokens.find((token) => token >= info.vocabSize)
  if (unknown !== undefined)
    throw optionError('logitBias', `token ids of this model, 0 to ${info.vocabSize - 1}`, unknown)
}

function formatsOf(
  binding: NativeBinding,
  { native, original, entry }: LoadedWeights,
  { allowDownload, logger }: ResolvedModelOptions,
  signal: AbortSignal,
): PromptFormats {
  const lookUp = async () => {
    const found = await lookUpEntry(original, { signal, logger })
    signal.throwIfAborted()
    return found
  }
  return new PromptFormats({
    binding,
    model: native,
    entry,
    logger,
    lookUp: allowDownload ? lookUp : undefined,
  })
}

async function startEngine(
  binding: NativeBinding,
  native: NativeModel,
  header: GgufHeader,
  options: ResolvedModelOptions,
  loadDraft: () => Promise<NativeModel | undefined>,
): Promise<Engine> {
  const { nCtx, deterministic, parallel, maxQueue, cacheMemory, logger } = options
  const { flashAttention, keyType, valueType, lora } = options
  const { trainedContextSize } = native.info
  if (nCtx > trainedContextSize) {
    logger.warn(
      `nCtx ${nCtx} is more than the ${trainedContextSize} tokens the model was trained with: expect poor text beyond`,
    )
  }
  const draft = await loadDraft()
  try {
    return await Engine.open(binding, native, {
      contextSize: nCtx,
      ...threadChoice(native, options),
      cache: { flashAttention, keyType, valueType },
      adapterScales: lora.map(({ scale }) => scale),
      deterministic,
      parallel: parallel ?? sideBySide(header, nCtx, options),
      reserved: parallel ?? 1,
      maxQueue,
      cacheMemory,
      draft,
      logger,
    })
  } finally {
    draft?.close() // its context holds the weights
  }
}

function threadChoice({ info }: NativeModel, options: ResolvedModelOptions): ThreadChoice {
  const { nThreads, nThreadsBatch, fixedThreads, deterministic } = options
  // A recurrent state cannot take back a step that was given up.
  const yields = !fixedThreads && !deterministic && !info.isRecurrent && !info.isHybrid
  return { threads: nThreads, batchThreads: nThreadsBatch, yields }
}
