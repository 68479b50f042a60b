import { basename } from 'node:path'
import { Engine } from './engine/engine.ts'
import { type Released, untilStop } from './engine/stop.ts'
import { toText } from './engine/text.ts'
import { generateTokens } from './engine/tokens.ts'
import type { Prepare, RunRecord } from './generation.ts'
import { tellPrompt } from './logger.ts'
import { findModel, type ModelLocation } from './models/locate.ts'
import { type OpenedModel, openModel } from './models/open.ts'
import { loadBinding } from './native/binding.ts'
import { pieceReader } from './native/tokenizer.ts'
import type { NativeBinding, NativeModel } from './native/types.ts'
import type { ResolvedGenerateOptions, ResolvedModelOptions } from './options.ts'

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

/** @internal A model whose weights are loaded, and the engine that computes with them. */
export class LoadedModel {
  readonly #binding: NativeBinding
  readonly #model: OpenedModel
  readonly #engine: Engine
  readonly #options: ResolvedModelOptions
  readonly #endTokens: ReadonlySet<number>
  readonly #bytesOf: (token: number) => Uint8Array

  private constructor(
    binding: NativeBinding,
    model: OpenedModel,
    engine: Engine,
    options: ResolvedModelOptions,
  ) {
    this.#binding = binding
    this.#model = model
    this.#engine = engine
    this.#options = options
    this.#endTokens = new Set(model.native.info.endTokens)
    this.#bytesOf = pieceReader(model.native)
  }

  static async open(
    location: ModelLocation,
    options: ResolvedModelOptions,
    signal: AbortSignal,
  ): Promise<LoadedModel> {
    const binding = loadBinding()
    const model = await openModel(binding, await findModel(location), options, signal)
    const { native } = model
    const { nCtx, nThreads, fixedThreads, logger } = options
    if (nCtx > native.info.trainedContextSize) {
      const trained = native.info.trainedContextSize
      logger.warn(
        `nCtx ${nCtx} is more than the ${trained} tokens the model was trained with: expect poor text beyond`,
      )
    }
    const shape = {
      contextSize: nCtx,
      threads: nThreads,
      // A recurrent state cannot take back a step that was given up.
      yields: !fixedThreads && !native.info.isRecurrent && !native.info.isHybrid,
      logger,
    }
    const engine = await Engine.open(binding, native, shape).catch((error) => {
      native.close()
      throw error
    })
    return new LoadedModel(binding, model, engine, options)
  }

  get native(): NativeModel {
    return this.#model.native
  }

  get backend(): string {
    const device = this.#model.devices[0]
    return device ? device.name.replace(/\d+$/, '').toLowerCase() : 'cpu'
  }

  get device(): string | undefined {
    return this.#model.devices[0]?.description
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

  /** Whether `tokens` are all of `text`: neither cut at a stop string nor inside a character. */
  isTextOf(tokens: readonly number[], text: string): boolean {
    const length = tokens.reduce((sum, token) => sum + this.#bytesOf(token).length, 0)
    return length === Buffer.byteLength(text)
  }

  /** Makes the prompt, evaluates it, and yields what the model answers. */
  async *run(
    prepare: Prepare,
    options: ResolvedGenerateOptions,
    record: RunRecord,
    signal: AbortSignal,
  ): AsyncGenerator<Released, void, void> {
    const { native } = this.#model
    const prompt = await prepare(native, record, signal)
    signal.throwIfAborted()
    record.promptTokens = prompt.tokens.length
    const sequence = this.#engine.sequence()
    const step = {
      sampler: new this.#binding.Sampler(native.info.vocabSize, options.sampling),
      batchSize: options.nBatch,
      signal,
    }
    const limits = {
      maxTokens: options.maxTokens,
      contextSize: this.#options.nCtx,
      endTokens: this.#endTokens,
    }
    let told = false
    const tell = () => {
      record.cachedTokens = sequence.cachedTokens ?? 0
      if (told) return
      told = true
      const { promptTokens, cachedTokens } = record
      tellPrompt(this.#options.logger, { prompt: prompt.text, promptTokens, cachedTokens })
    }
    try {
      const tokens = generateTokens(sequence, prompt.tokens, step, limits, record.outcome)
      for await (const released of untilStop(toText(tokens, this.#bytesOf), prompt.stop, record.outcome)) {
        tell()
        yield released
      }
    } finally {
      tell()
      sequence.release()
    }
  }

  /** Interrupts what is under way, waits for it, and frees everything. */
  async close(): Promise<void> {
    await this.#engine.close()
    this.#model.native.close()
  }
}
