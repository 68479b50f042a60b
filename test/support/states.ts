/** States as `NativeContext.save()` writes them: a checksum in the first eight bytes, and behind it llama.cpp's. */

const PRIME = 1099511628211n
const BASIS = 14695981039346656037n
const WORD = 8
const mask = (value: bigint) => BigInt.asUintN(64, value)

/** A copy of `state` with the checksum that belongs to its bytes: anybody can write that. */
export function sealed(state: Uint8Array): Uint8Array {
  const copy = Uint8Array.from(state)
  const bytes = new DataView(copy.buffer, WORD)
  let hash = BASIS ^ BigInt(bytes.byteLength)
  for (let at = 0; at < bytes.byteLength; at += WORD) {
    let word = 0n
    for (let i = Math.min(WORD, bytes.byteLength - at) - 1; i >= 0; i--)
      word = (word << 8n) | BigInt(bytes.getUint8(at + i))
    hash = mask((hash ^ word) * PRIME)
    hash ^= hash >> 32n
  }
  new DataView(copy.buffer).setBigUint64(0, hash, true)
  return copy
}

/** The same with other bytes from `at` on. */
export function withBytes(state: Uint8Array, at: number, bytes: Uint8Array): Uint8Array {
  const copy = Uint8Array.from(state)
  copy.set(bytes.subarray(0, Math.max(0, copy.length - at)), at)
  return sealed(copy)
}

/** Bytes before the numbers of a layer: their type and how many bytes a cell has of them. */
export const ROW_HEADER = 12

/** A state of `cells` cells whose numbers are all the same, from the layer on whose rows begin at `at`. */
export function withNumbers(
  state: Uint8Array,
  at: number,
  cells: number,
  number: Uint16Array | Uint32Array,
): Uint8Array {
  const copy = Uint8Array.from(state)
  const bytes = new Uint8Array(number.buffer)
  const view = new DataView(copy.buffer)
  for (let from = at; from < copy.length; ) {
    const end = from + ROW_HEADER + cells * Number(view.getBigUint64(from + 4, true))
    for (from += ROW_HEADER; from < end; from += bytes.length) copy.set(bytes, from)
  }
  return sealed(copy)
}

/** Little-endian, as the file is. */
export function words(...values: readonly number[]): Uint8Array {
  return new Uint8Array(Uint32Array.from(values).buffer)
}
