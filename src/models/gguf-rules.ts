import { ModelError } from '../errors.ts'
import { damaged, type GgufTensor, type GgufValue, type StringVisitor } from './gguf-reader.ts'

type Metadata = ReadonlyMap<string, GgufValue>

/** What is being checked, so that every rule can name the file. */
type Model = {
  readonly path: string
  readonly architecture: string
  readonly metadata: Metadata
  readonly tensors: readonly GgufTensor[]
}

/** The whole meaning of a header, beyond its format: each check stands for an abort or a crash in llama.cpp. */
export function checkModel(
  path: string,
  metadata: Metadata,
  tensors: readonly GgufTensor[],
  vocabOnly: boolean,
): { architecture: string; tokenCount: number } {
  const architecture = architectureOf(path, metadata)
  const model: Model = { path, architecture, metadata, tensors }
  const tokenCount = checkVocabulary(model)
  if (vocabOnly) return { architecture, tokenCount }
  if (tensors.length === 0) throw damaged(path, 'it holds no tensors, so at most a vocabulary')
  for (const rule of NUMBER_RULES) checkNumber(model, rule)
  checkLayers(model)
  checkHeads(model)
  checkExperts(model)
  checkRope(model)
  checkTensorTypes(model)
  checkEmbedding(model, tokenCount)
  return { architecture, tokenCount }
}

// ---- what kind of file it is

/** Values of `general.type` that are no model of their own. */
const NO_MODEL: Readonly<Record<string, string>> = {
  adapter: 'a LoRA adapter, which needs its base model',
  mmproj: 'the vision part (mmproj) of a model',
  imatrix: 'an importance matrix',
}

/** Architectures that llama.cpp knows but that are no language model: for some of them it aborts. */
const NO_LANGUAGE_MODEL: Readonly<Record<string, string>> = {
  clip: 'the vision part (mmproj) of a model',
  'wavtokenizer-dec': 'a sound decoder',
  pockettts: 'a speech model',
  qwen3tts: 'a speech model',
  eagle3: 'a draft head, which needs its target model',
  dflash: 'a draft head, which needs its target model',
  'gemma4-assistant': 'a draft head, which needs its target model',
}

function architectureOf(path: string, metadata: Metadata): string {
  const type = text(path, metadata, 'general.type') ?? 'model'
  const architecture = text(path, metadata, 'general.architecture')
  const other = NO_MODEL[type] ?? NO_LANGUAGE_MODEL[architecture ?? '']
  if (other !== undefined) throw unsupported(path, `holds ${other}, not a language model`)
  if (architecture === undefined || architecture === '')
    throw damaged(path, 'it does not say its architecture ("general.architecture")')
  return architecture
}

const unsupported = (path: string, detail: string) =>
  new ModelError('ERR_MODEL_UNSUPPORTED', `${path} ${detail}.`, path)

// ---- reading typed values

