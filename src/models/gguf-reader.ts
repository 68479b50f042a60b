import { ModelError } from '../errors.ts'
import { ByteReader, damaged, openFile, readMagic } from './gguf-bytes.ts'

/** The value types of GGUF metadata, by their number in the file. */
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
] as const

export type GgufValueType = (typeof VALUE_TYPES)[number]
export type GgufScalar = number | bigint | boolean | string
type NumericArray = Uint8Array | Int8Array | Uint16Array | Int16Array | Uint32Array | Int32Array
export type GgufList =
  | readonly string[]
  | NumericArray
  | Float32Array
  | Float64Array
  | BigUint64Array
  | BigInt64Array

/** One metadata value. Of an array too large to keep, `values` is undefined and only its shape is known. */
export type GgufValue =
  | { readonly type: Exclude<GgufValueType, 'array'>; readonly value: GgufScalar }
  | {
      readonly type: 'array'
      readonly of: GgufValueType
      readonly count: number
      readonly values: GgufList | undefined
    }

export type GgufTensor = {
  readonly name: string
  /** e.g. `Q4_0` */
  readonly type: string
  /** 1 to 4 positive numbers; the first is the row's length. */
  readonly shape: readonly number[]
  /** Where its data starts in the file, bytes. */
  readonly offset: number
  readonly bytes: number
}

/** What one GGUF file says about itself, before its meaning is looked at. */
export type GgufFile = {
  readonly path: string
  readonly fileBytes: number
  readonly version: number
  readonly metadata: ReadonlyMap<string, GgufValue>
  readonly tensors: readonly GgufTensor[]
  /** Where the tensor data starts, bytes. */
  readonly dataOffset: number
}

/** Sees every string of an array while it streams past: `bytes[start, end)`. The bytes are gone afterwards. */
export type StringVisitor = (index: number, bytes: Buffer, start: number, end: number) => void

/** [name, values per block, bytes per block] by type number; source: ggml_type and its traits in ggml.c. */
const TENSOR_TYPES: ReadonlyMap<number, readonly [name: string, block: number, bytes: number]> = new Map([
  [0, ['F32', 1, 4]],
  [1, ['F16', 1, 2]],
  [2, ['Q4_0', 32, 18]],
  [3, ['Q4_1', 32, 20]],
  [6, ['Q5_0', 32, 22]],
  [7, ['Q5_1', 32, 24]],
  [8, ['Q8_0', 32, 34]],
  [9, ['Q8_1', 32, 36]],
  [10, ['Q2_K', 256, 84]],
  [11, ['Q3_K', 256, 110]],
  [12, ['Q4_K', 256, 144]],
  [13, ['Q5_K', 256, 176]],
  [14, ['Q6_K', 256, 210]],
  [15, ['Q8_K', 256, 292]],
  [16, ['IQ2_XXS', 256, 66]],
  [17, ['IQ2_XS', 256, 74]],
  [18, ['IQ3_XXS', 256, 98]],
  [19, ['IQ1_S', 256, 50]],
  [20, ['IQ4_NL', 32, 18]],
  [21, ['IQ3_S', 256, 110]],
  [22, ['IQ2_S', 256, 82]],
  [23, ['IQ4_XS', 256, 136]],
  [24, ['I8', 1, 1]],
  [25, ['I16', 1, 2]],
  [26, ['I32', 1, 4]],
  [27, ['I64', 1, 8]],
  [28, ['F64', 1, 8]],
  [29, ['IQ1_M', 256, 56]],
  [30, ['BF16', 1, 2]],
  [34, ['TQ1_0', 256, 54]],
  [35, ['TQ2_0', 256, 66]],
  [39, ['MXFP4', 32, 17]],
  [40, ['NVFP4', 64, 36]],
  [41, ['Q1_0', 128, 18]],
  [42, ['Q2_0', 64, 18]],
])

/** Types that llama.cpp once wrote and no longer reads. */
const REMOVED_TENSOR_TYPES = new Map([
  [4, 'Q4_2'],
  [5, 'Q4_3'],
  [31, 'Q4_0_4_4'],
  [32, 'Q4_0_4_8'],
  [33, 'Q4_0_8_8'],
  [36, 'IQ4_NL_4_4'],
  [37, 'IQ4_NL_4_8'],
  [38, 'IQ4_NL_8_8'],
])

