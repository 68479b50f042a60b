import { seeded } from '../support/gguf-writer.ts'

/** Damages GGUF files: blindly (bits, bytes, ends) and knowingly (one field of a file that is otherwise whole). */

export type Damaged = { readonly bytes: Buffer; readonly mutation: string }

type Random = {
  /** [0, limit) */
  below(limit: number): number
  pick<T>(values: readonly T[]): T
}

type Key = { key: string; raw: Buffer }
type Tensor = { name: string; shape: bigint[]; type: number; data: Buffer }
type Parts = {
  version: number
  alignment: number
  keys: Key[]
  tensors: Tensor[]
  offsetOf?: (index: number, right: number) => bigint
}
/** A place in the file that holds one number or one text. */
type Field = { kind: string; label: string; at: number; bytes: number }

const VALUE_BYTES = [1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8]
const STRING = 8
const ARRAY = 9
const FLOATS = [6, 12]
/** [block, bytes] of the tensor types the sources use. */
const BLOCKS = new Map([
  [0, [1, 4]],
  [1, [1, 2]],
  [8, [32, 34]],
])

const HOSTILE = [
  0n,
  1n,
  2n,
  3n,
  7n,
  33n,
  255n,
  512n,
  513n,
  1024n,
  65_535n,
  2n ** 31n - 1n,
  2n ** 31n,
  2n ** 32n - 1n,
  2n ** 32n,
  2n ** 53n,
  2n ** 63n - 1n,
  2n ** 63n,
  2n ** 64n - 1n,
]
const HOSTILE_FLOATS = [
  0,
  -0,
  1,
  -1,
  1e-38,
  1e38,
  -1e38,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
]

/** The variant that (seed, index) stands for: always the same bytes. */
export function damage(source: Buffer, seed: number, index: number): Damaged {
  const draw = seeded(Math.imul(seed, 0x9e3779b1) ^ Math.imul(index + 1, 0x85ebca6b))
  const random: Random = {
    below: (limit) => Math.floor(draw() * limit),
    pick: (values) => values[Math.floor(draw() * values.length)]!,
  }
  const mutate = random.pick(random.below(3) === 0 ? BLIND : KNOWING)
  return mutate(source, random)
}

type Mutation = (source: Buffer, random: Random) => Damaged

// ---- blind

const BLIND: readonly Mutation[] = [
  function truncateAnywhere(source, random) {
    const length = random.below(source.length)
    return { bytes: source.subarray(0, length), mutation: `cut to ${length} bytes` }
  },
  function truncateAtField(source, random) {
    const field = random.pick(fieldsOf(source))
    const length = field.at + random.pick([0, field.bytes])
    return { bytes: source.subarray(0, length), mutation: `cut to ${length} bytes at ${field.label}` }
  },
  function flipHeaderBits(source, random) {
    const bytes = Buffer.from(source)
    const end = headerBytes(source)
    const flips = Array.from(
      { length: 1 + random.below(8) },
      () => [random.below(end), random.below(8)] as const,
    )
    for (const [at, bit] of flips) bytes[at]! ^= 1 << bit
    return { bytes, mutation: `header bits flipped: ${flips.map(([at, bit]) => `${at}.${bit}`).join(' ')}` }
  },
  function flipDataBits(source, random) {
    const bytes = Buffer.from(source)
    const start = headerBytes(source)
    const count = 1 + random.below(200)
    for (let i = 0; i < count; i++)
      bytes[start + random.below(source.length - start)]! ^= 1 << random.below(8)
    return { bytes, mutation: `${count} data bits flipped` }
  },
  function zeroRegion(source, random) {
    const bytes = Buffer.from(source)
    const at = random.below(random.below(4) === 0 ? source.length : headerBytes(source))
    const length = 1 + random.below(random.pick([4, 64, 4096]))
    bytes.fill(0, at, Math.min(at + length, bytes.length))
    return { bytes, mutation: `${length} bytes zeroed at ${at}` }
  },
  function randomRegion(source, random) {
    const bytes = Buffer.from(source)
    const start = random.below(headerBytes(source))
    const length = 1 + random.below(64)
    for (let at = start; at < Math.min(start + length, bytes.length); at++) bytes[at] = random.below(256)
    return { bytes, mutation: `${length} random bytes at ${start}` }
  },
  function removeBytes(source, random) {
    const at = random.below(headerBytes(source))
    const length = 1 + random.below(16)
    const bytes = Buffer.concat([source.subarray(0, at), source.subarray(at + length)])
    return { bytes, mutation: `${length} bytes taken out at ${at}` }
  },
]