function text(path: string, metadata: Metadata, key: string): string | undefined {
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

const number = (model: Model, key: string) => numbers(model, key)?.[0]

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
  { key: 'context_length', min: 1, max: COUNT_MAX, required: true },
  { key: 'embedding_length', min: 1, max: 2 ** 20, required: true },
  { key: 'embedding_length_out', min: 0, max: 2 ** 20 },
  { key: 'attention.head_count', min: 0, max: 2 ** 16 },
  { key: 'attention.head_count_kv', min: 0, max: 2 ** 16 },
  { key: 'attention.key_length', min: 1, max: 2 ** 16 },
  { key: 'attention.value_length', min: 1, max: 2 ** 16 },
  { key: 'attention.key_length_swa', min: 1, max: 2 ** 16 },
  { key: 'attention.value_length_swa', min: 1, max: 2 ** 16 },
  { key: 'attention.sliding_window', min: 0, max: COUNT_MAX }, // cells = window + batch, in 32 bits
  { key: 'rope.freq_base', min: Number.MIN_VALUE, max: 1e30 }, // else every logit is NaN
  { key: 'rope.scaling.factor', min: 0, max: 1e9 },
  { key: 'attention.layer_norm_epsilon', min: 0, max: 1 }, // asserted when evaluated
  { key: 'attention.layer_norm_rms_epsilon', min: 0, max: 1 }, // asserted when evaluated
  { key: 'attention.group_norm_epsilon', min: 0, max: 1 },
  { key: 'attention.group_norm_groups', min: 1, max: 2 ** 16 }, // a divisor
  { key: 'expert_count', min: 0, max: 1024 }, // asserted (LLAMA_MAX_EXPERTS)
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
  if (extra >= layers)
    throw damaged(path, `"${architecture}.nextn_predict_layers" is ${extra}, of ${layers} layers in all`)
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

/** These are asserted while llama.cpp reads the header (llama_model_base::load_hparams). */
function checkExperts(model: Model): void {
  const { architecture, path } = model
  const get = (key: string) => Math.max(0, ...(numbers(model, `${architecture}.${key}`) ?? []))
  const experts = get('expert_count')
  const used = get('expert_used_count')
  const groups = get('expert_group_count')
  const usedGroups = get('expert_group_used_count')
  // Files of dense Hunyuan models say 1 expert; llama.cpp takes that for none.
  if (architecture.startsWith('hunyuan') && experts <= 1) return
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
    if (NO_WEIGHT_TYPES.includes(type) && WEIGHT.test(name))
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

// ---- vocabulary

const MAX_TOKENS = 2 ** 24
/** The longest real ones are runs of some 100 spaces or dashes; llama.cpp is busy for minutes with long ones. */
const MAX_TOKEN_BYTES = 16_384
const TOKENS = 'tokenizer.ggml.tokens'
const MERGES = 'tokenizer.ggml.merges'

/** Looks at vocabularies while they stream past, without keeping them. */
export class VocabularyScan {
  readonly #path: string

  constructor(path: string) {
    this.#path = path
  }

  visitorFor(key: string, count: number): StringVisitor | undefined {
    if (key === TOKENS) return this.#tokens(Math.min(count, MAX_TOKENS))
    if (key === MERGES) return this.#merge
    return undefined
  }

  /** Two equal tokens are asserted; llama.cpp ends a token at its first zero byte and renames empty ones. */
  #tokens(count: number): StringVisitor {
    const seen = new Fingerprints(count)
    return (index, bytes, start, end) => {
      let stop = start
      while (stop < end && bytes[stop] !== 0) stop++
      if (end - start > MAX_TOKEN_BYTES)
        throw damaged(this.#path, `token ${index} of its vocabulary claims ${end - start} bytes`)
      if (stop === start || index >= MAX_TOKENS || seen.add(bytes, start, stop)) return
      const token = JSON.stringify(bytes.toString('utf8', start, stop))
      throw damaged(this.#path, `token ${index} of its vocabulary (${token}) appears a second time`)
    }
  }

  readonly #merge: StringVisitor = (index, bytes, start, end) => {
    for (let at = start + 1; at < end; at++) if (bytes[at] === 0x20) return
    throw damaged(this.#path, `merge ${index} of its vocabulary is not a pair`)
  }
}

/**
 * A set of byte strings that keeps 64 bits of each, five times as fast as a Set of 256,000 strings. That two
 * different tokens of such a vocabulary share their 64 bits has a chance of one in 200 million.
 */
class Fingerprints {
  readonly #mask: number
  /** Open addressing; pairs of numbers, 0 0 = free. */
  readonly #slots: Uint32Array

  constructor(count: number) {
    const size = 2 ** Math.ceil(Math.log2(2 * count + 2))
    this.#mask = size - 1
    this.#slots = new Uint32Array(2 * size)
  }

  /** False where `bytes[start, end)` was there already. */
  add(bytes: Uint8Array, start: number, end: number): boolean {
    let high = 0x811c9dc5 // FNV-1a, and a second hash that shares nothing with it
    let low = end - start
    for (let at = start; at < end; at++) {
      high = Math.imul(high ^ bytes[at]!, 0x01000193)
      low = Math.imul((low << 5) ^ (low >>> 27) ^ bytes[at]!, 0x9e3779b1)
    }
    high >>>= 0
    low = (low | 1) >>> 0
    for (let slot = high ^ low; ; slot++) {
      const at = (slot & this.#mask) * 2
      if (this.#slots[at] === 0 && this.#slots[at + 1] === 0) {
        this.#slots[at] = high
        this.#slots[at + 1] = low
        return true
      }
      if (this.#slots[at] === high && this.#slots[at + 1] === low) return false
    }
  }
}

type TokenizerKind = {
  /** Ids that llama.cpp assumes where the file names none. */
  readonly bos?: number
  readonly eos?: number
  readonly sep?: number
  /** Whether it puts BOS in front (EOS behind) where the file does not say. */
  readonly addsBos: boolean
  readonly addsEos?: true
  readonly addsSep?: true
}

/** Source: llama_vocab::impl::load. */
const TOKENIZERS: Readonly<Record<string, TokenizerKind>> = {
  llama: { bos: 1, eos: 2, addsBos: true },
  bert: { bos: 101, sep: 102, addsBos: true, addsSep: true },
  gpt2: { bos: 11, eos: 11, addsBos: true }, // depends on the pre-tokenizer
  hybriddna: { bos: 11, eos: 11, addsBos: true },
  whitespace: { bos: 11, eos: 11, addsBos: true },
  gemma4: { addsBos: true },
  t5: { eos: 1, addsBos: false, addsEos: true },
  rwkv: { addsBos: false },
  plamo2: { bos: 1, eos: 2, addsBos: false },
}

const TOKEN_TYPE_BYTE = 6

/** @returns the number of tokens */
function checkVocabulary(model: Model): number {
  const { path, metadata } = model
  const name = text(path, metadata, 'tokenizer.ggml.model')
  if (name === undefined) throw damaged(path, 'it has no vocabulary ("tokenizer.ggml.model" is missing)')
  if (name === 'none' || name === 'no_vocab')
    throw unsupported(path, 'has no vocabulary, so it can neither read nor write text')
  const kind = TOKENIZERS[name]
  if (kind === undefined) throw unsupported(path, `has a tokenizer of the unknown kind "${name}"`)
  const tokens = metadata.get(TOKENS)
  if (tokens?.type !== 'array' || tokens.of !== 'string')
    throw damaged(path, `"${TOKENS}" is missing or holds no strings`)
  if (tokens.count < 1 || tokens.count > MAX_TOKENS)
    throw damaged(path, `its vocabulary has ${tokens.count} tokens`)
  const merges = metadata.get(MERGES)
  if (merges !== undefined && (merges.type !== 'array' || merges.of !== 'string'))
    throw damaged(path, `"${MERGES}" holds no strings`)
  checkPerToken(model, 'tokenizer.ggml.scores', ['f32', 'i32'], tokens.count, (score) => !Number.isNaN(score))
  checkPerToken(model, 'tokenizer.ggml.token_type', ['i32', 'u32'], tokens.count, (type) =>
    // In a WordPiece vocabulary a byte token is an abort.
    name === 'bert' ? type >= 0 && type < TOKEN_TYPE_BYTE : type >= 0 && type <= TOKEN_TYPE_BYTE,
  )
  checkSpecialTokens(model, kind, tokens.count)
  checkCharsMap(model)
  text(path, metadata, 'tokenizer.chat_template')
  text(path, metadata, 'tokenizer.ggml.pre')
  return tokens.count
}

function checkPerToken(
  { path, metadata }: Model,
  key: string,
  types: readonly string[],
  tokenCount: number,
  valid: (value: number) => boolean,
): void {
  const entry = metadata.get(key)
  if (entry === undefined) return
  if (entry.type !== 'array' || !types.includes(entry.of))
    throw damaged(path, `"${key}" is not an array of numbers`)
  if (entry.count !== tokenCount)
    throw damaged(path, `"${key}" has ${entry.count} elements for ${tokenCount} tokens`)
  const values = entry.values as Float32Array | Int32Array | undefined
  const wrong = values?.findIndex((value) => !valid(value)) ?? -1
  if (wrong >= 0) throw damaged(path, `"${key}" says ${values![wrong]} of token ${wrong}`)
}

/** A token that is to be added but does not exist is asserted. Others out of range are ignored, as llama.cpp does. */
function checkSpecialTokens(model: Model, kind: TokenizerKind, tokenCount: number): void {
  const { path, metadata } = model
  for (const [what, fallback, byDefault, idKey] of [
    ['bos', kind.bos, kind.addsBos, 'bos_token_id'],
    ['eos', kind.eos, kind.addsEos === true, 'eos_token_id'],
    ['sep', kind.sep, kind.addsSep === true, 'seperator_token_id'], // the format's own spelling
  ] as const) {
    const flag = metadata.get(`tokenizer.ggml.add_${what}_token`)
    if (flag !== undefined && flag.type !== 'bool')
      throw damaged(path, `"tokenizer.ggml.add_${what}_token" is not true or false`)
    const key = `tokenizer.ggml.${idKey}`
    const id = number(model, key)
    const exists = (token: number | undefined) => token !== undefined && token >= 0 && token < tokenCount
    if ((flag?.value ?? byDefault) && !exists(id) && !exists(fallback))
      throw damaged(path, `"${key}" is ${id ?? 'missing'}, but the vocabulary has ${tokenCount} tokens`)
  }
}

/** Replacement texts at its end are read up to a zero byte. */
function checkCharsMap({ path, metadata }: Model): void {
  const key = 'tokenizer.ggml.precompiled_charsmap'
  const entry = metadata.get(key)
  if (entry === undefined) return
  const bytes = entry.type === 'array' ? entry.values : undefined
  if (!(bytes instanceof Uint8Array || bytes instanceof Int8Array) || bytes.at(-1) !== 0)
    throw damaged(path, `"${key}" is not a character map`)
}

// ---- what can be done with it

/** What this library does with a kind of model, before llama.cpp has looked at it. */
export type ModelKind = {
  readonly kind:
    | 'decoder'
    | 'sliding-window'
    | 'recurrent'
    | 'hybrid'
    | 'encoder'
    | 'encoder-decoder'
    | 'diffusion'
  readonly generatesText: boolean
  /** One plain sentence. */
  readonly behaviour: string
}

const BEHAVIOUR: Readonly<Record<ModelKind['kind'], string>> = {
  decoder: 'Works.',
  'sliding-window':
    'Works; what slid out of the window is evaluated again when a conversation is rolled back.',
  recurrent: 'Works; a conversation that is rolled back or branches is evaluated again from its start.',
  hybrid: 'Works; a conversation that is rolled back or branches is evaluated again from its start.',
  encoder: 'Makes embeddings, not text.',
  'encoder-decoder': 'Not supported: it answers a whole text at once and cannot continue a conversation.',
  diffusion: 'Not supported: it fills in a whole text in rounds instead of writing it token by token.',
}

/** Models that their header alone does not give away; source: llama_model_has_encoder, llm_arch_is_diffusion. */
const KIND_BY_ARCHITECTURE: Readonly<Record<string, ModelKind['kind']>> = {
  t5: 'encoder-decoder',
  t5encoder: 'encoder',
  bert: 'encoder',
  'modern-bert': 'encoder',
  'nomic-bert': 'encoder',
  'nomic-bert-moe': 'encoder',
  'neo-bert': 'encoder',
  'jina-bert-v2': 'encoder',
  'jina-bert-v3': 'encoder',
  eurobert: 'encoder',
  'gemma-embedding': 'encoder',
  'llama-embed': 'encoder',
  dream: 'diffusion',
  llada: 'diffusion',
  'llada-moe': 'diffusion',
  rnd1: 'diffusion',
}

/** Says what kind of model a header announces. After loading, llama.cpp's own flags have the last word. */
export function describeKind(header: {
  readonly architecture: string
  readonly metadata: Metadata
}): ModelKind {
  const kind = kindOf(header.architecture, header.metadata)
  const generatesText = !['encoder', 'encoder-decoder', 'diffusion'].includes(kind)
  return { kind, generatesText, behaviour: BEHAVIOUR[kind] }
}

function kindOf(architecture: string, metadata: Metadata): ModelKind['kind'] {
  const known = KIND_BY_ARCHITECTURE[architecture]
  if (known !== undefined) return known
  const has = (prefix: string) => [...metadata.keys()].some((key) => key.startsWith(prefix))
  if (has('diffusion.') || has(`${architecture}.diffusion.`)) return 'diffusion'
  const causal = metadata.get(`${architecture}.attention.causal`)
  if (causal?.type === 'bool' && causal.value === false) return 'encoder'
  const recurrent = ['ssm.', 'wkv.', 'shortconv.', 'kda.'].some((part) => has(`${architecture}.${part}`))
  const heads = metadata.get(`${architecture}.attention.head_count`)
  const attends = heads?.type === 'array' || (heads !== undefined && Number(heads.value) > 0)
  if (recurrent) return attends && !has(`${architecture}.wkv.`) ? 'hybrid' : 'recurrent'
  return has(`${architecture}.attention.sliding_window`) ? 'sliding-window' : 'decoder'
}

/** @throws {ModelError} `ERR_MODEL_UNSUPPORTED` for a model that does not write text. */
export function assertGeneratesText(header: {
  readonly path: string
  readonly architecture: string
  readonly metadata: Metadata
}): void {
  const { kind, generatesText, behaviour } = describeKind(header)
  if (generatesText) return
  const what = `holds a model of the architecture "${header.architecture}", ${kind === 'diffusion' ? 'a' : 'an'} ${kind} model, which cannot be used to generate text`
  throw unsupported(header.path, `${what}. ${behaviour.replace(/\.$/, '')}`)
}
