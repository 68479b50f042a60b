// Order statistics: benchmarks on shared machines have outliers on one side, which means and deviations follow.

/** The value below which `fraction` (0 to 1) of `values` lie, interpolated between neighbours; NaN of none. */
export function quantile(values, fraction) {
  const sorted = [...values].sort((a, b) => a - b)
  if (sorted.length === 0) return Number.NaN
  const at = fraction * (sorted.length - 1)
  const below = Math.floor(at)
  const above = Math.min(below + 1, sorted.length - 1)
  return sorted[below] + (sorted[above] - sorted[below]) * (at - below)
}

export const median = (values) => quantile(values, 0.5)

/** The five numbers that a row of the table shows. */
export function summary(values) {
  return {
    count: values.length,
    median: median(values),
    q1: quantile(values, 0.25),
    q3: quantile(values, 0.75),
    min: Math.min(...values),
    max: Math.max(...values),
  }
}

/** The line through `points` ([x, y]) by least squares, and the part of the scatter in y that it explains (0 to 1). */
export function linearFit(points) {
  const mean = (at) => points.reduce((sum, point) => sum + point[at], 0) / points.length
  const [meanX, meanY] = [mean(0), mean(1)]
  let [xx, xy, yy] = [0, 0, 0]
  for (const [x, y] of points) {
    xx += (x - meanX) ** 2
    xy += (x - meanX) * (y - meanY)
    yy += (y - meanY) ** 2
  }
  const slope = xy / xx
  return { slope, intercept: meanY - slope * meanX, r2: (slope * xy) / yy }
}
