// A copy of a GGUF file whose output matrix is a tensor of its own. Engines of 2024 read neither a model that shares
// it with the embeddings nor its newer pre-tokenizers: the copy names GPT-2's, which cuts ordinary English alike.
import { readFileSync, writeFileSync } from 'node:fs'

const SHARED = 'token_embd.weight'
const OWN = 'output.weight'
const PRE = 'tokenizer.ggml.pre'
const OLD_PRE = 'gpt-2'
const ALIGNMENT = 32
/** Bytes of a metadata value by the number of its type; source: gguf_type in gguf.h. */
const WIDTHS = [1, 1, 2, 2, 4, 4, 4, 1, undefined, undefined, 8, 8, 8]
const STRING = 8
const ARRAY = 9

/** Writes the copy of `from` to `to`; both are ordinary paths, and the file must be one as llama.cpp writes it. */
export function untie(from, to) {
  const file = readFileSync(from)
  const at = new Cursor(file)
  at.skip(8) // magic and version
  const tensorCount = at.u64()
  const pairCount = at.u64()
  const pairs = Array.from({ length: pairCount }, () => readPair(at))
  const tensors = Array.from({ length: tensorCount }, () => readTensor(at))
  const data = file.subarray(padded(at.offset))
  const shared = tensors.find(({ name }) => name === SHARED)
  if (shared === undefined || tensors.some(({ name }) => name === OWN))
    throw new Error(`${from} has no output matrix to untie`)
  const ends = tensors.map(({ offset }) => offset).filter((offset) => offset > shared.offset)
  const bytes = data.subarray(shared.offset, Math.min(...ends, data.length))
  const own = { ...shared, name: OWN, offset: padded(data.length) }
  const head = Buffer.concat([
    file.subarray(0, 8),
    u64(tensorCount + 1),
    u64(pairCount),
    ...pairs.map(({ key, raw }) =>
      key === PRE ? Buffer.concat([string(key), u32(STRING), string(OLD_PRE)]) : raw,
    ),
    ...[...tensors, own].map(writeTensor),
  ])
  writeFileSync(to, Buffer.concat([filled(head), filled(data), bytes]))
}

/** A key with its value, which is not looked at. */
function readPair(at) {
  const start = at.offset
  const key = at.string()
  skipValue(at, at.u32())
  return { key, raw: at.file.subarray(start, at.offset) }
}

function skipValue(at, type) {
  if (type === STRING) at.string()
  else if (type === ARRAY) {
    const of = at.u32()
    const count = at.u64()
    if (of === STRING) for (let i = 0; i < count; i++) at.string()
    else at.skip(count * WIDTHS[of])
  } else at.skip(WIDTHS[type])
}

function readTensor(at) {
  const name = at.string()
  const shape = Array.from({ length: at.u32() }, () => at.u64())
  return { name, shape, type: at.u32(), offset: at.u64() }
}

const writeTensor = ({ name, shape, type, offset }) =>
  Buffer.concat([string(name), u32(shape.length), ...shape.map(u64), u32(type), u64(offset)])

class Cursor {
  offset = 0

  constructor(file) {
    this.file = file
  }

  skip(count) {
    this.offset += count
  }

  u32() {
    this.offset += 4
    return this.file.readUInt32LE(this.offset - 4)
  }

  u64() {
    this.offset += 8
    return Number(this.file.readBigUInt64LE(this.offset - 8))
  }

  string() {
    const length = this.u64()
    this.offset += length
    return this.file.toString('utf8', this.offset - length, this.offset)
  }
}

function u32(number) {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(number)
  return bytes
}

function u64(number) {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt(number))
  return bytes
}

const string = (text) => Buffer.concat([u64(Buffer.byteLength(text)), Buffer.from(text)])
const padded = (offset) => Math.ceil(offset / ALIGNMENT) * ALIGNMENT
const filled = (bytes) => Buffer.concat([bytes, Buffer.alloc(padded(bytes.length) - bytes.length)])
