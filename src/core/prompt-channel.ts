import { channel } from 'node:diagnostics_channel'
import { isSilent, type Logger } from './logger.ts'

/** What the diagnostics channel `gpt4all-ts:prompt` publishes before a generation. */
export type PromptMessage = {
  /** The final prompt, as the model reads it. */
  readonly prompt: string
  /** Its number of tokens. */
  readonly promptTokens: number
  /** How many of them were in the cache and did not have to be evaluated. */
  readonly cachedTokens: number
}

const prompts = channel('gpt4all-ts:prompt')

/** Publishes `message` on `gpt4all-ts:prompt`. */
export function publishPrompt(message: PromptMessage): void {
  if (prompts.hasSubscribers) prompts.publish(message)
}

/** Whether `gpt4all-ts:prompt` has subscribers. */
export const arePromptsWanted = (): boolean => prompts.hasSubscribers

/** Calls `listener` with the prompts of this process, until the returned function is called. */
export function onPrompt(listener: (message: PromptMessage) => void): () => void {
  const hear = (message: unknown) => listener(message as PromptMessage)
  prompts.subscribe(hear)
  return () => prompts.unsubscribe(hear)
}

/** Reports the final prompt of a generation: to `logger` at level `info`, and on `gpt4all-ts:prompt`. */
export function logPrompt(logger: Logger, message: PromptMessage): void {
  publishPrompt(message)
  if (isSilent(logger, 'info')) return
  const { prompt, promptTokens, cachedTokens } = message
  logger.info(`prompt of ${promptTokens} tokens, ${cachedTokens} of them cached:\n${prompt}`)
}
