import { distance } from 'fastest-levenshtein'

/** Names to compare at most: people do not type names from longer lists. */
const MOST_KNOWN = 2000
/** Names of fewer characters are near to too many others, and part of too many. */
const LEAST_LENGTH = 3

/**
 * The name in `known` that `name` probably means; `undefined` if none is near. Only letters and digits count.
 */
export function nearest(name: string, known: readonly string[]): string | undefined {
  const wanted = plain(name)
  if (wanted === '') return undefined
  let best: { name: string; distance: number } | undefined
  for (const candidate of known.slice(0, MOST_KNOWN)) {
    const found = distanceOf(wanted, plain(candidate))
    if (!best || found < best.distance) best = { name: candidate, distance: found }
  }
  return best && best.distance <= Math.max(1, wanted.length / 4) ? best.name : undefined
}

const plain = (text: string) => text.toLowerCase().replace(/[^\da-z]/g, '')

function distanceOf(wanted: string, other: string): number {
  if (wanted === other) return 0
  const isPart = other.includes(wanted) || wanted.includes(other)
  if (Math.min(wanted.length, other.length) < LEAST_LENGTH) return Number.POSITIVE_INFINITY
  // Of two names that contain it, the shorter one is nearer.
  return isPart ? Math.min(1, Math.abs(other.length - wanted.length) / 100) : distance(wanted, other)
}
