/** Takes GGUF files apart and puts them together again, wrong ones too. */

export type Key = { key: string; raw: Buffer }
export type Tensor = { name: string; shape: bigint[]; type: number; data: Buffer }
export type Parts = {
  version: number
  alignment: number
  keys: Key[]
  tensors: Tensor[]
  offsetOf?: (index: number, right: number) => bigint
}
/** A place in the file that holds one number or one text. */
export type Field = { kind: string; label: string; at: number; bytes: number }

export const VALUE_BYTES = [1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8]
export const STRING = 8
export const ARRAY = 9

/** [block, bytes] of tensor types. */
const BLOCKS: Readonly<Record<number, readonly [number, number]>> = {
  0: [1, 4],
  1: [1, 2],
  2: [32, 18],
  3: [32, 20],
  6: [32, 22],
  7: [32, 24],
  8: [32, 34],
  9: [32, 36],
  20: [32, 18],
  24: [1, 1],
  25: [1, 2],
  26: [1, 4],
  27: [1, 8],
  28: [1, 8],
  30: [1, 2],
  39: [32, 17],
  40: [64, 36],
  41: [128, 18],
  42: [64, 18],
}

/** Walks over a whole, valid file; `note` sees every field. */
function walk(
  source: Buffer,
  note: (kind: string, label: string, at: number, bytes: number) => void,
): Parts & { headerEnd: number } {
  let at = 0
  const field = (kind: string, label: string, bytes: number) => {
    note(kind, label, at, bytes)
    at += bytes
    return at - bytes
  }
  const count = (kind: string, label: string) => Number(source.readBigUInt64LE(field(kind, label, 8)))
  const string = (kind: string, label: string) => {
    const length = count(`${kind} length`, `length of ${label}`)
    const start = field(kind, label, length)
    return source.toString('utf8', start, start + length)
  }
  field('magic', 'magic', 4)
  const version = source.readUInt32LE(field('version', 'version', 4))
  const tensorCount = count('tensor count', 'tensor count')
  const keyCount = count('key count', 'key count')
  const keys: Key[] = []
  for (let i = 0; i < keyCount; i++) {
    const key = string('key', `key ${i}`)
    const start = at
    const type = source.readUInt32LE(field('value type', `type of "${key}"`, 4))
    if (type === ARRAY) {
      const of = source.readUInt32LE(field('array type', `element type of "${key}"`, 4))
      const length = count('array count', `count of "${key}"`)
      for (let element = 0; element < length; element++)
        if (of === STRING) string('element', `element ${element} of "${key}"`)
        else field('number element', `element ${element} of "${key}"`, VALUE_BYTES[of]!)
    } else if (type === STRING) string('text', `"${key}"`)
    else field('value', `"${key}"`, VALUE_BYTES[type]!)
    keys.push({ key, raw: Buffer.from(source.subarray(start, at)) })
  }
  const infos = Array.from({ length: tensorCount }, (_, i) => {
    const name = string('tensor name', `name of tensor ${i}`)
    const dimensions = source.readUInt32LE(field('dimensions', `dimensions of "${name}"`, 4))
    const shape = Array.from({ length: dimensions }, () =>
      BigInt(count('dimension', `dimension of "${name}"`)),
    )
    const type = source.readUInt32LE(field('tensor type', `type of "${name}"`, 4))
    const offset = count('offset', `offset of "${name}"`)
    return { name, shape, type, offset }
  })
  const dataStart = Math.ceil(at / 32) * 32
  const tensors = infos.map(({ offset, ...info }) => {
    const tensor: Tensor = { ...info, data: Buffer.alloc(0) }
    const start = dataStart + offset
    tensor.data = source.subarray(start, start + tensorBytes(tensor))
    return tensor
  })
  return { version, alignment: 32, keys, tensors, headerEnd: at }
}

export const take = (source: Buffer): Parts => walk(source, () => {})

export const headerBytes = (source: Buffer): number => walk(source, () => {}).headerEnd

export function fieldsOf(source: Buffer): Field[] {
  const fields: Field[] = []
  walk(source, (kind, label, at, bytes) => fields.push({ kind, label, at, bytes }))
  return fields.filter((field) => field.bytes > 0)
}

export function assemble({ version, alignment, keys, tensors, offsetOf }: Parts): Buffer {
  const padded = (length: number) => Math.ceil(length / alignment) * alignment
  let next = 0
  const infos = tensors.map(({ name, shape, type, data }, index) => {
    const offset = offsetOf?.(index, next) ?? BigInt(next)
    next += padded(data.length)
    return Buffer.concat([
      text(name),
      number32(shape.length),
      ...shape.map(number64),
      number32(type),
      number64(offset),
    ])
  })
  const header = Buffer.concat([
    Buffer.from('GGUF'),
    number32(version),
    number64(BigInt(tensors.length)),
    number64(BigInt(keys.length)),
    ...keys.flatMap(({ key, raw }) => [text(key), raw]),
    ...infos,
  ])
  const pad = (bytes: Buffer) => [bytes, Buffer.alloc(padded(bytes.length) - bytes.length)]
  return Buffer.concat([...pad(header), ...tensors.flatMap(({ data }) => pad(data))])
}

export function elementsOf(raw: Buffer): Buffer[] {
  const size = VALUE_BYTES[raw.readUInt32LE(4)]!
  const elements: Buffer[] = []
  for (let at = 16; at < raw.length; ) {
    const bytes = size > 0 ? size : 8 + Number(raw.readBigUInt64LE(at))
    elements.push(raw.subarray(at, at + bytes))
    at += bytes
  }
  return elements
}

/** Bytes that a tensor of this shape and type takes; a few hundred KB at most, whatever it claims. */
export function tensorBytes({ shape, type }: { shape: readonly bigint[]; type: number }): number {
  const [block, bytes] = BLOCKS[type] ?? [1, 4]
  const elements = Number(shape.reduce((product, size) => product * size, 1n))
  return Math.min(4 * 2 ** 20, Math.ceil(elements / block) * bytes)
}

/** Gives a tensor as much data as its new shape wants, from what it had. */
export function refit(tensor: Tensor): void {
  const bytes = tensorBytes(tensor)
  tensor.data = tensor.data.length === 0 ? Buffer.alloc(bytes) : Buffer.alloc(bytes, tensor.data)
}

export const number32 = (value: number) => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}

export const number64 = (value: bigint) => {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt.asUintN(64, value))
  return bytes
}

export const text = (value: string) => {
  const bytes = Buffer.from(value, 'utf8')
  return Buffer.concat([number64(BigInt(bytes.length)), bytes])
}
