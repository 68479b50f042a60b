import { damaged } from '../bytes.ts'
import { type Model, number, numbers, ofLayer } from '../model.ts'
import { RECURRENT } from './recurrence.ts'

/**
 * Architectures whose layers may have different numbers of heads; all others take the first layer's for every
 * layer.
 */
const HEADS_BY_LAYER = architectures(
  'bailingmoe3 deci dots3note gemma4 granite granitemoe granitehybrid granite_swa graniteswitch jamba kimi-k3 kimi-linear',
  'laguna lfm2 lfm2moe mimo2 nemotron_h nemotron_h_moe openelm plamo2 plamo3 spark2_5 step35',
)

/** Architectures whose graphs assert that the keys of a head are as long as its values. */
const KEYS_AS_VALUES = architectures(
  'afmoe apertus arcee arctic baichuan bailingmoe2 bitnet bloom chameleon chatglm codeshell cogvlm cohere2 cohere2moe',
  'command-r dbrx deci deepseek dots1 ernie4_5 ernie4_5-moe exaone exaone-moe exaone4 falcon gemma4 glm4 glm4moe gpt2',
  'gptneox granite granite_swa granitehybrid granitemoe graniteswitch grok grovemoe hunyuan-dense hunyuan-moe',
  'hunyuan_vl hy_v3 internlm2 jais jais2 laguna llama llama4 maincoder maple mellum minicpm minimax-01 minimax-m2',
  'minimax-m3 mistral3 mpt muse-glimmer nanbeige nemotron nemotron_h nemotron_h_moe olmo olmo2 olmoe openelm orion',
  'paddleocr pangu-embedded phi2 phi3 phimoe plamo qwen qwen2 qwen2moe qwen2vl qwen3 qwen35 qwen35moe qwen3moe',
  'qwen3next qwen3vl qwen3vlmoe refact seed_oss smallthinker smollm3 spark2_5 stablelm starcoder starcoder2 talkie xverse',
)

/** Architectures that also assert that all values of a head are rotated. */
const WHOLE_ROTATION = architectures(
  'apertus arcee arctic baichuan chameleon codeshell cogvlm cohere2moe dbrx deci deepseek dots1 ernie4_5 ernie4_5-moe',
  'exaone exaone-moe exaone4 falcon granite granite_swa granitemoe graniteswitch grok grovemoe hunyuan-dense hunyuan-moe',
  'hunyuan_vl hy_v3 internlm2 jais2 llama llama4 maincoder mellum minicpm mistral3 olmo olmo2 olmoe orion paddleocr',
  'pangu-embedded plamo qwen2 qwen2moe qwen2vl qwen3 qwen3moe qwen3vl qwen3vlmoe seed_oss smallthinker smollm3',
  'starcoder2 talkie xverse',
)

/** Architectures whose heads are rotated in part only: asserted, or the shape of a tensor. */
const LATENT = architectures(
  'bailingmoe3 deepseek2 deepseek32 dots3note glm-dsa hy_v4 kimi-k3 kimi-linear mistral4',
)

export function checkHeads(model: Model): void {
  const { architecture, path } = model
  const heads = numbers(model, `${architecture}.attention.head_count`) ?? [0]
  const shared = numbers(model, `${architecture}.attention.head_count_kv`) ?? heads
  const layers = number(model, `${architecture}.block_count`)!
  for (const [name, values] of [
    ['head_count', heads],
    ['head_count_kv', shared],
  ] as const) {
    const key = `"${architecture}.attention.${name}"`
    if (values.length !== 1 && values.length !== layers)
      throw damaged(path, `${key} has ${values.length} elements for ${layers} layers`)
    if (!HEADS_BY_LAYER.has(architecture) && values.some((value) => value !== values[0]))
      throw damaged(path, `${key} is another in each layer, which this architecture cannot be`)
  }
  // It is a divisor, or else attention has heads of no size.
  if (heads[0] === 0 && !RECURRENT.has(architecture) && !HEADS_BY_LAYER.has(architecture))
    throw damaged(path, 'it has no attention heads')
  if (!RECURRENT.has(architecture) && shared.every((count) => count === 0))
    throw damaged(path, 'none of its layers has attention')
  for (let layer = 0; layer < layers; layer++) {
    const queries = ofLayer(heads, layer)
    const keys = ofLayer(shared, layer)
    // 0 marks layers without attention. The attention's product asserts that the numbers divide.
    if (queries > 0 && keys > 0 && queries % keys !== 0)
      throw damaged(path, `its ${queries} attention heads cannot share ${keys} key/value heads`)
  }
  if (heads[0]! > 0) checkSizes(model, heads[0]!)
}

function checkSizes(model: Model, heads: number): void {
  const { architecture, path } = model
  const get = (key: string) => number(model, `${architecture}.${key}`)
  const width = Math.floor(get('embedding_length')! / heads)
  const keys = get('attention.key_length') ?? width
  const values = get('attention.value_length') ?? width
  const rotated = get('rope.dimension_count') ?? keys
  if (KEYS_AS_VALUES.has(architecture) && keys !== values)
    throw damaged(path, `the keys of its heads have ${keys} values, and their values ${values}`)
  if (WHOLE_ROTATION.has(architecture) && rotated !== keys)
    throw damaged(path, `it rotates ${rotated} of the ${keys} values of a head, which here must be all`)
  if (!LATENT.has(architecture)) return
  const [keysOfHead, valuesOfHead] = [
    get('attention.key_length_mla') ?? 0,
    get('attention.value_length_mla') ?? 0,
  ]
  const whole = keysOfHead > 0 && valuesOfHead > 0 ? keysOfHead : keys
  if (whole - rotated < 1) throw damaged(path, `it rotates ${rotated} of the ${whole} values of a head`)
}

function architectures(...lines: readonly string[]): ReadonlySet<string> {
  return new Set(lines.flatMap((line) => line.split(' ')))
}
