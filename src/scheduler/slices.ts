/**
 * Where results must not depend on what was cached, a prompt is evaluated in slices of this many tokens, from its
 * beginning: logits differ in their last bits with the shape of a step. Small, since what is cached of a slice that was not
 * full cannot be used.
 */
export const SLICE = 128

/** The largest multiple of the slice that is not above `tokens`. */
export function wholeSlices(tokens: number): number {
  return tokens - (tokens % SLICE)
}

/**
 * Up to where a step goes that begins at `from` and would go to `end`: whole slices of the prompt, at least one, and
 * one by one what was drawn behind it, as it was evaluated first.
 */
export function endOfWholeSlice(from: number, end: number, promptLength: number): number {
  if (from >= promptLength) return from + 1
  return Math.min(promptLength, Math.max(wholeSlices(end), wholeSlices(from) + SLICE))
}
