import { damaged } from '../bytes.ts'
import { type Model, numbers } from '../model.ts'

type NumberRule = {
  /** Without `<architecture>.` */
  readonly key: string
  readonly min: number
  readonly max: number
  readonly required?: true
}

const COUNT_MAX = 2 ** 31 - 1

/** Ranges, mostly far wider than in real models: they keep damage from asserts, divisions, allocations. */
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
  { key: 'adapters.router_gain', min: -1e6, max: 1e6 }, // NaN is not an adapter's number
  { key: 'kda.head_dim', min: 1, max: 2 ** 16 },
]

export function checkNumbers(model: Model): void {
  for (const rule of NUMBER_RULES) checkNumber(model, rule)
}

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