// ---- knowing

const KNOWING: readonly Mutation[] = [
  function hostileField(source, random) {
    const fields = fieldsOf(source)
    const kind = random.pick([...new Set(fields.map((field) => field.kind))])
    const field = random.pick(fields.filter((candidate) => candidate.kind === kind))
    const bytes = Buffer.from(source)
    const value = random.pick(HOSTILE)
    writeInteger(bytes, field, value)
    return { bytes, mutation: `${field.label} set to ${BigInt.asUintN(field.bytes * 8, value)}` }
  },
  function hostileValue(source, random) {
    return ofParts(source, (parts) => {
      const { key, raw } = random.pick(parts.keys.filter(isNumber))
      const mutation = hostileNumber(raw, 4, raw.readUInt32LE(), random)
      return `"${key}" ${mutation}`
    })
  },
  function hostileModelValue(source, random) {
    return ofParts(source, (parts) => {
      const own = parts.keys.filter((entry) => isNumber(entry) && !/^(general|tokenizer)\./.test(entry.key))
      const { key, raw } = random.pick(own)
      return `"${key}" ${hostileNumber(raw, 4, raw.readUInt32LE(), random)}`
    })
  },
  function hostileElement(source, random) {
    return ofParts(source, (parts) => {
      const { key, raw } = random.pick(
        parts.keys.filter((entry) => elementBytes(entry) > 0 && entry.raw.length > 16),
      )
      const size = elementBytes({ key, raw })
      const element = random.below((raw.length - 16) / size)
      return `element ${element} of "${key}" ${hostileNumber(raw, 16 + element * size, raw.readUInt32LE(4), random)}`
    })
  },
  function removeKey(source, random) {
    return ofParts(source, (parts) => {
      const at = random.below(parts.keys.length)
      return `"${parts.keys.splice(at, 1)[0]!.key}" removed`
    })
  },
  function duplicateKey(source, random) {
    return ofParts(source, (parts) => {
      const entry = random.pick(parts.keys)
      parts.keys.splice(random.below(parts.keys.length), 0, entry)
      return `"${entry.key}" duplicated`
    })
  },
  function renameKey(source, random) {
    return ofParts(source, (parts) => {
      const entry = random.pick(parts.keys)
      const other = random.pick(parts.keys)
      const old = entry.key
      entry.key = `${other.key}${random.pick(['', '2', '\0', '_length'])}`
      return `"${old}" renamed to ${JSON.stringify(entry.key)}`
    })
  },
  function swapValues(source, random) {
    return ofParts(source, (parts) => {
      const a = random.pick(parts.keys)
      const b = random.pick(parts.keys)
      ;[a.raw, b.raw] = [b.raw, a.raw]
      return `values of "${a.key}" and "${b.key}" swapped`
    })
  },
  function changeType(source, random) {
    return ofParts(source, (parts) => {
      const entry = random.pick(parts.keys)
      const type = random.pick([0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12])
      entry.raw = Buffer.concat([
        number32(type),
        type === STRING
          ? text(random.pick(['', '1', 'yarn', 'x']))
          : Buffer.alloc(VALUE_BYTES[type]!, random.pick([0, 1, 255])),
      ])
      return `"${entry.key}" made type ${type}: ${entry.raw.toString('hex')}`
    })
  },
  function changeText(source, random) {
    return ofParts(source, (parts) => {
      const entry = random.pick(parts.keys.filter(({ raw }) => raw.readUInt32LE() === STRING))
      const value = random.pick([
        '',
        '\0',
        'none',
        'no_vocab',
        'bert',
        't5',
        'rwkv',
        'llama',
        'gpt2',
        'plamo2',
        'test',
        'clip',
        'gemma4',
        'default',
        '{{',
        '%s%n',
        '\xff\xfe',
        'x'.repeat(100_000),
      ])
      entry.raw = Buffer.concat([number32(STRING), text(value)])
      return `"${entry.key}" set to ${JSON.stringify(value.slice(0, 20))} (${value.length})`
    })
  },
  function resizeArray(source, random) {
    return ofParts(source, (parts) => {
      const entry = random.pick(parts.keys.filter(({ raw }) => raw.readUInt32LE() === ARRAY))
      const elements = elementsOf(entry.raw)
      const length = random.pick([
        0,
        1,
        elements.length - 1,
        elements.length + 1,
        Math.floor(elements.length / 2),
        elements.length * 2,
      ])
      const resized = Array.from({ length }, (_, i) => elements[i % elements.length]!)
      entry.raw = Buffer.concat([entry.raw.subarray(0, 8), number64(BigInt(length)), ...resized])
      return `"${entry.key}" resized from ${elements.length} to ${length} elements`
    })
  },
  function retypeArray(source, random) {
    return ofParts(source, (parts) => {
      const entry = random.pick(parts.keys.filter(({ raw }) => raw.readUInt32LE() === ARRAY))
      const type = random.pick([0, 1, 4, 5, 6, 7, 10, 12])
      const count = Number(entry.raw.readBigUInt64LE(8))
      entry.raw = Buffer.concat([
        number32(ARRAY),
        number32(type),
        number64(BigInt(count)),
        Buffer.alloc(count * VALUE_BYTES[type]!, random.pick([0, 1, 255])),
      ])
      return `"${entry.key}" made an array of type ${type}`
    })
  },
  function changeStringElement(source, random) {
    return ofParts(source, (parts) => {
      const entry = random.pick(
        parts.keys.filter(({ raw }) => raw.readUInt32LE() === ARRAY && raw.readUInt32LE(4) === STRING),
      )
      const elements = elementsOf(entry.raw)
      const changed = Array.from({ length: random.pick([1, 1, 5, elements.length]) }, () =>
        random.below(elements.length),
      )
      const value = random.pick([
        '',
        '\0',
        ' ',
        'a',
        '\n',
        '<0x',
        '<0xZZ>',
        '<0x00>',
        '\xff',
        '▁',
        '<|endoftext|>',
        'x'.repeat(70_000),
      ])
      for (const [i, at] of changed.entries())
        elements[at] = text(changed.length > 5 ? `${value}${i}` : value)
      entry.raw = Buffer.concat([entry.raw.subarray(0, 16), ...elements])
      return `${changed.length} elements of "${entry.key}" set to ${JSON.stringify(value.slice(0, 20))}`
    })
  },
  function changeShape(source, random) {
    return ofParts(source, (parts) => {
      const tensor = random.pick(parts.tensors)
      const before = tensor.shape.join('x')
      const at = random.below(tensor.shape.length)
      tensor.shape[at] = random.pick([
        0n,
        1n,
        tensor.shape[at]! / 2n,
        tensor.shape[at]! * 2n,
        tensor.shape[at]! + 32n,
        tensor.shape[at]! - 1n,
        2n ** 31n,
        2n ** 62n,
      ])
      refit(tensor)
      return `shape of "${tensor.name}" from ${before} to ${tensor.shape.join('x')}`
    })
  },
  function changeDimensions(source, random) {
    return ofParts(source, (parts) => {
      const tensor = random.pick(parts.tensors)
      const before = tensor.shape.join('x')
      tensor.shape = random.pick([
        [],
        [...tensor.shape, 1n],
        [...tensor.shape, 2n],
        [...tensor.shape].reverse(),
        [tensor.shape.reduce((a, b) => a * b, 1n)],
        [1n, 1n, 1n, 1n, 1n],
      ])
      refit(tensor)
      return `shape of "${tensor.name}" from ${before} to ${tensor.shape.join('x')}`
    })
  },
  function changeTensorType(source, random) {
    return ofParts(source, (parts) => {
      const tensor = random.pick(parts.tensors)
      tensor.type = random.below(45)
      tensor.data = Buffer.alloc(tensorBytes(tensor), random.pick([0, 1, 255]))
      return `type of "${tensor.name}" set to ${tensor.type}, its data fitted`
    })
  },
  function changeAllTensorTypes(source, random) {
    return ofParts(source, (parts) => {
      const type = random.below(43)
      const pattern = random.pick([/norm/, /attn_[qkv]/, /ffn/, /./, /token_embd\.weight/, /output/, /bias/])
      for (const tensor of parts.tensors) {
        if (!pattern.test(tensor.name)) continue
        tensor.type = type
        tensor.data = Buffer.alloc(tensorBytes(tensor), random.pick([0, 1, 255]))
      }
      return `type of all tensors like ${pattern} set to ${type}, their data fitted`
    })
  },
  function removeTensor(source, random) {
    return ofParts(
      source,
      (parts) => `"${parts.tensors.splice(random.below(parts.tensors.length), 1)[0]!.name}" removed`,
    )
  },
  function renameTensor(source, random) {
    return ofParts(source, (parts) => {
      const tensor = random.pick(parts.tensors)
      const old = tensor.name
      tensor.name = random.pick([
        '',
        'x',
        `${old}2`,
        'output.weight',
        'rope_freqs.weight',
        random.pick(parts.tensors).name,
        'n'.repeat(63),
        'n'.repeat(64),
      ])
      return `"${old}" renamed to "${tensor.name}"`
    })
  },
  function swapTensors(source, random) {
    return ofParts(source, (parts) => {
      const a = random.pick(parts.tensors)
      const b = random.pick(parts.tensors)
      ;[a.name, b.name] = [b.name, a.name]
      return `names of "${a.name}" and "${b.name}" swapped`
    })
  },
  function addTensor(source, random) {
    return ofParts(source, (parts) => {
      const tensor = { ...random.pick(parts.tensors) }
      tensor.name = random.pick([
        'rope_freqs.weight',
        'rope_factors_long.weight',
        'output.weight',
        'blk.0.attn_q.bias',
        'blk.0.attn_qkv.weight',
        'blk.99.attn_q.weight',
        'blk.0.ffn_gate_inp.weight',
        'blk.0.attn_q_norm.weight',
        'blk.0.attn_output.bias',
        'blk.0.attn_sinks.weight',
      ])
      parts.tensors.push(tensor)
      return `"${tensor.name}" added (${tensor.shape.join('x')}, type ${tensor.type})`
    })
  },
  function hostileData(source, random) {
    return ofParts(source, (parts) => {
      const tensor = random.pick(parts.tensors)
      const fill = random.pick([0, 0x7f, 0xff, 0x80, 0x7c])
      tensor.data = Buffer.alloc(tensor.data.length, fill)
      return `data of "${tensor.name}" filled with ${fill}`
    })
  },
  function changeOffset(source, random) {
    const at = random.below(1000)
    const shift = random.pick([-64n, -32n, 1n, 32n, 2n ** 40n, 2n ** 63n])
    return ofParts(source, (parts) => {
      const changed = at % parts.tensors.length
      parts.offsetOf = (index, right) => BigInt.asUintN(64, BigInt(right) + (index >= changed ? shift : 0n))
      return `offsets from tensor ${changed} on shifted by ${shift}`
    })
  },
  function changeAlignment(source, random) {
    const alignment = random.pick([1, 2, 4, 8, 16, 64, 4096, 2 ** 20])
    return ofParts(source, (parts) => {
      parts.alignment = alignment
      parts.keys = parts.keys.filter(({ key }) => key !== 'general.alignment')
      parts.keys.push({ key: 'general.alignment', raw: Buffer.concat([number32(4), number32(alignment)]) })
      return `aligned to ${alignment}`
    })
  },
  function addKey(source, random) {
    return ofParts(source, (parts) => {
      const architecture =
        parts.keys.find(({ key }) => key.endsWith('.block_count'))?.key.split('.')[0] ?? 'llama'
      const name = random.pick([
        'general.alignment',
        'split.count',
        'split.no',
        'general.type',
        `${architecture}.expert_count`,
        `${architecture}.expert_used_count`,
        `${architecture}.expert_group_count`,
        `${architecture}.nextn_predict_layers`,
        `${architecture}.attention.key_length`,
        `${architecture}.attention.value_length`,
        `${architecture}.attention.key_length_swa`,
        `${architecture}.rope.dimension_count_swa`,
        `${architecture}.rope.scaling.type`,
        `${architecture}.rope.scaling.factor`,
        `${architecture}.rope.dimension_sections`,
        `${architecture}.attention.sliding_window`,
        `${architecture}.attention.sliding_window_pattern`,
        `${architecture}.attention.causal`,
        `${architecture}.attention.scale`,
        `${architecture}.attention.clamp_kqv`,
        `${architecture}.pooling_type`,
        `${architecture}.vocab_size`,
        `${architecture}.feed_forward_length`,
        `${architecture}.embedding_length_out`,
        `${architecture}.classifier.output_labels`,
        'tokenizer.ggml.add_bos_token',
        'tokenizer.ggml.add_eos_token',
        'tokenizer.ggml.eot_token_id',
        'tokenizer.ggml.suppress_tokens',
        'tokenizer.ggml.precompiled_charsmap',
        'tokenizer.ggml.remove_extra_whitespaces',
        'tokenizer.chat_template',
      ])
      const type = random.pick([2, 4, 4, 4, 5, 6, 7, 8, 9])
      let raw: Buffer
      if (type === STRING)
        raw = Buffer.concat([
          number32(type),
          text(random.pick(['yarn', 'none', 'longrope', 'su', 'adapter', 'mmproj', '{% for'])),
        ])
      else if (type === ARRAY) {
        const of = random.pick([0, 4, 5, 7])
        const count = random.pick([0, 1, 2, 4, 512, 513])
        raw = Buffer.concat([
          number32(type),
          number32(of),
          number64(BigInt(count)),
          Buffer.alloc(count * VALUE_BYTES[of]!, random.pick([0, 1, 255])),
        ])
      } else {
        raw = Buffer.concat([number32(type), Buffer.alloc(VALUE_BYTES[type]!)])
        hostileNumber(raw, 4, type, random)
      }
      parts.keys = parts.keys.filter(({ key }) => key !== name)
      parts.keys.push({ key: name, raw })
      return `"${name}" added: ${raw.subarray(0, 24).toString('hex')}`
    })
  },
]

