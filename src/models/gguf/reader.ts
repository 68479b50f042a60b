import { ByteReader, checkName, damaged, MAX_HEADER_BYTES, openFile, readMagic } from './bytes.ts'
import { checkUnused, type GgufTensor, placeTensors, readTensorInfos } from './tensors.ts'

/** The value types of GGUF metadata, by their number in the file. */
export const VALUE_TYPES = [
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
] as const

export type GgufValueType = (typeof VALUE_TYPES)[number]
type GgufScalar = number | bigint | boolean | string
type NumericArray = Uint8Array | Int8Array | Uint16Array | Int16Array | Uint32Array | Int32Array
type GgufList =
  | readonly string[]
  | NumericArray
  | Float32Array
  | Float64Array
  | BigUint64Array
  | BigInt64Array

/** One metadata value. An array that was scanned, or is too large to keep, has no `values`. */
export type GgufValue =
  | { readonly type: Exclude<GgufValueType, 'array'>; readonly value: GgufScalar }
  | {
      readonly type: 'array'
      readonly of: GgufValueType
      readonly count: number
      readonly values: GgufList | undefined
    }

/** What one GGUF file says about itself, before its meaning is checked. */
export type GgufFile = {
  readonly path: string
  readonly fileBytes: number
  /** See `RegularFile`. */
  readonly identity: string
  readonly version: number
  readonly metadata: ReadonlyMap<string, GgufValue>
  readonly tensors: readonly GgufTensor[]
  /** Where the tensor data starts, bytes. */
  readonly dataOffset: number
  /** Bytes that belong neither to the header nor to a tensor. */
  readonly unusedBytes: number
}

/**
 * Takes the strings that lie wholly in `window`, which begins with the next one and is then overwritten.
 * @returns the index of the next string, and how many bytes were taken
 */
export type StringScan = (window: Buffer) => { readonly index: number; readonly bytes: number }
type ScanFor = (key: string, count: number) => StringScan | undefined

const MAX_NUMERIC_ARRAY_BYTES = 16 * 1024 * 1024
const MAX_KEPT_STRINGS = 64
/** Real ones have up to some 100 KiB. Prompts parse them, and llama.cpp copies them for each analysis. */
const MAX_TEMPLATE_BYTES = 2 ** 20
/** There may be several, each with its name after this. */
const TEMPLATES = 'tokenizer.chat_template'
/** llama.cpp compares each key, and each tensor name, with all before it: without a limit it would hang. */
const MAX_KEYS = 16_384
const MAX_TENSORS = 65_536

/**
 * Opens and parses one GGUF file up to its tensor data, checking everything that needs no knowledge of
 * models.
 */
export async function readGgufFile(path: string, scanFor: ScanFor, signal?: AbortSignal): Promise<GgufFile> {
  signal?.throwIfAborted()
  const file = await openFile(path)
  try {
    const { bytes: fileBytes, identity } = file
    const bytes = new ByteReader(file, path, signal, MAX_HEADER_BYTES)
    const version = await readMagic(bytes)
    const [tensorCount, keyCount] = await readCounts(bytes)
    const metadata = await readMetadata(bytes, keyCount, scanFor)
    const infos = await readTensorInfos(bytes, tensorCount)
    const alignment = alignmentOf(path, metadata)
    const dataOffset = Math.ceil(bytes.offset / alignment) * alignment
    const tensors = placeTensors(path, fileBytes, infos, dataOffset, alignment)
    const unusedBytes = fileBytes - bytes.offset - tensors.reduce((sum, tensor) => sum + tensor.bytes, 0)
    checkUnused(path, unusedBytes)
    return { path, fileBytes, identity, version, metadata, tensors, dataOffset, unusedBytes }
  } finally {
    await file.close()
  }
}

async function readCounts(bytes: ByteReader): Promise<[tensors: number, keys: number]> {
  await bytes.need(16, 'its counts')
  const tensors = bytes.u64()
  const keys = bytes.u64()
  // The smallest tensor entry takes 25 bytes, the smallest key 13.
  const check = (count: number, limit: number, least: number, what: string) => {
    if (count > limit || count * least > bytes.remaining)
      throw damaged(bytes.path, `it claims ${count} ${what}, more than ${bytes.fileBytes} bytes can hold`)
  }
  check(tensors, MAX_TENSORS, 25, 'tensors')
  check(keys, MAX_KEYS, 13, 'metadata keys')
  return [tensors, keys]
}

async function readMetadata(
  bytes: ByteReader,
  count: number,
  scanFor: ScanFor,
): Promise<Map<string, GgufValue>> {
  const metadata = new Map<string, GgufValue>()
  for (let i = 0; i < count; i++) {
    const key = await bytes.string(`metadata key ${i}`)
    checkName(bytes.path, key, `metadata key ${i}`)
    if (metadata.has(key)) throw damaged(bytes.path, `the metadata key "${key}" appears twice`)
    await bytes.need(4, `the value of "${key}"`)
    const type = valueType(bytes, key)
    metadata.set(
      key,
      type === 'array'
        ? await readArray(bytes, key, scanFor)
        : { type, value: await readScalar(bytes, type, key) },
    )
  }
  return metadata
}

function valueType(bytes: ByteReader, key: string): GgufValueType {
  const number = bytes.u32()
  const type = VALUE_TYPES[number]
  if (type === undefined) throw damaged(bytes.path, `"${key}" has the unknown value type ${number}`)
  return type
}

