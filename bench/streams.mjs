// What the times tell at which tokens came (ms), one list a stream.

/** Whether a time lies in the stretch in which all streams were at work: from the last first token to the first last one. */
function whileAllRun(streams) {
  const from = Math.max(...streams.map((times) => times[0]))
  const until = Math.min(...streams.map((times) => times.at(-1)))
  return (time) => time >= from && time <= until
}

/**
 * Tokens per second of all streams together while all were at work: each stream's whole steps in its own time, so
 * that it makes no difference who of a step was told first.
 */
export function totalRate(streams) {
  const isShared = whileAllRun(streams)
  const rates = streams.map((times) => {
    const shared = times.filter(isShared)
    return ((shared.length - 1) / (shared.at(-1) - shared[0])) * 1000
  })
  return rates.reduce((sum, rate) => sum + rate, 0)
}

/** The least number of tokens that a stream made while all were at work. */
export function sharedTokens(streams) {
  if (streams.some((times) => times.length === 0)) return 0
  const isShared = whileAllRun(streams)
  return Math.min(...streams.map((times) => times.filter(isShared).length))
}

/** ms between a stream's tokens, where the later of the two came after `from` and not after `until`. */
export function gapsBetween(times, from, until) {
  const gaps = []
  for (let i = 1; i < times.length; i++)
    if (times[i] > from && times[i] <= until) gaps.push(times[i] - times[i - 1])
  return gaps
}