function ofParts(source: Buffer, change: (parts: Parts) => string): Damaged {
  const parts = take(source)
  const mutation = change(parts)
  return { bytes: assemble(parts), mutation }
}

const isNumber = ({ raw }: Key) => raw.readUInt32LE() !== STRING && raw.readUInt32LE() !== ARRAY

/** Bytes of an element of an array of numbers, 0 for all else. */
const elementBytes = ({ raw }: Key) => (raw.readUInt32LE() === ARRAY ? VALUE_BYTES[raw.readUInt32LE(4)]! : 0)

function hostileNumber(raw: Buffer, at: number, type: number, random: Random): string {
  const bytes = VALUE_BYTES[type]!
  if (FLOATS.includes(type)) {
    const value = random.pick(HOSTILE_FLOATS)
    if (bytes === 4) raw.writeFloatLE(value, at)
    else raw.writeDoubleLE(value, at)
    return `set to ${value}`
  }
  const field = { kind: '', label: '', at, bytes }
  const old = BigInt(bytes === 8 ? raw.readBigUInt64LE(at) : raw.readUIntLE(at, bytes))
  const value = random.pick([...HOSTILE, old + 1n, old - 1n, old * 2n, old / 2n])
  writeInteger(raw, field, value)
  return `set to ${BigInt.asUintN(bytes * 8, value)}`
}

