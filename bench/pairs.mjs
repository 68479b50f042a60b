import { median } from './stats.mjs'

/** Whether ours goes first in pair `i`: A B, B A, A B ..., so that a machine that drifts favours neither side. */
export const isFirst = (i) => i % 2 === 0

/** Runs `ours` and `theirs` `count` times, interleaved; resolves with the pairs of what they resolve with. */
export async function interleave(count, ours, theirs, onPair = () => {}) {
  const pairs = []
  for (let i = 0; i < count; i++) {
    const pair = {}
    const sides = [
      async () => Object.assign(pair, { ours: await ours(i) }),
      async () => Object.assign(pair, { theirs: await theirs(i) }),
    ]
    for (const side of isFirst(i) ? sides : sides.reverse()) await side()
    pairs.push(pair)
    onPair(pair, i)
  }
  return pairs
}

/** How many times as much ours is, pair by pair. */
export const ratios = (pairs) => pairs.map((pair) => pair.ours / pair.theirs)

/** The medians of both sides, for a row's note. */
export function speeds(pairs, other, unit = 'tokens/s') {
  const side = (name) => median(pairs.map((pair) => pair[name])).toFixed(1)
  return `${side('ours')} ${unit} against ${side('theirs')} ${other}`
}
