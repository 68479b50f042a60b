/** A list longer than that is none of models. */
const MOST_KNOWN = 2000

/** Of `known`, the one that `name` is probably meant to be; `undefined` where none is near. */
export function nearest(name: string, known: readonly string[]): string | undefined {
  const plain = (text: string) =>
    text
      .toLowerCase()
      .replace(/\.(gguf|bin)$/, '')
      .replace(/[^\da-z]/g, '')
  const wanted = plain(name)
  if (wanted === '') return undefined
  let best: { name: string; distance: number } | undefined
  for (const candidate of known.slice(0, MOST_KNOWN)) {
    const other = plain(candidate)
    const isPart = other !== '' && (other.includes(wanted) || wanted.includes(other))
    // Of two that hold it, the one that holds less besides.
    const distance = isPart
      ? Math.min(1, Math.abs(other.length - wanted.length) / 100)
      : editDistance(wanted, other)
    if (!best || distance < best.distance) best = { name: candidate, distance }
  }
  return best && best.distance <= Math.max(2, wanted.length / 4) ? best.name : undefined
}

/** Levenshtein's: how many characters must be put in, taken out or changed. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[b.length] ?? 0
}