function writeInteger(bytes: Buffer, field: Field, value: bigint): void {
  const size = Math.min(field.bytes, 8)
  for (let i = 0; i < size; i++) bytes[field.at + i] = Number((value >> BigInt(8 * i)) & 255n)
}

// ---- taking a file apart and putting it together

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

const take = (source: Buffer): Parts => walk(source, () => {})

const headerBytes = (source: Buffer): number => walk(source, () => {}).headerEnd

function fieldsOf(source: Buffer): Field[] {
  const fields: Field[] = []
  walk(source, (kind, label, at, bytes) => fields.push({ kind, label, at, bytes }))
  return fields.filter((field) => field.bytes > 0)
}

function assemble({ version, alignment, keys, tensors, offsetOf }: Parts): Buffer {
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

function elementsOf(raw: Buffer): Buffer[] {
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
function tensorBytes({ shape, type }: { shape: readonly bigint[]; type: number }): number {
  const [block, bytes] = BLOCKS.get(type) ?? OTHER_BLOCKS[type] ?? [1, 4]
  const elements = Number(shape.reduce((product, size) => product * size, 1n))
  return Math.min(4 * 2 ** 20, Math.ceil(elements / block!) * bytes!)
}

const OTHER_BLOCKS: Readonly<Record<number, readonly number[]>> = {
  2: [32, 18],
  3: [32, 20],
  6: [32, 22],
  7: [32, 24],
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

/** Gives a tensor as much data as its new shape wants, from what it had. */
function refit(tensor: Tensor): void {
  const bytes = tensorBytes(tensor)
  tensor.data = tensor.data.length === 0 ? Buffer.alloc(bytes) : Buffer.alloc(bytes, tensor.data)
}

const number32 = (value: number) => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}

const number64 = (value: bigint) => {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt.asUintN(64, value))
  return bytes
}

const text = (value: string) => {
  const bytes = Buffer.from(value, 'utf8')
  return Buffer.concat([number64(BigInt(bytes.length)), bytes])
}
