import { ModelError } from '../../errors.ts'
import { damaged } from './bytes.ts'
import type { GgufValue } from './reader.ts'
import type { GgufTensor } from './tensors.ts'

export type Metadata = ReadonlyMap<string, GgufValue>

/** What is being checked, so that every rule can name the file. */
export type Model = {
  readonly path: string
  readonly architecture: string
  readonly metadata: Metadata
  readonly tensors: readonly GgufTensor[]
}

/** The meaning of a header beyond its format. Each check stands for an abort, a crash or a hang in llama.cpp. */
export function checkModel(model: Model, tokenCount: number): void {
  if (model.tensors.length === 0) throw damaged(model.path, 'it holds no tensors, so at most a vocabulary')
  for (const rule of NUMBER_RULES) checkNumber(model, rule)
  checkLayers(model)
  checkHeads(model)
  checkWindows(model)
  checkExperts(model)
  checkRope(model)
  checkTensorTypes(model)
  checkEmbedding(model, tokenCount)
}

// ---- what kind of file it is

/** Values of `general.type` that are no model of their own. */
const NO_MODEL: ReadonlyMap<string, string> = new Map([
  ['adapter', 'a LoRA adapter, which needs its base model'],
  ['mmproj', 'the vision part (mmproj) of a model'],
  ['imatrix', 'an importance matrix'],
])

/** Architectures that llama.cpp knows but that are no language model: for some of them it aborts. */
const NO_LANGUAGE_MODEL: ReadonlyMap<string, string> = new Map([
  ['clip', 'the vision part (mmproj) of a model'],
  ['wavtokenizer-dec', 'a sound decoder'],
  ['pockettts', 'a speech model'],
  ['qwen3tts', 'a speech model'],
  ['eagle3', 'a draft head, which needs its target model'],
  ['dflash', 'a draft head, which needs its target model'],
  ['gemma4-assistant', 'a draft head, which needs its target model'],
])

/** @throws {ModelError} where the file is no language model or does not say what it is */
export function architectureOf(path: string, metadata: Metadata): string {
  const type = text(path, metadata, 'general.type') ?? 'model'
  const architecture = text(path, metadata, 'general.architecture')
  const other = NO_MODEL.get(type) ?? NO_LANGUAGE_MODEL.get(architecture ?? '')
  if (other !== undefined) throw unsupported(path, `holds ${other}, not a language model`)
  if (architecture === undefined || architecture === '')
    throw damaged(path, 'it does not say its architecture ("general.architecture")')
  return architecture
}

export const unsupported = (path: string, detail: string) =>
  new ModelError('ERR_MODEL_UNSUPPORTED', `${path} ${detail}.`, path)

// ---- reading typed values

export function text(path: string, metadata: Metadata, key: string): string | undefined {
  const entry = metadata.get(key)
  if (entry === undefined) return undefined
  if (entry.type !== 'string') throw damaged(path, `"${key}" is not a string`)
  return entry.value as string
}

/** The numbers of a scalar (one) or of an array (each layer's). */
function numbers({ path, metadata }: Model, key: string): readonly number[] | undefined {
  const entry = metadata.get(key)
  if (entry === undefined) return undefined
  const isNumber = (type: GgufValue['type']) => type !== 'string' && type !== 'array'
  if (entry.type !== 'array') {
    if (!isNumber(entry.type)) throw damaged(path, `"${key}" is not a number`)
    return [Number(entry.value)]
  }
  if (!isNumber(entry.of) || entry.values === undefined) throw damaged(path, `"${key}" holds no numbers`)
  return Array.from(entry.values as Iterable<number | bigint>, Number)
}

export const number = (model: Model, key: string) => numbers(model, key)?.[0]

// ---- numbers

type NumberRule = {
  /** Behind `<architecture>.` */
  readonly key: string
  readonly min: number
  readonly max: number
  readonly required?: true
}

const COUNT_MAX = 2 ** 31 - 1

