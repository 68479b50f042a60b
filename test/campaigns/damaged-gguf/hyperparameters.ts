import { elementBytes, HOSTILE, isNumber, type Mutation, ofParts, type Random } from './hostile.ts'
import { ARRAY, type Key, number32, number64, type Parts, refit, VALUE_BYTES } from './parts.ts'

/** Metadata of a model that is wrong in itself: each value could be one, together they cannot. */
export const HYPERPARAMETERS: readonly Mutation[] = [
  function removeOwnKey(source, random) {
    return ofParts(source, (parts) => {
      const { key } = random.pick(ownKeys(parts))
      parts.keys = parts.keys.filter((entry) => entry.key !== key)
      return `"${key}" removed`
    })
  },
  function removeOwnKeys(source, random) {
    return ofParts(source, (parts) => {
      const gone = new Set(Array.from({ length: 2 + random.below(3) }, () => random.pick(ownKeys(parts)).key))
      parts.keys = parts.keys.filter((entry) => !gone.has(entry.key))
      return `${[...gone].map((key) => `"${key}"`).join(', ')} removed`
    })
  },
  function smallNumber(source, random) {
    return ofParts(source, (parts) => {
      const entry = random.pick(ownKeys(parts).filter(isNumber))
      const value = random.pick([0, 1, 2, 3, 4, 5, 7, 8, 16])
      return `"${entry.key}" ${setNumber(entry, value)}`
    })
  },
  function equalNumbers(source, random) {
    return ofParts(source, (parts) => {
      const numbers = ownKeys(parts).filter(isNumber)
      const entry = random.pick(numbers)
      const other = random.pick(numbers)
      const value = numberOf(other) + random.pick([-1, 0, 0, 1])
      return `"${entry.key}" ${setNumber(entry, Math.max(0, value))}, as "${other.key}"`
    })
  },
  function uniformLayers(source, random) {
    return ofParts(source, (parts) => {
      const arrays = ownKeys(parts).filter((entry) => elementBytes(entry) > 0)
      if (arrays.length === 0) return setAll(random.pick(ownKeys(parts).filter(isNumber)), parts, random)
      const entry = random.pick(arrays)
      const size = elementBytes(entry)
      const value = random.pick([0, 1, 2, 3, 4, 255])
      for (let at = 16; at < entry.raw.length; at += size) entry.raw.fill(0, at, at + size)[at] = value
      return `all elements of "${entry.key}" set to ${value}`
    })
  },
  function oneNumberALayer(source, random) {
    return ofParts(source, (parts) => setAll(random.pick(ownKeys(parts).filter(isNumber)), parts, random))
  },
  function manyExperts(source, random) {
    return ofParts(source, (parts) => {
      const count = random.pick([1, 3, 8, 32, 64, 128, 256, 512, 1024])
      const used = random.pick([1, 2, count, count, Math.ceil(count / 2)])
      const old = ownKeys(parts).find(({ key }) => key.endsWith('.expert_count'))
      const experts = old ? numberOf(old) : 0
      const architecture = architectureOf(parts)
      setKey(parts, `${architecture}.expert_count`, count)
      setKey(parts, `${architecture}.expert_used_count`, used)
      for (const tensor of parts.tensors) {
        const at = tensor.shape.length - 1
        const isOfExperts = /_exps\.|ffn_gate_inp\.weight|exp_probs_b/.test(tensor.name)
        if (!isOfExperts || Number(tensor.shape[at]) !== experts) continue
        tensor.shape[at] = BigInt(count)
        refit(tensor)
      }
      return `${count} experts, ${used} used, in place of ${experts}`
    })
  },
  function withoutExperts(source, random) {
    return ofParts(source, (parts) => {
      const keepsTensors = random.below(2) === 0
      parts.keys = parts.keys.filter(({ key }) => !/\.expert_(used_)?count$/.test(key))
      if (!keepsTensors)
        parts.tensors = parts.tensors.filter(({ name }) => !/_exps\.|_inp\.|exp_probs_b/.test(name))
      return `no experts, tensors ${keepsTensors ? 'kept' : 'removed'}`
    })
  },
  function removeTensorsOfAKind(source, random) {
    return ofParts(source, (parts) => {
      const kind = random.pick(parts.tensors).name.replace(/^blk\.\d+\./, '')
      parts.tensors = parts.tensors.filter(({ name }) => !name.endsWith(kind))
      return `all "${kind}" removed`
    })
  },
  function removeLayer(source, random) {
    return ofParts(source, (parts) => {
      const layers = parts.tensors.map(({ name }) => /^blk\.(\d+)\./.exec(name)?.[1]).filter(Boolean)
      const layer = random.pick([...new Set(layers), '0'])
      parts.tensors = parts.tensors.filter(({ name }) => !name.startsWith(`blk.${layer}.`))
      return `all tensors of layer ${layer} removed`
    })
  },
  function otherArchitecture(source, random) {
    return ofParts(source, (parts) => {
      const old = architectureOf(parts)
      const other = random.pick(['llama', 'qwen2', 'qwen3', 'gemma3', 'mamba2', 'deepseek2', 'olmo2', 'lfm2'])
      for (const entry of parts.keys) entry.key = entry.key.replace(`${old}.`, `${other}.`)
      const name = parts.keys.find(({ key }) => key === 'general.architecture')
      if (name) name.raw = Buffer.concat([number32(8), number64(BigInt(other.length)), Buffer.from(other)])
      return `called "${other}" in place of "${old}"`
    })
  },
]

/** A number that all layers have becomes an array, right or wrong for one layer. */
function setAll(entry: Key, parts: Parts, random: Random): string {
  const layers = numberOf(parts.keys.find(({ key }) => key.endsWith('.block_count')) ?? entry)
  const length = Math.min(1024, Math.max(0, layers + random.pick([-1, 0, 0, 0, 1])))
  const other = random.pick([0, 1, 2, numberOf(entry) * 2, Number(random.pick(HOSTILE) & 0xffffffffn)])
  const at = random.below(Math.max(1, length))
  const values = Array.from({ length }, (_, layer) => (layer === at ? other : numberOf(entry)))
  entry.raw = Buffer.concat([
    number32(ARRAY),
    number32(4),
    number64(BigInt(length)),
    ...values.map((value) => number32(value >>> 0)),
  ])
  return `"${entry.key}" made an array of ${length}, ${other} of layer ${at}`
}

const ownKeys = ({ keys }: Parts) => {
  const own = keys.filter(({ key }) => !/^(general|tokenizer|split|adapter)\./.test(key))
  return own.length > 0 ? own : keys
}

const architectureOf = (parts: Parts) => ownKeys(parts)[0]!.key.split('.')[0]!

function numberOf({ raw }: Key): number {
  const type = raw.readUInt32LE()
  if (type === 6) return raw.readFloatLE(4)
  return type === ARRAY || type === 8 ? 0 : raw.readUIntLE(4, Math.min(6, VALUE_BYTES[type]!))
}

function setNumber({ raw }: Key, value: number): string {
  const type = raw.readUInt32LE()
  if (type === 6) raw.writeFloatLE(value, 4)
  else if (type === 12) raw.writeDoubleLE(value, 4)
  else
    raw
      .fill(0, 4)
      .writeUIntLE(value % 256 ** Math.min(4, VALUE_BYTES[type]!), 4, Math.min(4, VALUE_BYTES[type]!))
  return `set to ${value}`
}

function setKey(parts: Parts, key: string, value: number): void {
  parts.keys = parts.keys.filter((entry) => entry.key !== key)
  parts.keys.push({ key, raw: Buffer.concat([number32(4), number32(value)]) })
}
