/**
 * Where results must not depend on what was cached, a prompt is evaluated in slices of this many tokens, from
 * its beginning: the last bits of logits depend on the shape of a step. Small, since a cached slice that was
 * not full cannot be reused.
 */
export const SLICE = 128

/** `tokens`, rounded down to whole slices. */
export function wholeSlices(tokens: number): number {
  return tokens - (tokens % SLICE)
}

/**
 * Where a step that begins at `from` and would go to `end` must end: it takes whole slices of the prompt, at
 * least one; drawn tokens it takes one by one, as they were first evaluated.
 */
export function endOfWholeSlice(from: number, end: number, promptLength: number): number {
  if (from >= promptLength) return from + 1
  return Math.min(promptLength, Math.max(wholeSlices(end), wholeSlices(from) + SLICE))
}
