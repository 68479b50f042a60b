import type { ConversationModel } from '../chat/conversation.ts'
import type { TemplateOptions } from '../chat/template/template.ts'
import type { DeviceFallback } from '../core/errors.ts'
import type { ChatMessage } from '../core/messages.ts'
import type { EventStream } from '../generation/events.ts'
import type { ResolvedThreads } from '../options/compute.ts'
import type { ResolvedGenerateOptions } from '../options/generate.ts'
import type { ResolvedTokenizeOptions } from '../options/model.ts'
import type { Demand } from '../scheduler/request.ts'
import type { Activity } from '../scheduler/scheduler.ts'

/** What an open model's file says about it. */
export type ModelConfig = {
  /** Name of the file, for example `Llama-3.2-1B-Instruct-Q4_0.gguf`. */
  readonly filename: string
  /** Path of the file. */
  readonly path: string
  /** Size of the file in bytes; of all its files if the model is split. */
  readonly filesize: number
  /** `general.name` of the GGUF, or the file's name if it has none. */
  readonly name: string
  /** Architecture, for example `llama`. */
  readonly architecture: string
  /** llama.cpp's description: kind, size and quantization. */
  readonly description: string
  /** Number of weights. */
  readonly parameters: number
  /** Context size in tokens that the model was trained with. */
  readonly trainedContextSize: number
  /** Number of tokens in the vocabulary. */
  readonly vocabularySize: number
  /** Source of the chat template (Jinja) in the GGUF; `undefined` if it has none. */
  readonly chatTemplate: string | undefined
  /** Scalar metadata of the GGUF, as text. */
  readonly metadata: Readonly<Record<string, string>>
}

/** @internal What is known about a model once it is open. */
export type ModelFacts = {
  readonly backend: string
  readonly device: string | undefined
  readonly sharesWeights: boolean
  readonly fallbacks: readonly DeviceFallback[]
  readonly config: ModelConfig
}

/** @internal An open model, which computes in this process or in an isolated engine. */
export interface OpenModel extends ConversationModel {
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
  /**
   * Evaluates `prompt`, a text with special tokens or the tokens themselves, and yields what the model
   * writes.
   */
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
