import type { NativeLogprobs, NativeModel } from '../native/contract.ts'

/** A token and its probability. */
export type TokenProbability = {
  /** Id of the token. */
  readonly token: number
  /** Its text; `\ufffd` stands for an incomplete character. */
  readonly text: string
  /** Its UTF-8 bytes. */
  readonly bytes: readonly number[]
  /** Natural logarithm of its probability in the model's own distribution, 0 or less. */
  readonly logprob: number
}

/**
 * A generated token, and in `top` the likeliest tokens in its place, most likely first.
 * @interface
 */
export type TokenLogprob = TokenProbability & { readonly top: readonly TokenProbability[] }

/** Makes a function that describes a token, and the likeliest ones in its place, as a step returns them. */
export function logprobReader(
  native: NativeModel,
): (token: number, { logprob, topTokens, topLogprobs }: NativeLogprobs) => TokenLogprob {
  const describe = (token: number, logprob: number): TokenProbability => {
    const bytes = native.tokenBytes(token, true)
    const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)
    return { token, text, bytes: [...bytes], logprob }
  }
  return (token, { logprob, topTokens, topLogprobs }) => ({
    ...describe(token, logprob),
    top: Array.from(topTokens, (other, i) => describe(other, topLogprobs[i]!)),
  })
}
