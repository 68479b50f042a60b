/**
 * The sampler chain in plain TypeScript, written from its definition and not from the addon's code: the
 * probability that each token is drawn. Slow and simple on purpose.
 */

export type ReferenceParams = {
  readonly temperature: number
  readonly topK: number
  readonly topP: number
  readonly minP: number
  readonly repeatPenalty: number
  readonly presencePenalty: number
  readonly frequencyPenalty: number
  /** What the logit of each token gains before all else. */
  readonly bias: Readonly<Record<number, number>>
}

/** Everything switched off: the softmax of the logits. */
export const PLAIN: ReferenceParams = {
  temperature: 1,
  topK: 0,
  topP: 1,
  minP: 0,
  repeatPenalty: 1,
  presencePenalty: 0,
  frequencyPenalty: 0,
  bias: {},
}

type Candidate = { token: number; logit: number }

/** Probability of each token, after `recent` tokens were drawn (all of them within the repeat penalty's window). */
export function probabilities(
  logits: ArrayLike<number>,
  params: Partial<ReferenceParams>,
  recent: readonly number[] = [],
): number[] {
  const { temperature, topK, topP, minP, repeatPenalty, presencePenalty, frequencyPenalty, bias } = single({
    ...PLAIN,
    ...params,
  })
  const penalised = Array.from(logits, (logit, token) => {
    const biased = Math.fround(logit + (bias[token] ?? 0))
    const times = recent.filter((other) => other === token).length
    if (times === 0) return biased
    const repeated = Math.fround(biased > 0 ? biased / repeatPenalty : biased * repeatPenalty)
    return repeated - times * frequencyPenalty - presencePenalty
  })
  let kept: Candidate[] = penalised
    .map((logit, token) => ({ token, logit }))
    .filter(({ logit }) => logit > Number.NEGATIVE_INFINITY) // drops NaN too
    .sort((a, b) => b.logit - a.logit || a.token - b.token)
  if (topK > 0) kept = kept.slice(0, topK)
  if (topP < 1) kept = likeliest(kept, topP)
  if (minP > 0) {
    const shares = softmax(kept, 1)
    kept = kept.filter((_, i) => shares[i]! >= minP * shares[0]! * (1 - 1e-12))
  }
  if (temperature === 0) kept = kept.slice(0, 1)
  const result = new Array<number>(logits.length).fill(0)
  const shares = softmax(kept, temperature || 1)
  kept.forEach(({ token }, i) => {
    result[token] = shares[i]!
  })
  return result
}

/** The shortest run of the likeliest tokens that reaches `topP` together: one at least. */
function likeliest(sorted: readonly Candidate[], topP: number): Candidate[] {
  let sum = 0
  const end = softmax(sorted, 1).findIndex((share) => {
    sum += share
    return sum >= topP
  })
  return end < 0 ? [...sorted] : sorted.slice(0, end + 1)
}

function softmax(candidates: readonly Candidate[], temperature: number): number[] {
  const best = Math.max(...candidates.map(({ logit }) => logit))
  const weights = candidates.map(({ logit }) => Math.exp((logit - best) / temperature))
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  return weights.map((weight) => weight / total)
}

// Parameters cross into the addon as 32-bit floats.
function single(params: ReferenceParams): ReferenceParams {
  return {
    ...params,
    temperature: Math.fround(params.temperature),
    topP: Math.fround(params.topP),
    minP: Math.fround(params.minP),
    repeatPenalty: Math.fround(params.repeatPenalty),
    presencePenalty: Math.fround(params.presencePenalty),
    frequencyPenalty: Math.fround(params.frequencyPenalty),
  }
}
