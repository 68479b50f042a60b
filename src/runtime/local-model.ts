import { basename } from 'node:path'
import type { ConversationOptions } from '../chat/conversation.ts'
import type { CacheStore } from '../chat/saved/session.ts'
import { PromptFormats } from '../chat/template/formats.ts'
import { render, type TemplateOptions, withSystem } from '../chat/template/template.ts'
import { ClosedError } from '../core/errors.ts'
import type { ChatMessage } from '../core/messages.ts'
import type { EventStream } from '../generation/events.ts'
import type { Prepare } from '../generation/prepare.ts'
import { loadDraft } from '../loading/draft.ts'
import { type Identity, identify } from '../loading/identity.ts'
import { mostStateBytes } from '../loading/memory.ts'
import { candidates, openModel, type Weights, type WeightsAndStart } from '../loading/open.ts'
import { type RpcServersInUse, useRpcServers } from '../loading/rpc-handshake.ts'
import { lookUpEntry } from '../models/catalog/entry.ts'
import { withProgressBar } from '../models/download/progress-bar.ts'
import { asGguf } from '../models/ggml/convert.ts'
import type { ModelLocation } from '../models/locate.ts'
import { obtainModel } from '../models/obtain.ts'
import { loadBinding } from '../native/binding.ts'
import type { NativeBinding, NativeModel } from '../native/contract.ts'
import { checkTokens, decode, encode, leastTokens } from '../native/tokenizer.ts'
import type { ResolvedThreads } from '../options/compute.ts'
import type { ResolvedGenerateOptions } from '../options/generate.ts'
import {
  checkPromptLength,
  type ResolvedModelOptions,
  type ResolvedTokenizeOptions,
} from '../options/model.ts'
import type { Demand } from '../scheduler/request.ts'
import type { Activity, Scheduler } from '../scheduler/scheduler.ts'
import { LocalConversation } from './local-conversation.ts'
import { LocalRuns } from './local-runs.ts'
import type { ModelConfig, ModelFacts, OpenModel } from './model.ts'
import { startScheduler, threadChoice } from './start-scheduler.ts'

type Started = { readonly engine: Scheduler; readonly formats: PromptFormats }

/** @internal A model whose weights are loaded, and the engine that computes with them. */
export class LocalModel implements OpenModel {
  readonly #binding: NativeBinding
  readonly #model: WeightsAndStart<Started>
  readonly #options: ResolvedModelOptions
  readonly #runs: LocalRuns
  readonly #servers: RpcServersInUse
  readonly #closing: AbortController
  #identity: Promise<Identity> | undefined

  private constructor(
    binding: NativeBinding,
    model: WeightsAndStart<Started>,
    options: ResolvedModelOptions,
    servers: RpcServersInUse,
    closing: AbortController,
  ) {
    this.#binding = binding
    this.#model = model
    this.#options = options
    this.#servers = servers
    this.#closing = closing
    this.#runs = new LocalRuns(binding, model.native, model.started.engine, options)
  }

  /** The model at `location`, and beside it the one that guesses for it. */
  static async open(
    location: ModelLocation,
    draftLocation: ModelLocation | undefined,
    options: ResolvedModelOptions,
    signal: AbortSignal,
  ): Promise<LocalModel> {
    signal.throwIfAborted()
    const binding = loadBinding()
    // Before anything is downloaded.
    const servers = await useRpcServers(options.rpcServers, signal)
    try {
      return await LocalModel.#open(binding, location, draftLocation, options, servers, signal)
    } catch (error) {
      servers.release()
      throw error
    }
  }

