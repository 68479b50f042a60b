import { damaged } from '../bytes.ts'
import { type Model, number, numbers, ofLayer } from '../model.ts'

/** Architectures that assert that there are experts; others report an error. */
const NEEDS_EXPERTS: ReadonlySet<string> = new Set([
  'bailingmoe2',
  'glm4moe',
  'grovemoe',
  'lfm2moe',
  'smallthinker',
])

/** Architectures without a default for how experts are weighted: they abort if the file does not say. */
const NEEDS_GATING: ReadonlySet<string> = new Set([
  'bailingmoe2',
  'bailingmoe3',
  'deepseek32',
  'deepseek4',
  'dots1',
  'dots3note',
  'exaone-moe',
  'hy_v4',
  'kimi-k3',
  'kimi-linear',
  'lfm2moe',
  'minimax-m2',
  'minimax-m3',
  'smallthinker',
])

/**
 * softmax, sigmoid, softmax of the weights, square root of softplus; source: llama_expert_gating_func_type.
 */
const GATINGS = 4

/**
 * Architectures whose graphs may have more nodes than 8 for each tensor; source:
 * llama_context::graph_max_nodes.
 */
const LARGE_GRAPHS: ReadonlySet<string> = new Set([
  'bailingmoe3',
  'deepseek4',
  'hrm_text',
  'hy_v4',
  'kimi-k3',
  'kimi-linear',
  'minimax-01',
  'minimax-m3',
  'nanbeige',
  'qwen35',
  'qwen35moe',
  'qwen3next',
  'qwen4exp',
])

export function checkExperts(model: Model): void {
  const { architecture, path } = model
  const experts = number(model, `${architecture}.expert_count`) ?? 0
  // Files of dense Hunyuan models say 1 expert; llama.cpp takes that for none.
  if (experts === 1 && ['hunyuan-dense', 'hunyuan_vl'].includes(architecture)) return
  checkCounts(model, experts)
  const layers = number(model, `${architecture}.block_count`)!
  const dense = number(model, `${architecture}.leading_dense_block_count`) ?? 0
  if (experts === 0 && NEEDS_EXPERTS.has(architecture) && dense < layers)
    throw damaged(path, 'it has no experts, which models of its architecture have')
  if (experts > 0) checkUse(model, layers)
  checkGating(model, experts)
}

/** These are asserted while llama.cpp reads the header (llama_model_base::load_hparams). */
function checkCounts(model: Model, experts: number): void {
  const { architecture, path } = model
  const most = (key: string) =>
    (numbers(model, `${architecture}.${key}`) ?? []).reduce((most, value) => Math.max(most, value), 0)
  const used = most('expert_used_count')
  const groups = most('expert_group_count')
  const usedGroups = most('expert_group_used_count')
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

function checkUse(model: Model, layers: number): void {
  const { architecture, path, tensors } = model
  const used = numbers(model, `${architecture}.expert_used_count`) ?? [0]
  const withExperts = Array.from({ length: layers }, (_, layer) => layer).filter((layer) =>
    tensors.some(({ name }) => name.startsWith(`blk.${layer}.ffn_gate_inp.`)),
  )
  // Other architectures take the first layer's number for all, some as a divisor.
  if (architecture !== 'nemotron_h_moe' && used.some((count) => count === 0 || count !== used[0]))
    throw damaged(path, `the experts that its layers use ([${used.join(', ')}]) are not as many in each`)
  // Each takes two nodes, a view and a sum, besides some 30 per layer; a graph without room for one aborts.
  const ofExperts = withExperts.reduce((sum, layer) => sum + 2 * ofLayer(used, layer), 0)
  const nodes = ofExperts + 30 * layers
  if (!LARGE_GRAPHS.has(architecture) && nodes > Math.max(1024, 8 * tensors.length))
    throw damaged(path, `it uses ${Math.max(...used)} experts, more than llama.cpp has room for`)
}

function checkGating(model: Model, experts: number): void {
  const { architecture, path } = model
  const key = `${architecture}.expert_gating_func`
  const gating = number(model, key) ?? 0
  if (gating > GATINGS || (gating === 0 && experts > 0 && NEEDS_GATING.has(architecture)))
    throw damaged(path, `"${key}" is ${gating === 0 ? 'missing' : gating}`)
}