const MAX_NUMERIC_ARRAY_BYTES = 16 * 1024 * 1024
const MAX_KEPT_STRINGS = 64
/** llama.cpp compares each key, and each tensor name, with all before it: without a limit that is a hang. */
const MAX_KEYS = 16_384
const MAX_TENSORS = 65_536
/** GGML_MAX_NAME */
const MAX_TENSOR_NAME_BYTES = 63
/** ggml's CPU buffers assert this alignment of memory-mapped tensors (TENSOR_ALIGNMENT). */
const MEMORY_ALIGNMENT = 32

/** Opens and parses one GGUF file up to its tensor data, checking everything that needs no knowledge of models. */
export async function readGgufFile(
  path: string,
  visitorFor: (key: string, count: number) => StringVisitor | undefined,
  signal?: AbortSignal,
): Promise<GgufFile> {
  signal?.throwIfAborted()
  const { handle, fileBytes } = await openFile(path)
  try {
    const bytes = new ByteReader(handle, path, fileBytes, signal)
    const version = await readMagic(bytes)
    const [tensorCount, keyCount] = await readCounts(bytes)
    const metadata = await readMetadata(bytes, keyCount, visitorFor)
    const infos = await readTensorInfos(bytes, tensorCount)
    const alignment = alignmentOf(path, metadata)
    const dataOffset = Math.ceil(bytes.offset / alignment) * alignment
    const tensors = placeTensors(path, fileBytes, infos, dataOffset, alignment)
    return { path, fileBytes, version, metadata, tensors, dataOffset }
  } finally {
    await handle.close()
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
  visitorFor: (key: string, count: number) => StringVisitor | undefined,
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
        ? await readArray(bytes, key, visitorFor)
        : { type, value: await readScalar(bytes, type, key) },
    )
  }
  return metadata
}

/** llama.cpp compares names up to their first zero byte, so one with more behind it would pass for another. */
function checkName(path: string, name: string, what: string): void {
  if (name === '') throw damaged(path, `${what} is empty`)
  if (name.includes('\0')) throw damaged(path, `${what} holds a zero byte`)
}

function valueType(bytes: ByteReader, key: string): GgufValueType {
  const number = bytes.u32()
  const type = VALUE_TYPES[number]
  if (type === undefined) throw damaged(bytes.path, `"${key}" has the unknown value type ${number}`)
  return type
}

type Numeric = {
  readonly bytes: number
  readonly read: (buffer: Buffer, at: number) => GgufScalar
  readonly list: (buffer: ArrayBuffer) => GgufList
}

const NUMERIC: Readonly<Record<Exclude<GgufValueType, 'string' | 'array'>, Numeric>> = {
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
  if (type === 'string') return bytes.string(`the value of "${key}"`)
  const numeric = NUMERIC[type]
  await bytes.need(numeric.bytes, `the value of "${key}"`)
  const value = numeric.read(bytes.bytes, bytes.at)
  bytes.at += numeric.bytes
  return value
}

