import type { ConversationOptions } from '../chat/conversation.ts'
import type { CacheStore } from '../chat/saved/session.ts'
import type { PromptFormats } from '../chat/template/format.ts'
import { render, type TemplateOptions, withSystem } from '../chat/template/template.ts'
import { ClosedError, type DeviceFallback } from '../core/errors.ts'
import type { ChatMessage } from '../core/messages.ts'
import type { EventStream } from '../generation/events.ts'
import type { MakePrompt } from '../generation/prompt.ts'
import { type Identity, identify } from '../loading/identity.ts'
import { mostStateBytes } from '../loading/memory.ts'
import type { Weights } from '../loading/open.ts'
import type { RpcServersInUse } from '../loading/rpc-handshake.ts'
import type { NativeBinding, NativeModel } from '../native/contract.ts'
import { checkTokens, decode, encode, encodeNext, leastTokens } from '../native/tokenizer.ts'
import type { ResolvedThreads } from '../options/compute.ts'
import type { ResolvedGenerateOptions } from '../options/generate.ts'
import {
  checkPromptLength,
  type ResolvedModelOptions,
  type ResolvedTokenizeOptions,
} from '../options/model.ts'
import type { Demand } from '../scheduler/request.ts'
import type { Activity, Scheduler } from '../scheduler/scheduler.ts'
import { factsOf } from './facts.ts'
import { LocalConversation } from './local-conversation.ts'
import { LocalGenerations } from './local-generations.ts'
import type { ModelFacts, OpenModel } from './model.ts'
import { threadChoice } from './start-scheduler.ts'

/** What a model in this process consists of. */
export type LocalModelParts = {
  readonly weights: Weights
  readonly scheduler: Scheduler
  readonly formats: PromptFormats
  readonly fallbacks: readonly DeviceFallback[]
  /** Aborts lookups and renderings of the model's formats. */
  readonly closing: AbortController
}

/** @internal A model whose weights are loaded, and the scheduler that computes with them. */
export class LocalModel implements OpenModel {
  readonly #binding: NativeBinding
  readonly #parts: LocalModelParts
  readonly #options: ResolvedModelOptions
  readonly #generations: LocalGenerations
  readonly #servers: RpcServersInUse
  #identity: Promise<Identity> | undefined

  constructor(
    binding: NativeBinding,
    parts: LocalModelParts,
    options: ResolvedModelOptions,
    servers: RpcServersInUse,
  ) {
    this.#binding = binding
    this.#parts = parts
    this.#options = options
    this.#servers = servers
    this.#generations = new LocalGenerations(binding, parts.weights.native, parts.scheduler, options)
  }

  get facts(): ModelFacts {
    return factsOf(this.#parts)
  }

  get parallel(): number {
    return this.#parts.scheduler.parallel
  }

  get activity(): Activity {
    return this.#parts.scheduler.activity
  }

  // What is cached of the model's conversations, and what their files are bound to.
  get #cache(): CacheStore {
    const { scheduler, weights } = this.#parts
    return {
      stateOf: (conversation, tokens) => scheduler.stateOf(conversation, tokens),
      offer: (conversation, state) => scheduler.offer(conversation, state),
      identity: () => {
        this.#identity ??= identify(weights, this.#options, this.#binding.llamaVersion).catch((error) => {
          this.#identity = undefined // the model's files may come back
          throw error
        })
        return this.#identity
      },
      mostStateBytes: mostStateBytes(weights.header, this.#options),
    }
  }

  /** Takes effect with the next step. */
  setThreads(threads: ResolvedThreads): void {
    this.#parts.scheduler.setThreads(threadChoice(this.#native, { ...this.#options, ...threads }))
  }

  async tokenize(
    text: string,
    { addSpecial, parseSpecial, isContinuation }: ResolvedTokenizeOptions,
  ): Promise<number[]> {
    const tokens = isContinuation
      ? await encodeNext(this.#native, text, parseSpecial)
      : await encode(this.#native, text, addSpecial, parseSpecial)
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
    const format = await this.#parts.formats.get(template)
    const options = { guarded: undefined, enableThinking, reasoning: undefined }
    return (await render(format, withSystem(messages, format), options, this.#parts.closing.signal)).text
  }

  async conversation(
    options: ConversationOptions,
    awaitedBy: AbortSignal | undefined,
  ): Promise<LocalConversation> {
    const { nCtx: contextSize, deterministic, logger } = this.#options
    const open = async () => {
      const format = await this.#parts.formats.get(options.template)
      const own = { native: this.#native, cache: this.#cache, format, generations: this.#generations }
      return LocalConversation.open({ ...own, contextSize, deterministic, logger }, options)
    }
    return awaitedBy && !awaitedBy.aborted ? this.#generations.inLine(awaitedBy, open) : open()
  }

  generate(
    prompt: string | readonly number[],
    options: ResolvedGenerateOptions,
    demand: Demand,
    signal: AbortSignal,
  ): EventStream {
    const makePrompt: MakePrompt = async () => {
      const tokens = await this.#tokensOf(prompt, signal)
      checkPromptLength(tokens.length, this.#options.nCtx)
      const text = typeof prompt === 'string' ? prompt : await decode(this.#native, prompt)
      return { tokens, text, stop: options.stop, fits: true }
    }
    return this.#generations.generate(makePrompt, options, demand, signal)
  }

  async #tokensOf(prompt: string | readonly number[], signal: AbortSignal) {
    if (typeof prompt === 'string') {
      // A text that cannot fit is not worth tokenizing.
      checkPromptLength(leastTokens(this.#native.info, prompt), this.#options.nCtx, true)
      return encode(this.#native, prompt, true, true, signal)
    }
    checkTokens('prompt', prompt, this.#native.info)
    return prompt
  }

  get #native(): NativeModel {
    return this.#parts.weights.native
  }

  /** Interrupts what is under way, waits for it, and frees everything. */
  async close(): Promise<void> {
    this.#parts.closing.abort(new ClosedError('The model'))
    await this.#parts.scheduler.close()
    this.#parts.weights.native.close()
    this.#servers.release()
  }
}
