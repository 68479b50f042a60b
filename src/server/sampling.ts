import type { GenerateOptions } from '../index.ts'

/**
 * The sampling options that requests may set and a server has defaults for, and the parameters that set them.
 */
export const SAMPLING = {
  temp: 'temperature',
  topK: 'top_k',
  topP: 'top_p',
  minP: 'min_p',
  repeatPenalty: 'repeat_penalty',
  repeatLastN: 'repeat_last_n',
  presencePenalty: 'presence_penalty',
  frequencyPenalty: 'frequency_penalty',
  maxTokens: 'max_tokens',
} as const satisfies { readonly [Option in keyof GenerateOptions]?: string }

export type SamplingOption = keyof typeof SAMPLING

/**
 * Sampling options for requests that do not set them. What is missing here too has the library's defaults.
 * @interface
 */
export type SamplingDefaults = Pick<GenerateOptions, SamplingOption>

export const isSampling = (name: string): name is SamplingOption => Object.hasOwn(SAMPLING, name)
