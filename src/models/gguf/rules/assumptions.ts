import { damaged } from '../bytes.ts'
import { type Model, number, numbers } from '../model.ts'

/** A number that llama.cpp asserts of one architecture, or divides by. */
type Assumption = {
  /** Without `<architecture>.` */
  readonly key: string
  /** The value if the file has none; `undefined` if llama.cpp then reports an error. */
  readonly byDefault: number | undefined
  readonly holds: (value: number, get: (key: string) => number) => boolean
}

const positive = (key: string, byDefault?: number): Assumption => ({
  key,
  byDefault,
  holds: (value) => value > 0,
})

const indexer: Assumption = {
  key: 'attention.indexer.key_length',
  byDefault: undefined,
  holds: (length, get) => length >= get('rope.dimension_count'),
}

const ASSUMPTIONS: Readonly<Record<string, readonly Assumption[]>> = {
  bailingmoe3: [
    { key: 'kda.safe_gate', byDefault: undefined, holds: (safe) => safe !== 0 },
    { key: 'kda.gate_lower_bound', byDefault: undefined, holds: (bound) => bound < 0 },
  ],
  deepseek2: [temperature()],
  deepseek32: [indexer],
  deepseek4: [
    {
      key: 'attention.output_group_count',
      byDefault: undefined,
      holds: (groups, get) => groups > 0 && get('attention.head_count') % groups === 0,
    },
    { key: 'attention.head_count_kv', byDefault: 0, holds: (heads) => heads === 1 },
    { key: 'hyper_connection.count', byDefault: undefined, holds: (count) => count === 4 },
  ],
  dots3note: [indexer],
  'ernie4_5-moe': [positive('interleave_moe_layer_step', 0)],
  'glm-dsa': [indexer],
  grovemoe: [positive('experts_per_group')],
  hrm_text: [
    positive('hrm.layers_per_stack'),
    positive('hrm.h_cycles'),
    {
      key: 'hrm.l_cycles',
      byDefault: undefined,
      // Each cycle has layers of its own in the cache.
      holds: (cycles, get) =>
        cycles > 0 && get('block_count') === get('hrm.layers_per_stack') * get('hrm.h_cycles') * (cycles + 1),
    },
  ],
  lfm2: [{ key: 'shortconv.l_cache', byDefault: undefined, holds: (length) => length > 1 }],
  lfm2moe: [{ key: 'shortconv.l_cache', byDefault: undefined, holds: (length) => length > 1 }],
  'minimax-m3': [positive('attention.indexer.block_size')],
  mistral4: [temperature()],
}

/** Attention whose temperature grows divides by the length at which it begins to grow. */
function temperature(): Assumption {
  return {
    key: 'attention.temperature_length',
    byDefault: 0,
    holds: (length, get) => length > 0 || get('attention.temperature_scale') === 0,
  }
}

/** What single architectures take for granted: asserted, or used as a divisor. */
export function checkAssumptions(model: Model): void {
  const { architecture, path } = model
  const get = (key: string) => number(model, `${architecture}.${key}`) ?? 0
  for (const { key, byDefault, holds } of ASSUMPTIONS[architecture] ?? []) {
    const values = valuesOf(model, `${architecture}.${key}`, byDefault)
    const wrong = values.find((value) => !holds(value, get))
    if (wrong !== undefined) throw damaged(path, `"${architecture}.${key}" is ${wrong}`)
  }
}

function valuesOf(model: Model, key: string, byDefault: number | undefined): readonly number[] {
  return numbers(model, key) ?? (byDefault === undefined ? [] : [byDefault])
}
