import { ByteReader, damaged, openFile } from '../gguf/bytes.ts'
import { type GgufTensor, TENSOR_TYPES } from '../gguf/tensors.ts'
import { cannotConvert, foreignKind, foreignTensor } from './kinds.ts'

/** A LLaMA model in a format before GGUF: `ggml`, `ggmf` or `ggjt`. Its metadata are seven numbers. */
export type GgmlFile = {
  readonly path: string
  readonly fileBytes: number
  /** e.g. `GGJTv3` */
  readonly format: string
  /** llama.cpp's name of the mix of types, e.g. `MOSTLY_Q4_0`, and its number. */
  readonly fileType: { readonly name: string; readonly number: number }
  readonly width: number
  readonly heads: number
  readonly layers: number
  readonly tokens: readonly GgmlToken[]
  /** Under their names in GGUF; `offset` counts from the start of the file. */
  readonly tensors: readonly GgmlTensor[]
}

export type GgmlToken = { readonly text: Buffer; readonly score: number }
type GgmlTensor = GgufTensor & { readonly typeNumber: number }

/** Names of file types by number; source: llama_ftype. */
const FILE_TYPES: ReadonlyMap<number, string> = new Map([
  [0, 'ALL_F32'],
  [1, 'MOSTLY_F16'],
  [2, 'MOSTLY_Q4_0'],
  [3, 'MOSTLY_Q4_1'],
  [4, 'MOSTLY_Q4_1_SOME_F16'],
  [7, 'MOSTLY_Q8_0'],
  [8, 'MOSTLY_Q5_0'],
  [9, 'MOSTLY_Q5_1'],
  [10, 'MOSTLY_Q2_K'],
  [11, 'MOSTLY_Q3_K_S'],
  [12, 'MOSTLY_Q3_K_M'],
  [13, 'MOSTLY_Q3_K_L'],
  [14, 'MOSTLY_Q4_K_S'],
  [15, 'MOSTLY_Q4_K_M'],
  [16, 'MOSTLY_Q5_K_S'],
  [17, 'MOSTLY_Q5_K_M'],
  [18, 'MOSTLY_Q6_K'],
])

/**
 * The version since which the blocks of a type have had today's layout. llama.cpp changed the Q5 types with
 * GGJTv2 and Q4 and Q8 with GGJTv3; the k-quants came later.
 */
const SINCE: Readonly<Record<string, number>> = {
  F32: 0,
  F16: 0,
  Q5_0: 2,
  Q5_1: 2,
  Q4_0: 3,
  Q4_1: 3,
  Q8_0: 3,
  Q2_K: 3,
  Q3_K: 3,
  Q4_K: 3,
  Q5_K: 3,
  Q6_K: 3,
}

const MAX_TOKENS = 2 ** 20
const MAX_TOKEN_BYTES = 4096
/** For all tokens together; a real vocabulary has a few hundred KiB. */
const MAX_VOCABULARY_BYTES = 16 * 2 ** 20
const MAX_NAME_BYTES = 64
const MAX_LAYERS = 1024
const MAX_TENSORS = 65_536
/** Vocabulary, width, a multiple, heads, layers, rotated values per head, file type. */
const NUMBERS = 7

/**
 * Reads everything but the tensors' data.
 * @throws {ModelError} `ERR_MODEL_UNSUPPORTED` for what cannot be converted exactly, `ERR_MODEL_DAMAGED`
 */