  static async #open(
    binding: NativeBinding,
    location: ModelLocation,
    draftLocation: ModelLocation | undefined,
    options: ResolvedModelOptions,
    servers: RpcServersInUse,
    signal: AbortSignal,
  ): Promise<LocalModel> {
    const closing = new AbortController()
    const devices = candidates(binding, options)
    const model = await withProgressBar(basename(location.withExtension), options, async (onProgress) => {
      const request = { ...options, onProgress, signal }
      const path = await asGguf(await obtainModel(location, request), request)
      const drafts = draftLocation && !options.deterministic
      const draftPath = drafts && (await asGguf(await obtainModel(draftLocation, request), request))
      const start = async (weights: Weights, opens: Promise<void> | undefined) => {
        const { native, header, gpus } = weights
        const formats = formatsOf(binding, weights, options, closing.signal)
        const draft = draftPath
          ? () => loadDraft(binding, draftPath, native, options, gpus, signal)
          : undefined
        // First: the context is made on a thread of its own, while the template takes this one.
        const starting = startScheduler(binding, native, header, options, draft)
        try {
          const [engine] = await Promise.all([starting, formats.warmUp(signal), opens])
          engine.warmUp()
          return { engine, formats }
        } catch (error) {
          await starting.then(
            (engine) => engine.close(),
            () => {},
          )
          throw error
        }
      }
      return openModel(binding, path, request, devices, start, signal)
    })
    return new LocalModel(binding, model, options, servers, closing)
  }

  get facts(): ModelFacts {
    const { native, gpus, fallbacks } = this.#model
    return {
      backend: gpus[0]?.backend ?? 'cpu',
      device: gpus.length > 0 ? gpus.map(({ description }) => description).join(', ') : undefined,
      sharesWeights: native.info.shared,
      fallbacks,
      config: this.#config,
    }
  }

  get parallel(): number {
    return this.#model.started.engine.parallel
  }

  get activity(): Activity {
    return this.#model.started.engine.activity
  }

  get #config(): ModelConfig {
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

  // What its conversations have in the cache, and what files of them are bound to.
  get #keeper(): CacheStore {
    const { engine } = this.#model.started
    return {
      stateOf: (conversation, tokens) => engine.stateOf(conversation, tokens),
      offer: (conversation, state) => engine.offer(conversation, state),
      identity: () => {
        this.#identity ??= identify(this.#model, this.#options, this.#binding.llamaVersion).catch((error) => {
          this.#identity = undefined // its files may come back
          throw error
        })
        return this.#identity
      },
      mostStateBytes: mostStateBytes(this.#model.header, this.#options),
    }
  }

  /** Takes effect with the next step. */
  setThreads(threads: ResolvedThreads): void {
    this.#model.started.engine.setThreads(threadChoice(this.#native, { ...this.#options, ...threads }))
  }

  async tokenize(text: string, { addSpecial, parseSpecial }: ResolvedTokenizeOptions): Promise<number[]> {
    const tokens = await encode(this.#native, text, addSpecial, parseSpecial)
    const list = new Array<number>(tokens.length) // Array.from() takes three times as long
    for (let i = 0; i < tokens.length; i++) list[i] = tokens[i]!
    return list
  }

  async countTokens(text: string): Promise<number> {
    return (await encode(this.#native, text, true, true)).length
  }

  async detokenize(tokens: readonly number[]): Promise<string> {
    return decode(this.#native, tokens)
  }

  async renderPrompt(
    messages: readonly ChatMessage[],
    template: TemplateOptions,
    enableThinking: boolean,
  ): Promise<string> {
    const format = await this.#model.started.formats.get(template)
    const options = { guarded: undefined, enableThinking, reasoning: undefined }
    return (await render(format, withSystem(messages, format), options, this.#closing.signal)).text
  }

  async conversation(
    options: ConversationOptions,
    asking: AbortSignal | undefined,
  ): Promise<LocalConversation> {
    const { nCtx: contextSize, deterministic, logger } = this.#options
    const open = async () => {
      const format = await this.#model.started.formats.get(options.template)
      const own = { native: this.#native, keeper: this.#keeper, format, runs: this.#runs }
      return LocalConversation.open({ ...own, contextSize, deterministic, logger }, options)
    }
    return asking && !asking.aborted ? this.#runs.inLine(asking, open) : open()
  }

  generate(
    prompt: string | readonly number[],
    options: ResolvedGenerateOptions,
    demand: Demand,
    signal: AbortSignal,
  ): EventStream {
    const prepare: Prepare = async () => {
      const tokens = await this.#tokensOf(prompt, signal)
      checkPromptLength(tokens.length, this.#options.nCtx)
      const text = typeof prompt === 'string' ? prompt : await decode(this.#native, prompt)
      return { tokens, text, stop: options.stop }
    }
    return this.#runs.run(prepare, options, demand, signal)
  }

  async #tokensOf(prompt: string | readonly number[], signal: AbortSignal) {
    if (typeof prompt === 'string') {
      // What cannot fit is not worth being tokenized.
      checkPromptLength(leastTokens(this.#native.info, prompt), this.#options.nCtx, true)
      return encode(this.#native, prompt, true, true, signal)
    }
    checkTokens('prompt', prompt, this.#native.info)
    return prompt
  }

  get #native(): NativeModel {
    return this.#model.native
  }

  /** Interrupts what is under way, waits for it, and frees everything. */
  async close(): Promise<void> {
    this.#closing.abort(new ClosedError('The model'))
    await this.#model.started.engine.close()
    this.#model.native.close()
    this.#servers.release()
  }
}

function formatsOf(
  binding: NativeBinding,
  { native, original, entry }: Weights,
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
