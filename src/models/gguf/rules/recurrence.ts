import { damaged } from '../bytes.ts'
import { type Model, number, numbers, ofLayer } from '../model.ts'

/** Source: llm_arch_is_recurrent. */
export const RECURRENT: ReadonlySet<string> = new Set([
  'mamba',
  'mamba2',
  'rwkv6',
  'rwkv6qwen2',
  'rwkv7',
  'arwkv7',
])

/** Layers without key/value heads are the recurrent ones; source: load_arch_hparams of each. */
const BY_HEADS: ReadonlySet<string> = new Set([
  'bailingmoe3',
  'granitehybrid',
  'jamba',
  'kimi-k3',
  'kimi-linear',
  'lfm2',
  'lfm2moe',
  'nemotron_h',
  'nemotron_h_moe',
  'plamo2',
])

/** All but one layer in each interval are recurrent, unless the file names them. */
const BY_INTERVAL: ReadonlySet<string> = new Set([
  'minimax-01',
  'qwen35',
  'qwen35moe',
  'qwen3next',
  'qwen4exp',
])

/** GGML_F32_STEP with AVX-512, the largest of any processor. */
const MOST_AT_ONCE = 64

/** Selective state spaces whose groups are a divisor. */
const GROUPED: ReadonlySet<string> = new Set([
  'falcon-h1',
  'granitehybrid',
  'mamba2',
  'nemotron_h',
  'nemotron_h_moe',
  'qwen35',
  'qwen35moe',
  'qwen3next',
  'qwen4exp',
])

/** How many tokens of the past each layer sees; source: the asserts of their graphs. */
const TOKEN_SHIFTS: ReadonlyMap<string, number> = new Map([
  ['rwkv6', 2],
  ['rwkv7', 2],
  ['rwkv6qwen2', 1],
  ['arwkv7', 1],
])

/** A recurrent model must have recurrent layers, and numbers that fit together: asserted or divided by. */
export function checkRecurrence(model: Model): void {
  const { architecture, path } = model
  const get = (key: string) => number(model, `${architecture}.${key}`)
  checkHybrid(model)
  const inner = get('ssm.inner_size') ?? 0
  const heads = get('ssm.time_step_rank') ?? 0
  const groups = get('ssm.group_count') ?? 0
  const fail = (what: string) => damaged(path, `its state space of ${inner} values cannot have ${what}`)
  if (GROUPED.has(architecture)) {
    if (heads < 1 || inner % heads !== 0) throw fail(`${heads} heads`)
    if (groups < 1 || inner % groups !== 0 || heads % groups !== 0) throw fail(`${groups} groups`)
  }
  if (architecture === 'plamo2' && (groups !== 0 || heads < 1 || inner % heads !== 0))
    throw fail(`${heads} heads and ${groups} groups`)
  const width = get('embedding_length')!
  if (['jamba', 'granitehybrid'].includes(architecture) && inner !== 2 * width)
    throw damaged(path, `its state space has ${inner} values, not twice ${width}`)
  checkShifts(model, width)
}

/** Each kind of layer has a memory, which is asserted to exist: a model without one of the kinds aborts. */
function checkHybrid(model: Model): void {
  const { architecture, path } = model
  const isByHeads = BY_HEADS.has(architecture)
  if (!isByHeads && !BY_INTERVAL.has(architecture)) return
  const layers = number(model, `${architecture}.block_count`)!
  const drafts = number(model, `${architecture}.nextn_predict_layers`) ?? 0
  const kinds = Array.from({ length: layers - drafts }, (_, layer) =>
    isByHeads ? kindByHeads(model, layer) : kindByInterval(model, layer),
  )
  if (!kinds.includes('recurrent')) throw damaged(path, 'none of its layers is recurrent')
  if (!kinds.includes('attention')) throw damaged(path, 'all of its layers are recurrent')
}

function kindByHeads(model: Model, layer: number): 'recurrent' | 'attention' | 'other' {
  const { architecture } = model
  const heads = numbers(model, `${architecture}.attention.head_count`) ?? [0]
  const shared = numbers(model, `${architecture}.attention.head_count_kv`) ?? heads
  if (ofLayer(shared, layer) > 0) return 'attention'
  const width = numbers(model, `${architecture}.feed_forward_length`) ?? [0]
  return architecture.startsWith('nemotron_h') && ofLayer(width, layer) > 0 ? 'other' : 'recurrent'
}

function kindByInterval(model: Model, layer: number): 'recurrent' | 'attention' {
  const { architecture, path } = model
  const named = numbers(model, `${architecture}.attention.recurrent_layers`)
  const interval = number(model, `${architecture}.full_attention_interval`) ?? 4
  if (interval < 1) throw damaged(path, `"${architecture}.full_attention_interval" is ${interval}`) // a divisor
  const isRecurrent = named ? ofLayer(named, layer) !== 0 : (layer + 1) % interval !== 0
  return isRecurrent ? 'recurrent' : 'attention'
}

function checkShifts(model: Model, width: number): void {
  const { architecture, path } = model
  const wanted = TOKEN_SHIFTS.get(architecture)
  if (wanted === undefined) return
  const shifts = number(model, `${architecture}.token_shift_count`) ?? 2
  if (shifts !== wanted)
    throw damaged(path, `"${architecture}.token_shift_count" is ${shifts}, and must be ${wanted}`)
  const head = number(model, `${architecture}.wkv.head_size`)
  if (head !== undefined && width % head !== 0)
    throw damaged(path, `its ${width} values cannot be divided into heads of ${head}`)
  // ggml computes this many values at once, and runs past the end of other heads
  // (ggml_compute_forward_rwkv_wkv7_f32).
  if (head !== undefined && architecture.endsWith('rwkv7') && head % MOST_AT_ONCE !== 0)
    throw damaged(
      path,
      `"${architecture}.wkv.head_size" is ${head}, and must be a multiple of ${MOST_AT_ONCE}`,
    )
}