export async function readGgml(path: string, signal: AbortSignal): Promise<GgmlFile> {
  const file = await openFile(path)
  try {
    const { bytes: fileBytes } = file
    const bytes = new ByteReader(file, path, signal)
    await bytes.need(4, 'its first bytes')
    const magic = bytes.latin1(4)
    const { name: format, scores, aligned, generation } = await readFormat(bytes, magic)
    const numbers = await peekNumbers(bytes)
    const foreign = foreignKind(magic, numbers)
    if (foreign) throw cannotConvert(path, foreign)
    bytes.at += 4 * NUMBERS
    const [vocabulary = 0, width = 0, , heads = 0, layers = 0, , fileType = 0] = numbers
    checkNumbers(bytes, { vocabulary, width, heads, layers })
    const tokens = await readTokens(bytes, vocabulary, scores)
    const tensors = await readTensors(bytes, { format, generation, aligned })
    const name = FILE_TYPES.get(fileType)
    if (name === undefined) throw damaged(path, `its file type is ${fileType}`)
    return {
      path,
      fileBytes,
      format,
      fileType: { name, number: fileType },
      width,
      heads,
      layers,
      tokens,
      tensors,
    }
  } finally {
    await file.close()
  }
}

type Format = {
  readonly name: string
  /** Tokens have scores. */
  readonly scores: boolean
  /** Tensors begin at multiples of 32 bytes. */
  readonly aligned: boolean
  /** The version that `SINCE` refers to. */
  readonly generation: number
}

/** Reads one more number than LLaMA has, which identifies other models. */
async function peekNumbers(bytes: ByteReader): Promise<number[]> {
  await bytes.need(4 * (NUMBERS + 1), 'its numbers')
  return Array.from({ length: NUMBERS + 1 }, (_, i) => bytes.bytes.readUInt32LE(bytes.at + 4 * i))
}

async function readFormat(bytes: ByteReader, magic: string): Promise<Format> {
  if (magic !== 'fmgg' && magic !== 'tjgg')
    return { name: 'GGMLv1', scores: false, aligned: false, generation: 0 }
  await bytes.need(4, 'its version')
  const version = bytes.u32()
  const aligned = magic === 'tjgg'
  if (version < 1 || version > (aligned ? 3 : 1)) throw damaged(bytes.path, `its version is ${version}`)
  return {
    name: `${aligned ? 'GGJT' : 'GGMF'}v${version}`,
    scores: true,
    aligned,
    generation: aligned ? version : 0,
  }
}

function checkNumbers(
  { path, remaining }: ByteReader,
  { vocabulary, width, heads, layers }: Record<'vocabulary' | 'width' | 'heads' | 'layers', number>,
): void {
  const wrong = (what: string) => damaged(path, `it claims ${what}`)
  // The converter names the first three tokens.
  if (vocabulary < 3 || vocabulary > MAX_TOKENS || 4 * vocabulary > remaining)
    throw wrong(`a vocabulary of ${vocabulary} tokens`)
  if (heads < 1 || width < 1 || width % heads !== 0 || (width / heads) % 2 !== 0)
    throw wrong(`${heads} heads for a width of ${width}`)
  if (layers < 1 || layers > MAX_LAYERS) throw wrong(`${layers} layers`)
}

async function readTokens(bytes: ByteReader, count: number, scores: boolean): Promise<GgmlToken[]> {
  const tokens: GgmlToken[] = []
  let total = 0
  for (let i = 0; i < count; i++) {
    if (!bytes.has(4)) await bytes.need(4, `token ${i}`)
    const length = bytes.u32()
    if (length > MAX_TOKEN_BYTES) throw damaged(bytes.path, `token ${i} claims ${length} bytes`)
    total += length
    if (total > MAX_VOCABULARY_BYTES) throw damaged(bytes.path, 'its vocabulary is longer than any real one')
    const size = length + (scores ? 4 : 0)
    if (!bytes.has(size)) await bytes.need(size, `token ${i}`)
    const text = Buffer.from(bytes.bytes.subarray(bytes.at, bytes.at + length))
    const score = scores ? bytes.bytes.readFloatLE(bytes.at + length) : 0
    bytes.at += size
    tokens.push({ text, score })
  }
  return tokens
}

