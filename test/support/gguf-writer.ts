import {
  array,
  padded,
  scalar,
  u32,
  u64,
  value,
  type WrittenValue,
  type WrittenValueType,
} from '../../src/models/gguf/writer.ts'

/** Writes GGUF files for tests: whole ones, and by its open fields also wrong ones. */

/** `scales`: where a block has its scales, as halves. */
const TENSOR_TYPES = {
  F32: { number: 0, block: 1, bytes: 4, scales: [] },
  F16: { number: 1, block: 1, bytes: 2, scales: [] },
  Q4_0: { number: 2, block: 32, bytes: 18, scales: [0] },
  Q4_1: { number: 3, block: 32, bytes: 20, scales: [0, 2] },
  Q5_0: { number: 6, block: 32, bytes: 22, scales: [0] },
  Q5_1: { number: 7, block: 32, bytes: 24, scales: [0, 2] },
  Q8_0: { number: 8, block: 32, bytes: 34, scales: [0] },
  Q8_1: { number: 9, block: 32, bytes: 36, scales: [0] },
  Q2_K: { number: 10, block: 256, bytes: 84, scales: [80, 82] },
  Q3_K: { number: 11, block: 256, bytes: 110, scales: [108] },
  Q4_K: { number: 12, block: 256, bytes: 144, scales: [0, 2] },
  Q5_K: { number: 13, block: 256, bytes: 176, scales: [0, 2] },
  Q6_K: { number: 14, block: 256, bytes: 210, scales: [208] },
  I32: { number: 26, block: 1, bytes: 4, scales: [] },
} as const

export const tensorType = (type: WrittenTensorType) => TENSOR_TYPES[type].number

export type { WrittenValue, WrittenValueType } from '../../src/models/gguf/writer.ts'
export type WrittenTensorType = keyof typeof TENSOR_TYPES