/** A range each, mostly far wider than any real model: they keep damage from asserts, divisions and allocations. */
const NUMBER_RULES: readonly NumberRule[] = [
  { key: 'block_count', min: 1, max: 512, required: true }, // asserted (LLAMA_MAX_LAYERS)
  { key: 'context_length', min: 0, max: COUNT_MAX, required: true },
  { key: 'embedding_length', min: 1, max: 2 ** 20, required: true },
  { key: 'embedding_length_out', min: 0, max: 2 ** 20 },
  { key: 'feed_forward_length', min: 0, max: 2 ** 24 },
  { key: 'attention.head_count', min: 0, max: 2 ** 16 },
  { key: 'attention.head_count_kv', min: 0, max: 2 ** 16 },
  { key: 'attention.key_length', min: 1, max: 2 ** 16 },
  { key: 'attention.value_length', min: 1, max: 2 ** 16 },
  { key: 'attention.key_length_swa', min: 1, max: 2 ** 16 },
  { key: 'attention.value_length_swa', min: 1, max: 2 ** 16 },
  { key: 'attention.sliding_window', min: 0, max: COUNT_MAX }, // cells = window + batch, in 32 bits
  { key: 'attention.shared_kv_layers', min: 0, max: 512 },
  { key: 'rope.freq_base', min: Number.MIN_VALUE, max: 1e30 }, // else every logit is NaN
  { key: 'rope.scaling.factor', min: 0, max: 1e9 },
  { key: 'attention.layer_norm_epsilon', min: 0, max: 1 }, // asserted when evaluated
  { key: 'attention.layer_norm_rms_epsilon', min: 0, max: 1 }, // asserted when evaluated
  { key: 'attention.group_norm_epsilon', min: 0, max: 1 },
  { key: 'attention.group_norm_groups', min: 1, max: 2 ** 16 }, // a divisor
  { key: 'expert_count', min: 0, max: 1024 }, // asserted (LLAMA_MAX_EXPERTS)
  { key: 'expert_used_count', min: 0, max: 1024 },
  { key: 'expert_feed_forward_length', min: 0, max: 2 ** 24 },
  { key: 'ssm.conv_kernel', min: 1, max: 2 ** 10 },
  { key: 'ssm.inner_size', min: 1, max: 2 ** 20 },
  { key: 'ssm.state_size', min: 1, max: 2 ** 16 },
  { key: 'ssm.time_step_rank', min: 1, max: 2 ** 16 }, // a divisor
  { key: 'ssm.group_count', min: 0, max: 2 ** 16 },
  { key: 'wkv.head_size', min: 1, max: 2 ** 16 }, // a divisor
  { key: 'token_shift_count', min: 1, max: 16 },
  { key: 'shortconv.l_cache', min: 1, max: 2 ** 10 },
  { key: 'kda.head_dim', min: 1, max: 2 ** 16 },
]

function checkNumber(model: Model, { key, min, max, required }: NumberRule): void {
  const full = `${model.architecture}.${key}`
  const values = numbers(model, full)
  if (values === undefined) {
    if (required) throw damaged(model.path, `"${full}" is missing`)
    return
  }
  const wrong = values.find((value) => !(value >= min && value <= max)) // also catches NaN
  if (wrong !== undefined) throw damaged(model.path, `"${full}" is ${wrong}`)
}

// ---- relations between numbers

function checkLayers(model: Model): void {
  const { architecture, path } = model
  const layers = number(model, `${architecture}.block_count`)!
  const extra = number(model, `${architecture}.nextn_predict_layers`) ?? 0
  if (extra === layers) throw unsupported(path, 'holds only a draft head, which needs its target model')
  if (extra > layers)
    throw damaged(path, `"${architecture}.nextn_predict_layers" is ${extra}, of ${layers} layers in all`)
  // asserted (n_layer_kv_from_start): the last layers read the keys and values of the last two that have their own
  const shared = number(model, `${architecture}.attention.shared_kv_layers`) ?? 0
  if (architecture === 'gemma4' && shared > layers - 2)
    throw damaged(path, `"${architecture}.attention.shared_kv_layers" is ${shared}, of ${layers} layers`)
}

/** A layer has `value` heads: arrays say it per layer, a single number for all. */
const ofLayer = (values: readonly number[], layer: number) =>
  values.length === 1 ? values[0]! : values[layer]!

function checkHeads(model: Model): void {
  const { architecture, path } = model
  const heads = numbers(model, `${architecture}.attention.head_count`)
  const shared = numbers(model, `${architecture}.attention.head_count_kv`) ?? heads
  if (heads === undefined || shared === undefined) return
  const layers = number(model, `${architecture}.block_count`)!
  for (const [name, values] of [
    ['head_count', heads],
    ['head_count_kv', shared],
  ] as const)
    if (values.length !== 1 && values.length !== layers)
      throw damaged(
        path,
        `"${architecture}.attention.${name}" has ${values.length} elements for ${layers} layers`,
      )
  for (let layer = 0; layer < layers; layer++) {
    const queries = ofLayer(heads, layer)
    const keys = ofLayer(shared, layer)
    // 0 marks layers without attention. Anything that does not divide is asserted in the attention's product.
    if (queries > 0 && keys > 0 && queries % keys !== 0)
      throw damaged(path, `its ${queries} attention heads cannot share ${keys} key/value heads`)
  }
}

/** Where a pattern tells which layers have the sliding window, one must (asserted). Every first layer means none. */
function checkWindows(model: Model): void {
  const key = `${model.architecture}.attention.sliding_window_pattern`
  const window = number(model, `${model.architecture}.attention.sliding_window`) ?? 0
  const pattern = numbers(model, key)
  if (window === 0 || pattern === undefined) return
  const none =
    model.metadata.get(key)?.type === 'array' ? pattern.every((layer) => layer === 0) : pattern[0] === 1
  if (none) throw damaged(model.path, `"${key}" gives no layer the sliding window`)
}

