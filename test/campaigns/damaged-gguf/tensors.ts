import { type Mutation, ofParts } from './hostile.ts'
import { number32, refit, tensorBytes } from './parts.ts'

/** Damage to one tensor, or to all of a kind, of a file that is otherwise whole. */
export const TENSORS: readonly Mutation[] = [
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
]