async function readTensors(
  bytes: ByteReader,
  format: { readonly format: string; readonly generation: number; readonly aligned: boolean },
): Promise<GgmlTensor[]> {
  const tensors: GgmlTensor[] = []
  const names = new Set<string>()
  while (bytes.remaining > 0) {
    const tensor = await readTensor(bytes, tensors.length, format)
    if (tensor.bytes > bytes.remaining)
      throw damaged(bytes.path, `the file ends in tensor "${tensor.name}" (truncated)`)
    bytes.skip(tensor.bytes)
    if (SKIPPED.test(tensor.name)) continue
    if (names.has(tensor.name)) throw damaged(bytes.path, `the tensor "${tensor.name}" appears twice`)
    if (tensors.length === MAX_TENSORS) throw damaged(bytes.path, 'it has too many tensors')
    names.add(tensor.name)
    tensors.push(tensor)
  }
  return tensors
}

async function readTensor(
  bytes: ByteReader,
  index: number,
  { format, generation, aligned }: { format: string; generation: number; aligned: boolean },
): Promise<GgmlTensor> {
  const { path } = bytes
  await bytes.need(12, `tensor ${index}`)
  const [dimensions, length, typeNumber] = [bytes.u32(), bytes.u32(), bytes.u32()]
  if (dimensions < 1 || dimensions > 2 || length < 1 || length > MAX_NAME_BYTES)
    throw damaged(path, `tensor ${index} has ${dimensions} dimensions and a name of ${length} bytes`)
  await bytes.need(4 * dimensions + length, `tensor ${index}`)
  const shape = Array.from({ length: dimensions }, () => bytes.u32())
  const oldName = bytes.utf8(length)
  const name = ggufName(oldName)
  if (name === undefined) throw cannotConvert(path, foreignTensor(oldName))
  const [type, block, blockBytes] = TENSOR_TYPES.get(typeNumber) ?? [`type ${typeNumber}`, 1, 1]
  if (generation < (SINCE[type] ?? Number.POSITIVE_INFINITY))
    throw cannotConvert(path, outdated(type, format))
  if (shape.some((size) => size < 1) || shape[0]! % block !== 0)
    throw cannotConvert(
      path,
      `rows of ${shape[0]} values in "${oldName}", which ${type} of today cannot hold`,
    )
  if (aligned) bytes.skip(-bytes.offset & 31)
  const elements = shape.reduce((product, size) => product * size, 1)
  return { name, type, typeNumber, shape, offset: bytes.offset, bytes: (elements / block) * blockBytes }
}

function outdated(type: string, format: string): string {
  if (SINCE[type] === undefined) return `weights of ${/^type/.test(type) ? 'the unknown ' : ''}${type}`
  return `${type} weights as ${format} had them, a layout that llama.cpp gave up and that cannot be converted exactly`
}

/** Tables that llama.cpp computes itself. */
const SKIPPED = /rope_freqs$/

/** llama.cpp's present names of the tensors; source: its own converter. */
const NAMES: Readonly<Record<string, string>> = {
  tok_embeddings: 'token_embd',
  norm: 'output_norm',
  output: 'output',
  'rope.freqs': 'rope_freqs',
  attention_norm: 'attn_norm',
  'attention.wq': 'attn_q',
  'attention.wk': 'attn_k',
  'attention.wv': 'attn_v',
  'attention.wo': 'attn_output',
  'attention.inner_attention.rope.freqs': 'rope_freqs',
  ffn_norm: 'ffn_norm',
  'feed_forward.w1': 'ffn_gate',
  'feed_forward.w2': 'ffn_down',
  'feed_forward.w3': 'ffn_up',
}

/** `undefined` for a tensor that LLaMA does not have. */
function ggufName(name: string): string | undefined {
  const [, layer, part = ''] = /^(?:layers\.(0|[1-9]\d{0,3})\.)?(.+?)(?:\.weight)?$/.exec(name) ?? []
  const known = Object.hasOwn(NAMES, part) ? NAMES[part] : undefined
  if (known === undefined) return undefined
  if (known === 'rope_freqs') return known
  return layer === undefined ? `${known}.weight` : `blk.${layer}.${known}.weight`
}
