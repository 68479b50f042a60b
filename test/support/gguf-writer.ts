/** Writes GGUF files for tests: whole ones, and by its open fields also wrong ones. */

const VALUE_TYPES = [
  'u8',
  'i8',
  'u16',
  'i16',
  'u32',
  'i32',
  'f32',
  'bool',
  'string',
  'array',
  'u64',
  'i64',
  'f64',
]
const TENSOR_TYPES = {
  F32: { number: 0, block: 1, bytes: 4 },
  F16: { number: 1, block: 1, bytes: 2 },
  Q4_0: { number: 2, block: 32, bytes: 18 },
  Q8_0: { number: 8, block: 32, bytes: 34 },
  Q8_1: { number: 9, block: 32, bytes: 36 },
  I32: { number: 26, block: 1, bytes: 4 },
} as const

export type WrittenValueType =
  | 'u8'
  | 'i8'
  | 'u16'
  | 'i16'
  | 'u32'
  | 'i32'
  | 'f32'
  | 'bool'
  | 'string'
  | 'u64'
  | 'i64'
  | 'f64'
export type WrittenValue = number | bigint | boolean | string
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
  set(key: string, type: WrittenValueType, value: WrittenValue): this {
    return this.raw(key, Buffer.concat([u32(VALUE_TYPES.indexOf(type)), encode(type, value)]))
  }

  setArray(key: string, of: WrittenValueType, values: readonly WrittenValue[]): this {
    const head = [u32(9), u32(VALUE_TYPES.indexOf(of)), u64(values.length)]
    return this.raw(key, Buffer.concat([...head, ...values.map((value) => encode(of, value))]))
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
    const made = { name, shape, type, data: this.#data(shape, type, value) }
    const at = this.#tensors.findIndex((tensor) => tensor.name === name)
    if (at < 0) this.#tensors.push(made)
    else this.#tensors[at] = made
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
      ...this.#keys.flatMap(({ key, bytes }) => [encode('string', key), bytes]),
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
        encode('string', name),
        u32(shape.length),
        ...dims,
        u32(TENSOR_TYPES[type].number),
        u64(at),
      ])
    })
  }

  #padded(bytes: Buffer): Buffer {
    const rest = bytes.length % this.alignment
    return rest === 0 ? bytes : Buffer.concat([bytes, Buffer.alloc(this.alignment - rest)])
  }

  #data(shape: readonly number[], type: WrittenTensorType, value: number | undefined): Buffer {
    const elements = shape.reduce((product, size) => product * size, 1)
    const { block, bytes } = TENSOR_TYPES[type]
    const data = Buffer.alloc(Math.ceil(elements / block) * bytes)
    const draw = () => value ?? (this.#random() - 0.5) * 0.4
    if (type === 'F32') for (let i = 0; i < elements; i++) data.writeFloatLE(draw(), i * 4)
    else if (type === 'F16') for (let i = 0; i < elements; i++) data.writeUInt16LE(half(draw()), i * 2)
    else
      for (let at = 0; at < data.length; at++) {
        // Any bits are good quants; the block's scale comes first, as a half.
        const inBlock = at % bytes
        data[at] = inBlock === 0 ? half(0.002) & 255 : inBlock === 1 ? half(0.002) >> 8 : this.#random() * 256
      }
    return data
  }
}

const u32 = (value: number) => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value >>> 0)
  return bytes
}

const u64 = (value: number) => {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt.asUintN(64, BigInt(value)))
  return bytes
}

function encode(type: WrittenValueType, value: WrittenValue): Buffer {
  if (type === 'string') {
    const text = Buffer.from(String(value), 'utf8')
    return Buffer.concat([u64(text.length), text])
  }
  const bytes = Buffer.alloc(
    { u8: 1, i8: 1, bool: 1, u16: 2, i16: 2, u32: 4, i32: 4, f32: 4, u64: 8, i64: 8, f64: 8 }[type],
  )
  if (type === 'f32') bytes.writeFloatLE(Number(value))
  else if (type === 'f64') bytes.writeDoubleLE(Number(value))
  else if (bytes.length === 8) bytes.writeBigUInt64LE(BigInt.asUintN(64, BigInt(value)))
  else bytes.writeUIntLE(Number(BigInt.asUintN(8 * bytes.length, BigInt(value))), 0, bytes.length)
  return bytes
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
