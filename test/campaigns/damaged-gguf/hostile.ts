import { ARRAY, assemble, type Field, type Key, type Parts, STRING, take, VALUE_BYTES } from './parts.ts'

export type Damaged = { readonly bytes: Buffer; readonly mutation: string }

export type Random = {
  /** [0, limit) */
  below(limit: number): number
  pick<T>(values: readonly T[]): T
}

export type Mutation = (source: Buffer, random: Random) => Damaged

const FLOATS = [6, 12]
export const HOSTILE = [
  0n,
  1n,
  2n,
  3n,
  7n,
  33n,
  255n,
  512n,
  513n,
  1024n,
  65_535n,
  2n ** 31n - 1n,
  2n ** 31n,
  2n ** 32n - 1n,
  2n ** 32n,
  2n ** 53n,
  2n ** 63n - 1n,
  2n ** 63n,
  2n ** 64n - 1n,
]
const HOSTILE_FLOATS = [
  0,
  -0,
  1,
  -1,
  1e-38,
  1e38,
  -1e38,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
]

/** The file with its parts changed; `change` tells how. */
export function ofParts(source: Buffer, change: (parts: Parts) => string): Damaged {
  const parts = take(source)
  const mutation = change(parts)
  return { bytes: assemble(parts), mutation }
}

export const isNumber = ({ raw }: Key) => raw.readUInt32LE() !== STRING && raw.readUInt32LE() !== ARRAY

/** Bytes of an element of an array of numbers, 0 for all else. */
export const elementBytes = ({ raw }: Key) =>
  raw.readUInt32LE() === ARRAY ? VALUE_BYTES[raw.readUInt32LE(4)]! : 0

export function hostileNumber(raw: Buffer, at: number, type: number, random: Random): string {
  const bytes = VALUE_BYTES[type]!
  if (FLOATS.includes(type)) {
    const value = random.pick(HOSTILE_FLOATS)
    if (bytes === 4) raw.writeFloatLE(value, at)
    else raw.writeDoubleLE(value, at)
    return `set to ${value}`
  }
  const field = { kind: '', label: '', at, bytes }
  const old = BigInt(bytes === 8 ? raw.readBigUInt64LE(at) : raw.readUIntLE(at, bytes))
  const value = random.pick([...HOSTILE, old + 1n, old - 1n, old * 2n, old / 2n])
  writeInteger(raw, field, value)
  return `set to ${BigInt.asUintN(bytes * 8, value)}`
}

export function writeInteger(bytes: Buffer, field: Field, value: bigint): void {
  const size = Math.min(field.bytes, 8)
  for (let i = 0; i < size; i++) bytes[field.at + i] = Number((value >> BigInt(8 * i)) & 255n)
}