async function readArray(
  bytes: ByteReader,
  key: string,
  visitorFor: (key: string, count: number) => StringVisitor | undefined,
): Promise<GgufValue> {
  await bytes.need(12, `the value of "${key}"`)
  const of = valueType(bytes, key)
  const count = bytes.u64()
  if (of === 'array') throw damaged(bytes.path, `"${key}" is an array of arrays, which GGUF does not have`)
  const least = count * (of === 'string' ? 8 : NUMERIC[of].bytes)
  if (least > bytes.remaining)
    throw damaged(bytes.path, `"${key}" claims ${count} elements, more than the file can hold`)
  if (of === 'string') {
    const kept: string[] | undefined = count <= MAX_KEPT_STRINGS ? [] : undefined
    const visit = visitorFor(key, count)
    await readStrings(bytes, count, key, (index, buffer, start, end) => {
      kept?.push(buffer.toString('utf8', start, end))
      visit?.(index, buffer, start, end)
    })
    return { type: 'array', of, count, values: kept }
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

/** Vocabularies have up to 256,000 strings: no promise, no substring and no closure is made per string. */
async function readStrings(
  bytes: ByteReader,
  count: number,
  key: string,
  visit: StringVisitor,
): Promise<void> {
  const what = `"${key}"`
  for (let i = 0; i < count; i++) {
    if (!bytes.has(8)) await bytes.need(8, what)
    const length = bytes.u64()
    if (!bytes.has(length)) {
      bytes.checkString(length, `string ${i} of ${what}`)
      await bytes.need(length, what)
    }
    visit(i, bytes.bytes, bytes.at, bytes.at + length)
    bytes.at += length
  }
}

type TensorInfo = Omit<GgufTensor, 'offset'> & { readonly relative: number }

async function readTensorInfos(bytes: ByteReader, count: number): Promise<TensorInfo[]> {
  const infos: TensorInfo[] = []
  const names = new Set<string>()
  for (let i = 0; i < count; i++) {
    const info = await readTensorInfo(bytes, i)
    if (names.has(info.name)) throw damaged(bytes.path, `the tensor "${info.name}" appears twice`)
    names.add(info.name)
    infos.push(info)
  }
  return infos
}

async function readTensorInfo(bytes: ByteReader, index: number): Promise<TensorInfo> {
  const { path } = bytes
  const name = await bytes.string(`the name of tensor ${index}`)
  const wrong = (detail: string) => damaged(path, `tensor "${name}" ${detail}`)
  checkName(path, name, `the name of tensor ${index}`)
  if (Buffer.byteLength(name) > MAX_TENSOR_NAME_BYTES)
    throw damaged(path, `the name of tensor ${index} has more than ${MAX_TENSOR_NAME_BYTES} bytes`)
  await bytes.need(4, `tensor "${name}"`)
  const dimensions = bytes.u32()
  if (dimensions < 1 || dimensions > 4) throw wrong(`has ${dimensions} dimensions; 1 to 4 are possible`)
  await bytes.need(8 * dimensions + 12, `tensor "${name}"`)
  const shape = Array.from({ length: dimensions }, () => bytes.u64())
  if (shape.some((size) => size < 1)) throw wrong(`has an empty shape: [${shape.join(', ')}]`)
  const elements = shape.reduce((product, size) => product * size, 1)
  if (elements > Number.MAX_SAFE_INTEGER) throw wrong(`has an impossible shape: [${shape.join(', ')}]`)
  const number = bytes.u32()
  const type = TENSOR_TYPES.get(number)
  if (type === undefined) {
    const removed = REMOVED_TENSOR_TYPES.get(number)
    if (removed === undefined) throw wrong(`has the unknown type ${number}`)
    const message = `${path} holds tensors of the type ${removed}, which llama.cpp no longer reads. Get the model in another quantization.`
    throw new ModelError('ERR_MODEL_UNSUPPORTED', message, path)
  }
  const [typeName, block, blockBytes] = type
  if (shape[0]! % block !== 0)
    throw wrong(`has rows of ${shape[0]} values, but ${typeName} comes in blocks of ${block}`)
  return { name, type: typeName, shape, bytes: (elements / block) * blockBytes, relative: bytes.u64() }
}

function alignmentOf(path: string, metadata: ReadonlyMap<string, GgufValue>): number {
  const key = 'general.alignment'
  const entry = metadata.get(key)
  if (entry === undefined) return 32
  const value = entry.type === 'u32' ? Number(entry.value) : 0
  if (value === 0 || (value & (value - 1)) !== 0) throw damaged(path, `"${key}" is not a power of two`)
  return value
}

/** Tensors lie in the order of their entries, without gaps but for the padding; llama.cpp wants exactly this. */
function placeTensors(
  path: string,
  fileBytes: number,
  infos: readonly TensorInfo[],
  dataOffset: number,
  alignment: number,
): GgufTensor[] {
  let next = 0
  const tensors = infos.map(({ relative, ...info }) => {
    if (relative !== next)
      throw damaged(path, `the data of tensor "${info.name}" is said to start at ${relative}, not at ${next}`)
    next = Math.ceil((relative + info.bytes) / alignment) * alignment
    return { ...info, offset: dataOffset + relative }
  })
  const last = tensors.at(-1)
  const expected = last === undefined ? 0 : last.offset + last.bytes
  if (expected > fileBytes) {
    const message = `${path} is truncated: it should have ${expected} bytes but has ${fileBytes}. Download it again.`
    throw new ModelError('ERR_MODEL_DAMAGED', message, path)
  }
  const crooked = tensors.find((tensor) => tensor.offset % MEMORY_ALIGNMENT !== 0)
  if (crooked !== undefined)
    throw damaged(path, `the data of tensor "${crooked.name}" is not aligned to ${MEMORY_ALIGNMENT} bytes`)
  return tensors
}
