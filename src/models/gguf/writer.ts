import type { GgufValueType } from './reader.ts'
import { VALUE_TYPES } from './reader.ts'

export type WrittenValueType = Exclude<GgufValueType, 'array'>
/** Text may be given as its bytes: not every vocabulary is UTF-8. */
export type WrittenValue = number | bigint | boolean | string | Uint8Array

/** A tensor's entry; the caller writes its data. */
type WrittenTensor = {
  readonly name: string
  readonly shape: readonly number[]
  /** ggml's number of the type. */
  readonly type: number
  /** Bytes of its data, without the padding after it. */
  readonly bytes: number
}

const ALIGNMENT = 32

/** What precedes the data of the first tensor, and where each tensor's data is in the file. */
export function writeHeader(
  metadata: readonly (readonly [key: string, value: Buffer])[],
  tensors: readonly WrittenTensor[],
): { readonly header: Buffer; readonly offsets: readonly number[]; readonly fileBytes: number } {
  const offsets: number[] = []
  let end = 0
  const infos = tensors.map(({ name, shape, type, bytes }) => {
    offsets.push(end)
    end = padded(end + bytes)
    const numbers = [u32(shape.length), ...shape.map(u64), u32(type), u64(offsets.at(-1) ?? 0)]
    return Buffer.concat([scalar('string', name), ...numbers])
  })
  const pairs = metadata.flatMap(([key, value]) => [scalar('string', key), value])
  const counts = [u32(3), u64(tensors.length), u64(metadata.length)]
  const parts = [Buffer.from('GGUF'), ...counts, ...pairs, ...infos]
  const length = parts.reduce((sum, part) => sum + part.length, 0)
  const start = padded(length)
  return {
    header: Buffer.concat([...parts, Buffer.alloc(start - length)]),
    offsets: offsets.map((offset) => start + offset),
    fileBytes: start + end,
  }
}

export function padded(bytes: number, alignment: number = ALIGNMENT): number {
  return Math.ceil(bytes / alignment) * alignment
}

/** A metadata value, preceded by the number of its type. */
export function value(type: WrittenValueType, content: WrittenValue): Buffer {
  return Buffer.concat([u32(VALUE_TYPES.indexOf(type)), scalar(type, content)])
}

/** A metadata array, preceded by the numbers of its types. */
export function array(of: WrittenValueType, contents: readonly WrittenValue[]): Buffer {
  const head = [u32(VALUE_TYPES.indexOf('array')), u32(VALUE_TYPES.indexOf(of)), u64(contents.length)]
  if (of !== 'string') return Buffer.concat([...head, numbers(of, contents)])
  // One buffer for all: a vocabulary has tens of thousands of short ones.
  const texts = contents.map((content) =>
    content instanceof Uint8Array ? content : Buffer.from(String(content)),
  )
  const bytes = Buffer.alloc(texts.reduce((sum, text) => sum + 8 + text.length, 0))
  let at = 0
  for (const text of texts) {
    bytes.writeBigUInt64LE(BigInt(text.length), at)
    bytes.set(text, at + 8)
    at += 8 + text.length
  }
  return Buffer.concat([...head, bytes])
}

const WIDTHS = { u8: 1, i8: 1, bool: 1, u16: 2, i16: 2, u32: 4, i32: 4, f32: 4, u64: 8, i64: 8, f64: 8 }

function numbers(of: Exclude<WrittenValueType, 'string'>, contents: readonly WrittenValue[]): Buffer {
  const bytes = Buffer.alloc(WIDTHS[of] * contents.length)
  for (const [i, content] of contents.entries()) writeNumber(bytes, i * WIDTHS[of], of, content)
  return bytes
}

export function scalar(type: WrittenValueType, content: WrittenValue): Buffer {
  if (type === 'string') {
    const text = content instanceof Uint8Array ? content : Buffer.from(String(content), 'utf8')
    return Buffer.concat([u64(text.length), text])
  }
  const bytes = Buffer.alloc(WIDTHS[type])
  writeNumber(bytes, 0, type, content)
  return bytes
}

function writeNumber(
  bytes: Buffer,
  at: number,
  type: Exclude<WrittenValueType, 'string'>,
  content: WrittenValue,
): void {
  const width = WIDTHS[type]
  if (type === 'f32') bytes.writeFloatLE(Number(content), at)
  else if (type === 'f64') bytes.writeDoubleLE(Number(content), at)
  else if (width === 8) bytes.writeBigUInt64LE(BigInt.asUintN(64, BigInt(content as number)), at)
  else bytes.writeUIntLE(Number(BigInt.asUintN(8 * width, BigInt(content as number))), at, width)
}

export const u32 = (content: number) => scalar('u32', content >>> 0)

export const u64 = (content: number | bigint) => scalar('u64', content)