/** These are asserted while llama.cpp reads the header (llama_model_base::load_hparams). */
function checkExperts(model: Model): void {
  const { architecture, path } = model
  const get = (key: string) =>
    (numbers(model, `${architecture}.${key}`) ?? []).reduce((most, value) => Math.max(most, value), 0)
  const experts = get('expert_count')
  const used = get('expert_used_count')
  const groups = get('expert_group_count')
  const usedGroups = get('expert_group_used_count')
  // Files of dense Hunyuan models say 1 expert; llama.cpp takes that for none.
  if (experts === 1 && ['hunyuan-dense', 'hunyuan_vl'].includes(architecture)) return
  const whole =
    experts === 0
      ? used === 0 && groups === 0
      : used >= 1 &&
        used <= experts &&
        groups < experts &&
        (groups <= 1 || (experts % groups === 0 && usedGroups >= 1 && usedGroups < groups))
  if (!whole)
    throw damaged(
      path,
      `its expert counts do not fit together (${experts} experts, ${used} used, ${groups} groups, ${usedGroups} used)`,
    )
}

/** Asserted when evaluated: values are rotated in pairs, and no more than a head has. With none it never ends. */
function checkRotation({ path }: Model, rotated: number, head: number): void {
  if (rotated < 2 || rotated % 2 !== 0 || rotated > head)
    throw damaged(path, `it rotates ${rotated} of the ${head} values of an attention head`)
}

const ROPE_SCALING_TYPES = ['none', 'linear', 'yarn', 'longrope']

function checkRope(model: Model): void {
  const { architecture, path, metadata } = model
  const scaling = text(path, metadata, `${architecture}.rope.scaling.type`)
  // asserted (llama_rope_scaling_type_from_string)
  if (scaling !== undefined && !ROPE_SCALING_TYPES.includes(scaling))
    throw damaged(path, `"${architecture}.rope.scaling.type" is "${scaling}"`)
  const heads = number(model, `${architecture}.attention.head_count`) ?? 0
  if (heads > 0) {
    const width = number(model, `${architecture}.embedding_length`)!
    const head = number(model, `${architecture}.attention.key_length`) ?? Math.floor(width / heads)
    const headOfWindow = number(model, `${architecture}.attention.key_length_swa`) ?? head
    checkRotation(model, number(model, `${architecture}.rope.dimension_count`) ?? head, head)
    const inWindow = number(model, `${architecture}.rope.dimension_count_swa`)
    if (inWindow !== undefined) checkRotation(model, inWindow, headOfWindow)
  }
  const sections = numbers(model, `${architecture}.rope.dimension_sections`)
  // asserted, and their sum is a divisor
  if (
    sections?.some((size) => size < 0 || size > 2 ** 16) ||
    sections?.reduce((sum, size) => sum + size, 0) === 0
  )
    throw damaged(path, `"${architecture}.rope.dimension_sections" is [${sections.join(', ')}]`)
}

// ---- tensors

/** Products with these abort or call a null pointer on the CPU: they are for intermediate results. */
const NO_WEIGHT_TYPES = ['Q8_1', 'Q8_K', 'I8', 'I16', 'I32', 'I64', 'F64']
const WEIGHT =
  /^(token_embd|output)\.weight$|\.(attn|ffn|ssm|time_mix|channel_mix|shortconv)_?[a-z0-9_.]*\.weight$/
/** DeepSeek 4 looks experts up by token. */
const TABLE = /tid2eid/
/** Added to or multiplied with activations value by value, which ggml only does in F32. */
const VALUE_BY_VALUE =
  /norm(_\w+)?\.weight$|\.bias$|\.ssm_(a|d)$|\.ssm_conv1d\.weight$|\.shortconv\.conv\.weight$|^rope_\w+\.weight$/
const INTEGERS = ['I8', 'I16', 'I32', 'I64']

function checkTensorTypes({ path, tensors }: Model): void {
  for (const { name, type, shape } of tensors) {
    const vector = shape.length === 1
    const mustBeF32 = VALUE_BY_VALUE.test(name) || (vector && !INTEGERS.includes(type))
    if (mustBeF32 && type !== 'F32')
      throw damaged(path, `tensor "${name}" is stored as ${type}; it can only be F32`)
    if (NO_WEIGHT_TYPES.includes(type) && WEIGHT.test(name) && !TABLE.test(name))
      throw damaged(path, `tensor "${name}" is stored as ${type}, which weights never are`)
  }
}

/** llama.cpp says the same as "wrong shape"; this names the vocabulary as the cause. */
function checkEmbedding({ path, tensors }: Model, tokenCount: number): void {
  const embedding = tensors.find((tensor) => tensor.name === 'token_embd.weight')
  const rows = embedding?.shape[1] ?? 1
  if (embedding !== undefined && tokenCount > 0 && rows !== tokenCount)
    throw damaged(path, `it embeds ${rows} tokens, but its vocabulary has ${tokenCount}`)
}
