import type { NativeModel } from '../native/contract.ts'
import type { StepOptions } from '../scheduler/request.ts'

/** A token and its probability. */
export type TokenProbability = {
  readonly token: number
  /** Its text; `\ufffd` stands for what is only a part of a character. */
  readonly text: string
  /** Its UTF-8 bytes. */
  readonly bytes: readonly number[]
  /** Natural logarithm of its probability, 0 or less, in the model's own distribution. */
  readonly logprob: number
}

/** A generated token, and the likeliest in its place, most likely first. */
export type TokenLogprob = TokenProbability & { readonly top: readonly TokenProbability[] }

/** Reads what a step tells of its tokens, and so many (`top`) of the likeliest, into `logprobs`. */
export function logprobsInto(
  logprobs: TokenLogprob[],
  top: number,
  native: NativeModel,
): NonNullable<StepOptions['logprobs']> {
  const describe = (token: number, logprob: number): TokenProbability => {
    const bytes = native.tokenBytes(token, true)
    const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)
    return { token, text, bytes: [...bytes], logprob }
  }
  return {
    top,
    tell: (token, { logprob, topTokens, topLogprobs }) => {
      const likeliest = Array.from(topTokens, (other, i) => describe(other, topLogprobs[i]!))
      logprobs.push({ ...describe(token, logprob), top: likeliest })
    },
  }
}
