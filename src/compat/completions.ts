import { DEFAULT_PROMPT_CONTEXT } from './common/constants.ts'
import { withTemp } from './common/options.ts'
import type {
  CompletionInput,
  CompletionOptions,
  CompletionProvider,
  CompletionResult,
  CompletionStreamReturn,
} from './common/types.ts'
import { type InferenceOptions, WANTED } from './inference/inference.ts'
import { ChatSession } from './inference-model.ts'
import { TokenStream } from './token-stream.ts'

/**
 * Completes a text, or answers the last of several messages.
 *
 * @param provider a model, a chat session, or an object of your own that generates
 * @throws what `generate()` of the provider rejects with
 */
export async function createCompletion(
  provider: CompletionProvider,
  input: CompletionInput,
  options?: CompletionOptions,
): Promise<CompletionResult> {
  // A session has defaults of its own.
  const defaults = provider instanceof ChatSession ? {} : { verbose: false, ...DEFAULT_PROMPT_CONTEXT }
  const result = await provider.generate(input, { ...defaults, ...withTemp(options) })
  const { text, nPast, tokensIngested = 0, tokensGenerated = 0 } = result
  return {
    model: provider.modelName,
    usage: {
      prompt_tokens: tokensIngested,
      total_tokens: tokensIngested + tokensGenerated,
      completion_tokens: tokensGenerated,
      n_past_tokens: nPast,
    },
    choices: [{ message: { role: 'assistant', content: text } }],
  }
}

/**
 * The same as a stream of text beside the promise of the result. The model waits for a reader that is slow, and stops when
 * the stream is destroyed. Where nobody reads, it does not wait.
 */
export function createCompletionStream(
  provider: CompletionProvider,
  input: CompletionInput,
  options?: CompletionOptions,
): CompletionStreamReturn {
  const tokens = new TokenStream()
  const request: InferenceOptions = {
    ...options,
    onResponseToken: (tokenId, token) => {
      tokens.add(token)
      return options?.onResponseToken?.(tokenId, token)
    },
    [WANTED]: () => tokens.wanted(),
  }
  const result = createCompletion(provider, input, request).then(
    (completion) => {
      tokens.end()
      return completion
    },
    (error) => {
      if (tokens.fail(error)) result.catch(() => {}) // the reader of the stream hears of it
      throw error
    },
  )
  return { tokens, result }
}

/**
 * The same as an async generator of pieces of text, which returns the result. Leaving its loop stops the model.
 */
export async function* createCompletionGenerator(
  provider: CompletionProvider,
  input: CompletionInput,
  options?: CompletionOptions,
): AsyncGenerator<string, CompletionResult> {
  const { tokens, result } = createCompletionStream(provider, input, options)
  for await (const piece of tokens) yield String(piece)
  return result
}

/**
 * Never written in version 3, and gone in version 4: use `createCompletionStream()`.
 *
 * @throws {Error} always
 */
export function createTokenStream(..._given: unknown[]): never {
  throw new Error('This API has not been completed yet!')
}
