/**
 * Pearson's chi-square test: how far counts are from what probabilities let expect, as a number of standard
 * deviations (Wilson and Hilferty 1931). Around 0 for draws from `expected`, above 4 for about none of them.
 * Cells in which fewer than five draws are expected are counted together.
 */
export function chiSquareDeviation(counts: readonly number[], expected: readonly number[]): number {
  const draws = counts.reduce((sum, count) => sum + count, 0)
  let statistic = 0
  let cells = 0
  let restCount = 0
  let restExpected = 0
  counts.forEach((count, i) => {
    const wanted = expected[i]! * draws
    if (wanted === 0 && count > 0) statistic = Number.POSITIVE_INFINITY
    if (wanted < 5) {
      restCount += count
      restExpected += wanted
    } else {
      statistic += (count - wanted) ** 2 / wanted
      cells++
    }
  })
  if (restExpected >= 5) {
    statistic += (restCount - restExpected) ** 2 / restExpected
    cells++
  }
  const freedom = cells - 1
  if (freedom === 0) return statistic === 0 ? 0 : Number.POSITIVE_INFINITY
  const spread = 2 / (9 * freedom)
  return (Math.cbrt(statistic / freedom) - (1 - spread)) / Math.sqrt(spread)
}
