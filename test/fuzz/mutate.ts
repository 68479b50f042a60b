/** Changes of one input into another, as fuzzers make them. */

export type Random = () => number

const NUMBERS = [
  0,
  1,
  2,
  7,
  8,
  31,
  32,
  127,
  128,
  255,
  256,
  1024,
  65_535,
  65_536,
  2 ** 24,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32 - 1,
]
const LARGE = [2n ** 32n, 2n ** 40n, 2n ** 53n, 2n ** 62n, 2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 1n, 0n, 1n]
const MOST_CHANGES = 6
const MOST_MOVED = 64

const below = (random: Random, most: number) => Math.floor(random() * most)
const pick = <T>(random: Random, list: readonly T[]): T => list[below(random, list.length)]!

/** More often near the beginning, where formats tell of themselves. */
const place = (random: Random, length: number) =>
  below(random, random() < 0.5 ? length : Math.min(length, 4096))

type Change = (data: Buffer, random: Random, other: Buffer) => Buffer

const CHANGES: readonly Change[] = [
  (data, random) =>
    edited(data, random, (copy, at) => copy.writeUInt8(copy[at]! ^ (1 << below(random, 8)), at)),
  (data, random) => edited(data, random, (copy, at) => copy.writeUInt8(below(random, 256), at)),
  (data, random) =>
    edited(data, random, (copy, at) => copy.writeUInt8((copy[at]! + (random() < 0.5 ? 1 : 255)) % 256, at)),
  (data, random) =>
    edited(data, random, (copy, at) => copy.writeUInt16LE(pick(random, NUMBERS) % 65_536, at), 2),
  (data, random) => edited(data, random, (copy, at) => copy.writeUInt32LE(pick(random, NUMBERS), at), 4),
  (data, random) => edited(data, random, (copy, at) => copy.writeBigUInt64LE(pick(random, LARGE), at), 8),
  // A part of it taken out, twice, or in another place; a part of another one put in.
  (data, random) => {
    const at = place(random, data.length)
    return Buffer.concat([data.subarray(0, at), data.subarray(at + 1 + below(random, MOST_MOVED))])
  },
  (data, random) => {
    const [at, from] = [place(random, data.length), place(random, data.length)]
    return Buffer.concat([
      data.subarray(0, at),
      data.subarray(from, from + 1 + below(random, MOST_MOVED)),
      data.subarray(at),
    ])
  },
  (data, random, other) => {
    const [at, from] = [place(random, data.length), place(random, other.length)]
    const part = other.subarray(from, from + 1 + below(random, MOST_MOVED))
    return edited(data, random, (copy) => part.copy(copy, at))
  },
  (data, random, other) => {
    const at = place(random, Math.min(data.length, other.length))
    return Buffer.concat([data.subarray(0, at), other.subarray(at)])
  },
  (data, random) => data.subarray(0, below(random, data.length + 1)),
]

function edited(data: Buffer, random: Random, edit: (copy: Buffer, at: number) => void, bytes = 1): Buffer {
  const copy = Buffer.from(data)
  if (copy.length >= bytes) edit(copy, Math.min(place(random, copy.length), copy.length - bytes))
  return copy
}

/** Some changes of `data`; `other` is one to take parts of. No longer than `most` bytes. */
export function mutated(data: Buffer, other: Buffer, random: Random, most: number): Buffer {
  let changed = data
  for (let i = below(random, MOST_CHANGES); i >= 0; i--)
    changed = pick(random, CHANGES)(changed, random, other)
  return changed.subarray(0, most)
}