type NumericType = {
  readonly bytes: number
  readonly read: (buffer: Buffer, at: number) => GgufScalar
  readonly list: (buffer: ArrayBuffer) => GgufList
}

const NUMERIC: Readonly<Record<Exclude<GgufValueType, 'string' | 'array'>, NumericType>> = {
  u8: { bytes: 1, read: (b, at) => b.readUInt8(at), list: (b) => new Uint8Array(b) },
  i8: { bytes: 1, read: (b, at) => b.readInt8(at), list: (b) => new Int8Array(b) },
  bool: { bytes: 1, read: (b, at) => b.readUInt8(at) !== 0, list: (b) => new Uint8Array(b) },
  u16: { bytes: 2, read: (b, at) => b.readUInt16LE(at), list: (b) => new Uint16Array(b) },
  i16: { bytes: 2, read: (b, at) => b.readInt16LE(at), list: (b) => new Int16Array(b) },
  u32: { bytes: 4, read: (b, at) => b.readUInt32LE(at), list: (b) => new Uint32Array(b) },
  i32: { bytes: 4, read: (b, at) => b.readInt32LE(at), list: (b) => new Int32Array(b) },
  f32: { bytes: 4, read: (b, at) => b.readFloatLE(at), list: (b) => new Float32Array(b) },
  u64: { bytes: 8, read: (b, at) => b.readBigUInt64LE(at), list: (b) => new BigUint64Array(b) },
  i64: { bytes: 8, read: (b, at) => b.readBigInt64LE(at), list: (b) => new BigInt64Array(b) },
  f64: { bytes: 8, read: (b, at) => b.readDoubleLE(at), list: (b) => new Float64Array(b) },
}

async function readScalar(
  bytes: ByteReader,
  type: Exclude<GgufValueType, 'array'>,
  key: string,
): Promise<GgufScalar> {
  if (type === 'string') return bytes.string(`the value of "${key}"`, mostBytesOf(key))
  const numeric = NUMERIC[type]
  await bytes.need(numeric.bytes, `the value of "${key}"`)
  const value = numeric.read(bytes.bytes, bytes.at)
  bytes.at += numeric.bytes
  return value
}

const mostBytesOf = (key: string) => (key.startsWith(TEMPLATES) ? MAX_TEMPLATE_BYTES : undefined)

async function readArray(bytes: ByteReader, key: string, scanFor: ScanFor): Promise<GgufValue> {
  await bytes.need(12, `the value of "${key}"`)
  const of = valueType(bytes, key)
  const count = bytes.u64()
  if (of === 'array') throw damaged(bytes.path, `"${key}" is an array of arrays, which GGUF does not have`)
  const least = count * (of === 'string' ? 8 : NUMERIC[of].bytes)
  if (least > bytes.remaining)
    throw damaged(bytes.path, `"${key}" claims ${count} elements, more than the file can hold`)
  bytes.checkHeader(least)
  if (of === 'string') {
    const scan = scanFor(key, count)
    if (!scan) return { type: 'array', of, count, values: await readStrings(bytes, count, key) }
    await scanStrings(bytes, count, key, scan)
    return { type: 'array', of, count, values: undefined }
  }
  if (least > MAX_NUMERIC_ARRAY_BYTES) {
    bytes.skip(least)
    return { type: 'array', of, count, values: undefined }
  }
  await bytes.need(least, `the value of "${key}"`)
  const copy = new ArrayBuffer(least) // aligned, and little-endian like every platform Node has an addon for here
  new Uint8Array(copy).set(bytes.bytes.subarray(bytes.at, bytes.at + least))
  bytes.at += least
  return { type: 'array', of, count, values: NUMERIC[of].list(copy) }
}

/** Keeps the strings of a short array; those of a long one are skipped. */
async function readStrings(bytes: ByteReader, count: number, key: string): Promise<string[] | undefined> {
  const kept: string[] | undefined = count > MAX_KEPT_STRINGS ? undefined : []
  for (let i = 0; i < count; i++) {
    const length = await needString(bytes, i, key)
    bytes.at += 8
    if (kept) kept.push(bytes.utf8(length))
    else bytes.at += length
  }
  return kept
}

async function scanStrings(bytes: ByteReader, count: number, key: string, scan: StringScan): Promise<void> {
  for (;;) {
    const scanned = scan(bytes.bytes.subarray(bytes.at, bytes.end))
    bytes.at += scanned.bytes
    if (scanned.index === count) return
    await needString(bytes, scanned.index, key)
  }
}

/** Makes string `index` available, with its length in front; returns that length. */
async function needString(bytes: ByteReader, index: number, key: string): Promise<number> {
  const what = `"${key}"`
  await bytes.need(8, what)
  const length = bytes.u64()
  bytes.checkString(length, `string ${index} of ${what}`)
  bytes.at -= 8
  await bytes.need(8 + length, what)
  return length
}

function alignmentOf(path: string, metadata: ReadonlyMap<string, GgufValue>): number {
  const key = 'general.alignment'
  const entry = metadata.get(key)
  if (entry === undefined) return 32
  const value = entry.type === 'u32' ? Number(entry.value) : 0
  if (value === 0 || (value & (value - 1)) !== 0) throw damaged(path, `"${key}" is not a power of two`)
  return value
}
