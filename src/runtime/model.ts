import type { ConversationHost } from '../chat/conversation.ts'
import type { TemplateOptions } from '../chat/template/template.ts'
import type { DeviceFallback } from '../core/errors.ts'
import type { ChatMessage } from '../core/messages.ts'
import type { EventStream } from '../generation/events.ts'
import type { ResolvedThreads } from '../options/compute.ts'
import type { ResolvedGenerateOptions } from '../options/generate.ts'
import type { ResolvedTokenizeOptions } from '../options/model.ts'
import type { Demand } from '../scheduler/request.ts'
import type { Activity } from '../scheduler/scheduler.ts'

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

/** @internal What is known of a model once it is open. */
export type ModelFacts = {
  readonly backend: string
  readonly device: string | undefined
  readonly sharesWeights: boolean
  readonly fallbacks: readonly DeviceFallback[]
  readonly config: ModelConfig
}

/** @internal A model that is open, and the engine that computes with it: in this process, or in one of its own. */
export interface OpenModel extends ConversationHost {
  readonly facts: ModelFacts
  readonly parallel: number
  readonly activity: Activity
  tokenize(text: string, options: ResolvedTokenizeOptions): Promise<number[]>
  detokenize(tokens: readonly number[]): Promise<string>
  /** Tokens of `text` as a prompt. */
  countTokens(text: string): Promise<number>
  /** The prompt that asks for the answer to `messages`. */
  renderPrompt(
    messages: readonly ChatMessage[],
    template: TemplateOptions,
    enableThinking: boolean,
  ): Promise<string>
  /** Evaluates `prompt`, special tokens and all, or tokens as they are, and yields what the model writes. */
  generate(
    prompt: string | readonly number[],
    options: ResolvedGenerateOptions,
    demand: Demand,
    signal: AbortSignal,
  ): EventStream
  /** Takes effect with the next step. */
  setThreads(threads: ResolvedThreads): void
  /** Interrupts what is under way, waits for it, and frees everything. */
  close(): Promise<void>
}
