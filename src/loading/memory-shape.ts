import type { GgufHeader } from '../models/gguf/header.ts'
import { describeKind } from '../models/gguf/kind.ts'
import { metaNumber } from '../models/gguf/model.ts'
import type { KvType } from '../native/contract.ts'
import { type CacheTypes, KV_TYPES } from '../options/compute.ts'

/** What a model asks of memory beside its weights, read from its header. */
type MemoryShape = {
  /** An encoder keeps nothing from one batch to the next, and reads a text at once. */
  readonly isEncoder: boolean
  /** Bytes of keys and values per token of context; 0 where no layer keeps any. */
  readonly bytesPerToken: number
  /** Bytes of the state of recurrent layers, which does not grow with the context. */
  readonly stateBytes: number
  /** Floats that a step holds per token at its widest point, an estimate. */
  readonly floatsPerToken: number
  /** Attention masks of a step: full attention has one, a sliding window a second one. */
  readonly masks: number
  /**
   * Each head has a score for every two tokens, kept all at once where flash attention is off; 0 without
   * attention.
   */
  readonly attentionHeads: number
}

const F16: CacheTypes = { keyType: 'f16', valueType: 'f16' }
/** Bytes of one number of a state. */
const F32 = 4

/** An opening asks for the same shape several times. */
const shapes = new WeakMap<GgufHeader, Map<string, MemoryShape>>()

/**
 * Reads the shape from the tensors where these show it, since layers differ within a model: in their heads,
 * and in whether they attend at all. Sliding-window layers count in full, as we ask llama.cpp for full-size
 * caches (docs/decisions.md).
 */
export function memoryShape(header: GgufHeader, { keyType, valueType } = F16): MemoryShape {
  const ofHeader = shapes.get(header) ?? new Map<string, MemoryShape>()
  shapes.set(header, ofHeader)
  const key = `${keyType} ${valueType}`
  const shape = ofHeader.get(key) ?? readShape(header, { keyType, valueType })
  ofHeader.set(key, shape)
  return shape
}

function readShape(header: GgufHeader, { keyType, valueType }: CacheTypes): MemoryShape {
  const layers = layersOf(header)
  const bytesPerToken = layers
    .map((layer) => cachedFloats(header, layer))
    .reduce((sum, [keys, values]) => sum + bytesOf(keyType, keys) + bytesOf(valueType, values), 0)
  const recurrent = layers.filter(isRecurrent).length
  const slidingWindow = metaNumber(header, 'attention.sliding_window') ?? 0
  const isEncoder = describeKind(header).kind === 'encoder'
  return {
    isEncoder,
    bytesPerToken: isEncoder ? 0 : bytesPerToken,
    stateBytes: F32 * recurrent * stateFloats(header),
    floatsPerToken: floatsPerToken(header),
    masks: bytesPerToken === 0 ? 0 : slidingWindow > 0 ? 2 : 1,
    attentionHeads: bytesPerToken === 0 ? 0 : (metaNumber(header, 'attention.head_count') ?? 0),
  }
}

/** The number of rows of each tensor of a layer, by its name within the layer, e.g. `attn_k.weight`. */
type Layer = ReadonlyMap<string, number>

/**
 * How many layers keep keys and values; in some models the last ones reuse those of earlier ones. Source:
 * llama.cpp.
 */
function keepingLayers(header: GgufHeader): number {
  const layers = metaNumber(header, 'block_count') ?? 0
  if (header.architecture === 'gemma3n') return Math.min(layers, 20)
  if (header.architecture !== 'gemma4') return layers
  return layers - (metaNumber(header, 'attention.shared_kv_layers') ?? 0)
}

function layersOf(header: GgufHeader): Layer[] {
  const count = keepingLayers(header)
  const layers = new Map<number, Map<string, number>>()
  for (const { name, shape } of header.tensors) {
    const [, digits, rest] = /^blk\.(\d+)\.(.+)$/.exec(name) ?? []
    const index = Number(digits)
    if (rest === undefined || index >= count) continue
    const layer = layers.get(index) ?? new Map<string, number>()
    layers.set(index, layer.set(rest, shape[1] ?? 1))
  }
  return [...layers.values()]
}

const isRecurrent = (layer: Layer) =>
  Array.from(layer.keys()).some((name) => /^(ssm_|shortconv\.|time_mix_)/.test(name))

const bytesOf = (type: KvType, numbers: number) => (numbers / KV_TYPES[type].block) * KV_TYPES[type].bytes

/** How many numbers a layer keeps per token. */
function cachedFloats(header: GgufHeader, layer: Layer): [keys: number, values: number] {
  const key = layer.get('attn_k.weight')
  if (key !== undefined) return [key, layer.get('attn_v.weight') ?? key]
  const latent = layer.get('attn_kv_a_mqa.weight')
  if (latent !== undefined && isLatent(header)) return [latent, 0]
  const fused = layer.has('attn_qkv.weight') && !isRecurrent(layer)
  if (latent === undefined && !fused) return [0, 0]
  const heads = metaNumber(header, 'attention.head_count') ?? 0
  const kvHeads = metaNumber(header, 'attention.head_count_kv') ?? heads
  return [kvHeads * headLength(header, 'key'), kvHeads * headLength(header, 'value')]
}

/** Whether keys and values are made from one latent vector, which is cached in their place. */
export const isLatent = (header: GgufHeader) => metaNumber(header, 'attention.key_length_mla') !== undefined

/** How many numbers a head's key or value has. */
export function headLength(header: GgufHeader, of: 'key' | 'value'): number {
  const width = metaNumber(header, 'embedding_length') ?? 0
  const heads = metaNumber(header, 'attention.head_count') ?? 0
  return metaNumber(header, `attention.${of}_length`) ?? (heads > 0 ? width / heads : 0)
}

/** How many numbers one recurrent layer's state has. Source: llama_hparams::n_embd_r() and n_embd_s() */
function stateFloats(header: GgufHeader): number {
  const of = (key: string) => metaNumber(header, key) ?? 0
  const width = of('embedding_length')
  const head = of('wkv.head_size')
  if (head > 0) return width * ((metaNumber(header, 'token_shift_count') ?? 2) + head)
  const shortConvolution = of('shortconv.l_cache')
  if (shortConvolution > 0) return width * (shortConvolution - 1)
  const kernel = Math.max(1, of('ssm.conv_kernel'))
  const delta = of('kda.head_dim')
  const heads = of('attention.head_count')
  if (delta > 0) return delta * heads * (3 * (kernel - 1) + delta)
  const inner = of('ssm.inner_size')
  const state = of('ssm.state_size')
  return (kernel - 1) * (inner + 2 * of('ssm.group_count') * state) + state * inner
}

/**
 * The residual stream and the inner values of attention and feed-forward that exist at once; found by
 * experiment.
 */
function floatsPerToken(header: GgufHeader): number {
  const of = (key: string) => metaNumber(header, key) ?? 0
  const hidden = Math.max(
    of('feed_forward_length'),
    of('expert_used_count') * (metaNumber(header, 'expert_feed_forward_length') ?? of('feed_forward_length')),
  )
  const heads = of('attention.head_count') * headLength(header, 'key')
  return 4 * Math.max(of('embedding_length'), heads) + 3 * hidden + 6 * of('ssm.inner_size')
}
