import type { Mutation } from './hostile.ts'
import { fieldsOf, headerBytes } from './parts.ts'

/** Damage that knows nothing of the format but where the header ends. */
export const BLIND: readonly Mutation[] = [
  function truncateAnywhere(source, random) {
    const length = random.below(source.length)
    return { bytes: source.subarray(0, length), mutation: `cut to ${length} bytes` }
  },
  function truncateAtField(source, random) {
    const field = random.pick(fieldsOf(source))
    const length = field.at + random.pick([0, field.bytes])
    return { bytes: source.subarray(0, length), mutation: `cut to ${length} bytes at ${field.label}` }
  },
  function flipHeaderBits(source, random) {
    const bytes = Buffer.from(source)
    const end = headerBytes(source)
    const flips = Array.from(
      { length: 1 + random.below(8) },
      () => [random.below(end), random.below(8)] as const,
    )
    for (const [at, bit] of flips) bytes[at]! ^= 1 << bit
    return { bytes, mutation: `header bits flipped: ${flips.map(([at, bit]) => `${at}.${bit}`).join(' ')}` }
  },
  function flipDataBits(source, random) {
    const bytes = Buffer.from(source)
    const start = headerBytes(source)
    const count = 1 + random.below(200)
    for (let i = 0; i < count; i++)
      bytes[start + random.below(source.length - start)]! ^= 1 << random.below(8)
    return { bytes, mutation: `${count} data bits flipped` }
  },
  function zeroRegion(source, random) {
    const bytes = Buffer.from(source)
    const at = random.below(random.below(4) === 0 ? source.length : headerBytes(source))
    const length = 1 + random.below(random.pick([4, 64, 4096]))
    bytes.fill(0, at, Math.min(at + length, bytes.length))
    return { bytes, mutation: `${length} bytes zeroed at ${at}` }
  },
  function randomRegion(source, random) {
    const bytes = Buffer.from(source)
    const start = random.below(headerBytes(source))
    const length = 1 + random.below(64)
    for (let at = start; at < Math.min(start + length, bytes.length); at++) bytes[at] = random.below(256)
    return { bytes, mutation: `${length} random bytes at ${start}` }
  },
  function removeBytes(source, random) {
    const at = random.below(headerBytes(source))
    const length = 1 + random.below(16)
    const bytes = Buffer.concat([source.subarray(0, at), source.subarray(at + length)])
    return { bytes, mutation: `${length} bytes taken out at ${at}` }
  },
]