/** A small, fast, seeded generator (mulberry32) of numbers in [0, 1). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

type Tensor = { name: string; shape: readonly number[]; type: WrittenTensorType; data: Buffer }

export class GgufWriter {
  magic = 'GGUF'
  version = 3
  alignment = 32
  /** What the header claims, where that is not the truth. */
  claimedTensors: number | undefined
  claimedKeys: number | undefined
  readonly #keys: { key: string; bytes: Buffer }[] = []
  readonly #tensors: Tensor[] = []
  readonly #random: () => number

  constructor(seed = 1) {
    this.#random = seeded(seed)
  }

  /** Sets or replaces a value; an array is `{ of, values }`. */
  set(key: string, type: WrittenValueType, content: WrittenValue): this {
    return this.raw(key, value(type, content))
  }

  setArray(key: string, of: WrittenValueType, values: readonly WrittenValue[]): this {
    return this.raw(key, array(of, values))
  }

  /** The value as its bytes in the file, type number first. */
  raw(key: string, bytes: Buffer): this {
    const at = this.#keys.findIndex((entry) => entry.key === key)
    if (at < 0) this.#keys.push({ key, bytes })
    else this.#keys[at] = { key, bytes }
    return this
  }

  /** Writes the key a second time. */
  duplicate(key: string): this {
    const entry = this.#keys.find((candidate) => candidate.key === key)
    if (entry) this.#keys.push(entry)
    return this
  }

  remove(key: string): this {
    const at = this.#keys.findIndex((entry) => entry.key === key)
    if (at >= 0) this.#keys.splice(at, 1)
    return this
  }

  /** Adds or replaces a tensor; its values are random, or all `value`. */
  tensor(name: string, shape: readonly number[], type: WrittenTensorType = 'F32', value?: number): this {
    const made = { name, shape, type, data: tensorData(shape, type, this.#random, value) }
    const at = this.#tensors.findIndex((tensor) => tensor.name === name)
    if (at < 0) this.#tensors.push(made)
    else this.#tensors[at] = made
    return this
  }

  /** Makes the numbers of one row of a matrix, or of all of a tensor, no numbers: in each type those whose bits are all set are none. */
  spoil(name: string, row?: number): this {
    const tensor = this.#tensors.find((candidate) => candidate.name === name)
    if (!tensor) throw new Error(`no tensor ${name}`)
    const { block, bytes } = TENSOR_TYPES[tensor.type]
    const length = (tensor.shape[0]! / block) * bytes
    if (row === undefined) tensor.data.fill(0xff)
    else tensor.data.fill(0xff, row * length, (row + 1) * length)
    return this
  }

  duplicateTensor(name: string): this {
    const tensor = this.#tensors.find((candidate) => candidate.name === name)
    if (tensor) this.#tensors.push(tensor)
    return this
  }

  removeTensor(name: string): this {
    const at = this.#tensors.findIndex((tensor) => tensor.name === name)
    if (at >= 0) this.#tensors.splice(at, 1)
    return this
  }

  bytes(): Buffer {
    const header = Buffer.concat([
      Buffer.from(this.magic, 'latin1'),
      u32(this.version),
      u64(this.claimedTensors ?? this.#tensors.length),
      u64(this.claimedKeys ?? this.#keys.length),
      ...this.#keys.flatMap(({ key, bytes }) => [scalar('string', key), bytes]),
      ...this.#tensorInfos(),
    ])
    const data = this.#tensors.map((tensor) => this.#padded(tensor.data))
    return Buffer.concat([this.#tensors.length === 0 ? header : this.#padded(header), ...data])
  }

  #tensorInfos(): Buffer[] {
    let offset = 0
    return this.#tensors.map(({ name, shape, type, data }) => {
      const at = offset
      offset += this.#padded(data).length
      const dims = shape.map((size) => u64(size))
      return Buffer.concat([
        scalar('string', name),
        u32(shape.length),
        ...dims,
        u32(TENSOR_TYPES[type].number),
        u64(at),
      ])
    })
  }

  #padded(bytes: Buffer): Buffer {
    return Buffer.concat([bytes, Buffer.alloc(padded(bytes.length, this.alignment) - bytes.length)])
  }
}

/** The data of a tensor: all `constant`, or random. */
export function tensorData(
  shape: readonly number[],
  type: WrittenTensorType,
  random: () => number,
  constant?: number,
): Buffer {
  const elements = shape.reduce((product, size) => product * size, 1)
  const { block, bytes, scales } = TENSOR_TYPES[type]
  const data = Buffer.alloc(Math.ceil(elements / block) * bytes)
  if (constant === 0) return data
  const draw = () => constant ?? (random() - 0.5) * 0.4
  if (type === 'F32') for (let i = 0; i < elements; i++) data.writeFloatLE(draw(), i * 4)
  else if (type === 'I32') for (let i = 0; i < elements; i++) data.writeInt32LE(constant ?? 0, i * 4)
  else if (type === 'F16') for (let i = 0; i < elements; i++) data.writeUInt16LE(half(draw()), i * 2)
  else {
    const isScale = (at: number) => scales.some((scale) => at >= scale && at < scale + 2)
    for (let from = 0; from < data.length; from += bytes) {
      // Any bits are good quants.
      for (let at = 0; at < bytes; at++) if (!isScale(at)) data[from + at] = random() * 256
      for (const scale of scales) data.writeUInt16LE(half(0.002), from + scale)
    }
  }
  return data
}

/** IEEE half precision of a number that is normal in it. */
function half(value: number): number {
  const single = Buffer.alloc(4)
  single.writeFloatBE(value)
  const bits = single.readUInt32BE()
  const exponent = ((bits >>> 23) & 255) - 112
  if (exponent <= 0) return (bits >>> 16) & 0x8000
  return ((bits >>> 16) & 0x8000) | (exponent << 10) | ((bits >>> 13) & 0x3ff)
}
