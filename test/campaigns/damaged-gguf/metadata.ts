import {
  elementBytes,
  HOSTILE,
  hostileNumber,
  isNumber,
  type Mutation,
  ofParts,
  writeInteger,
} from './hostile.ts'
import { ARRAY, elementsOf, fieldsOf, number32, number64, STRING, text, VALUE_BYTES } from './parts.ts'

/** Damage to one key or value of a file that is otherwise whole. */
export const METADATA: readonly Mutation[] = [
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
