import { ModelError } from '../../core/errors.ts'
import { type ByteReader, checkName, damaged } from './bytes.ts'

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

/** [name, values per block, bytes per block] by type number; source: ggml_type and its traits in ggml.c. */
export const TENSOR_TYPES: ReadonlyMap<number, readonly [name: string, block: number, bytes: number]> =
  new Map([
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

/** GGML_MAX_NAME */
const MAX_TENSOR_NAME_BYTES = 63
/** ggml's CPU buffers assert this alignment of memory-mapped tensors (TENSOR_ALIGNMENT). */
const MEMORY_ALIGNMENT = 32

/** After and between tensors; real files have a few bytes. llama.cpp maps, and then reads, whole files. */
const MAX_UNUSED_BYTES = 2 ** 30

type TensorInfo = Omit<GgufTensor, 'offset'> & { readonly relative: number }

/** Length, name, number of dimensions, shape, type and offset. */
const MAX_INFO_BYTES = 8 + MAX_TENSOR_NAME_BYTES + 4 + 4 * 8 + 4 + 8

/** The entries of `count` tensors, each checked alone. There are hundreds: nothing available is awaited. */
export async function readTensorInfos(bytes: ByteReader, count: number): Promise<TensorInfo[]> {
  const infos: TensorInfo[] = []
  const names = new Set<string>()
  for (let i = 0; i < count; i++) {
    if (!bytes.has(MAX_INFO_BYTES))
      await bytes.need(Math.min(MAX_INFO_BYTES, bytes.remaining), `the name of tensor ${i}`)
    const info = readTensorInfo(bytes, i)
    if (names.has(info.name)) throw damaged(bytes.path, `the tensor "${info.name}" appears twice`)
    names.add(info.name)
    infos.push(info)
  }
  return infos
}

function readTensorInfo(bytes: ByteReader, index: number): TensorInfo {
  const { path } = bytes
  const name = readTensorName(bytes, `the name of tensor ${index}`)
  const wrong = (detail: string) => damaged(path, `tensor "${name}" ${detail}`)
  bytes.expect(4, `tensor "${name}"`)
  const dimensions = bytes.u32()
  if (dimensions < 1 || dimensions > 4) throw wrong(`has ${dimensions} dimensions; 1 to 4 are possible`)
  bytes.expect(8 * dimensions + 12, `tensor "${name}"`)
  const shape: number[] = []
  for (let i = 0; i < dimensions; i++) shape.push(bytes.u64())
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

function readTensorName(bytes: ByteReader, what: string): string {
  bytes.expect(8, `the length of ${what}`)
  const length = bytes.u64()
  bytes.checkString(length, what)
  if (length > MAX_TENSOR_NAME_BYTES)
    throw damaged(bytes.path, `${what} has more than ${MAX_TENSOR_NAME_BYTES} bytes`)
  bytes.expect(length, what)
  const name = bytes.utf8(length)
  checkName(bytes.path, name, what)
  return name
}

/**
 * Tensors follow in the order of their entries, without gaps except padding; llama.cpp requires exactly this.
 */
export function placeTensors(
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
    const message = `${path} is truncated: it should have ${expected} bytes but has ${fileBytes}. Delete it, and download it again.`
    throw new ModelError('ERR_MODEL_DAMAGED', message, path)
  }
  const crooked = tensors.find((tensor) => tensor.offset % MEMORY_ALIGNMENT !== 0)
  if (crooked !== undefined)
    throw damaged(path, `the data of tensor "${crooked.name}" is not aligned to ${MEMORY_ALIGNMENT} bytes`)
  return tensors
}

export function checkUnused(path: string, unusedBytes: number): void {
  if (unusedBytes > MAX_UNUSED_BYTES)
    throw damaged(path, `${unusedBytes} bytes of it belong to no tensor, more than any real file has`)
}
