import {
  biased,
  CONTEXT,
  eachLayer,
  gated,
  HEAD,
  HEADS,
  HIDDEN,
  matrix,
  norm,
  POOLING,
  plainFeedForward,
  postNorm,
  SHARED_HEADS,
  start,
  type Type,
  WIDTH,
} from './encoder-parts.ts'
import type { GgufWriter } from './gguf-writer.ts'
import {
  enclosed,
  llama3,
  modernBert,
  qwen,
  type Tokenizer,
  t5,
  unigram,
  wordPiece,
} from './tiny-tokenizers.ts'

/**
 * Embedding models and rerankers of a few dozen KB with random weights, one of each architecture that llama.cpp embeds
 * with. All numbers are F32 but for those of `bert-f16`, so that no kernel's rounding shows.
 */
export const TINY_ENCODERS = {
  bert: () => bert(),
  'bert-f16': () => bert(wordPiece, 'F16'),
  'bert-cls': () => bert().set('bert.pooling_type', 'u32', POOLING.cls),
  'nomic-bert': () => nomicBert(),
  'nomic-bert-moe': () => nomicBertMoe(),
  'jina-bert-v2': () => jinaBertV2(),
  'jina-bert-v3': () => jinaBertV3(),
  'modern-bert': () => modern(),
  'neo-bert': () => neoBert(),
  eurobert: () => euroBert(),
  'gemma-embedding': () => gemma(),
  /** With the two layers that follow the pooling. */
  'gemma-embedding-dense': () => gemmaDense(),
  'llama-embed': () => decoder('llama-embed', enclosed, POOLING.mean),
  t5encoder: () => t5Encoder(),
  qwen3: () => qwen3(POOLING.last),
  /** bge-reranker: XLM-RoBERTa with two layers for the score. */
  'reranker-xlm-roberta': () => scored(bert(unigram), 'bert', ['cls', 'output']),
  /** A cross-encoder of sentence-transformers: one layer. */
  'reranker-bert': () => scored(bert(), 'bert', ['output']),
  'reranker-jina': () => jinaReranker(),
  'reranker-modern-bert': () => scored(modern(), 'modern-bert', ['cls', 'norm', 'output']),
  'reranker-neo-bert': () => scored(neoBert(), 'neo-bert', ['cls', 'output']),
  'reranker-qwen3': () => qwenReranker(),
} as const satisfies Record<string, () => GgufWriter>

export type TinyEncoder = keyof typeof TINY_ENCODERS

/** `general.name` decides which prefixes GPT4All allows. */
export function tinyEncoder(name: TinyEncoder, title?: string): Buffer {
  const file = TINY_ENCODERS[name]()
  if (title !== undefined) file.set('general.name', 'string', title)
  return file.bytes()
}

/** What its file says. */
export function tinyPooling(name: TinyEncoder): keyof typeof POOLING {
  if (name.startsWith('reranker')) return 'rank'
  if (name === 'qwen3') return 'last'
  return name === 'bert-cls' || name === 'neo-bert' ? 'cls' : 'mean'
}

const tokenTypes = (file: GgufWriter, count: number) => file.tensor('token_types.weight', [WIDTH, count])

function bert(tokenizer: Tokenizer = wordPiece, type: Type = 'F32'): GgufWriter {
  const file = start('bert', POOLING.mean)
  const tokens = tokenizer(file)
  tokenTypes(file, tokenizer === wordPiece ? 2 : 1).tensor('position_embd.weight', [WIDTH, CONTEXT])
  return postNorm(file, tokens, (blk) => plainFeedForward(file, blk, type), { type })
}

function nomicBert(): GgufWriter {
  const file = start('nomic-bert', POOLING.mean).set('nomic-bert.rope.freq_base', 'f32', 1000)
  const tokens = wordPiece(file)
  tokenTypes(file, 2)
  return postNorm(file, tokens, (blk) => gated(file, blk), { fused: true, bias: false })
}

function nomicBertMoe(): GgufWriter {
  const experts = 4
  const keys = { moe_every_n_layers: 2, expert_count: experts, expert_used_count: 2 }
  const file = start('nomic-bert-moe', POOLING.mean, keys)
  const tokens = unigram(file)
  tokenTypes(file, 1)
  const feedForward = (blk: string, layer: number) => {
    if (layer % 2 === 0) return plainFeedForward(file, blk)
    matrix(file, `${blk}.ffn_gate_inp`, WIDTH, experts)
    file.tensor(`${blk}.ffn_up_exps.weight`, [WIDTH, HIDDEN, experts])
    file.tensor(`${blk}.ffn_down_exps.weight`, [HIDDEN, WIDTH, experts])
  }
  return postNorm(file, tokens, feedForward, { fused: true })
}

/** ALiBi instead of positions */
function jinaBertV2(): GgufWriter {
  const file = start('jina-bert-v2', POOLING.mean)
  const tokens = wordPiece(file)
  tokenTypes(file, 2)
  return postNorm(file, tokens, (blk) => {
    gated(file, blk)
    file.tensor(`${blk}.ffn_down.bias`, [WIDTH])
  })
}

function jinaBertV3(): GgufWriter {
  const file = start('jina-bert-v3', POOLING.mean).set('jina-bert-v3.rope.freq_base', 'f32', 20_000)
  const tokens = unigram(file)
  tokenTypes(file, 1)
  return postNorm(file, tokens, (blk) => plainFeedForward(file, blk), { fused: true })
}

/** Sliding windows but for each third layer */
function modern(): GgufWriter {
  const file = start('modern-bert', POOLING.mean, { 'attention.sliding_window': 16 })
    .set('modern-bert.rope.freq_base', 'f32', 160_000)
    .set('modern-bert.rope.freq_base_swa', 'f32', 10_000)
  matrix(file, 'token_embd', WIDTH, modernBert(file))
  norm(file, 'token_embd_norm')
  norm(file, 'output_norm')
  return eachLayer(file, (blk, layer) => {
    if (layer > 0) norm(file, `${blk}.attn_norm`)
    fusedLayer(file, blk)
  })
}

function neoBert(): GgufWriter {
  const file = start('neo-bert', POOLING.cls)
  matrix(file, 'token_embd', WIDTH, wordPiece(file))
  norm(file, 'enc.output_norm')
  return eachLayer(file, (blk) => {
    norm(file, `${blk}.attn_norm`)
    fusedLayer(file, blk)
  })
}

function fusedLayer(file: GgufWriter, blk: string): void {
  matrix(file, `${blk}.attn_qkv`, WIDTH, 3 * WIDTH)
  matrix(file, `${blk}.attn_output`, WIDTH, WIDTH)
  norm(file, `${blk}.ffn_norm`)
  matrix(file, `${blk}.ffn_up`, WIDTH, 2 * HIDDEN)
  matrix(file, `${blk}.ffn_down`, HIDDEN, WIDTH)
}

/** Llama's layers, which share heads of keys and values. */
function decoder(
  architecture: string,
  tokenizer: Tokenizer,
  pooling: number,
  keys: Record<string, number> = {},
): GgufWriter {
  const file = start(architecture, pooling, {
    'attention.head_count_kv': SHARED_HEADS,
    'rope.dimension_count': HEAD,
    'attention.key_length': HEAD,
    'attention.value_length': HEAD,
    ...keys,
  })
  matrix(file, 'token_embd', WIDTH, tokenizer(file))
  norm(file, 'output_norm')
  return eachLayer(file, (blk) => {
    norm(file, `${blk}.attn_norm`)
    matrix(file, `${blk}.attn_q`, WIDTH, WIDTH)
    matrix(file, `${blk}.attn_k`, WIDTH, SHARED_HEADS * HEAD)
    matrix(file, `${blk}.attn_v`, WIDTH, SHARED_HEADS * HEAD)
    matrix(file, `${blk}.attn_output`, WIDTH, WIDTH)
    norm(file, `${blk}.ffn_norm`)
    gated(file, blk)
  })
}

const euroBert = () => decoder('eurobert', llama3, POOLING.mean)

function normedHeads(file: GgufWriter): GgufWriter {
  return eachLayer(file, (blk) => {
    norm(file, `${blk}.attn_q_norm`, HEAD)
    norm(file, `${blk}.attn_k_norm`, HEAD)
  })
}

function gemma(): GgufWriter {
  const file = decoder('gemma-embedding', enclosed, POOLING.mean, {
    'attention.sliding_window': 16,
    'attention.sliding_window_pattern': 2,
  })
  return eachLayer(normedHeads(file), (blk) => {
    norm(file, `${blk}.post_attention_norm`)
    norm(file, `${blk}.post_ffw_norm`)
  })
}

function gemmaDense(): GgufWriter {
  const inner = 48
  const file = gemma()
  for (const [key, value] of Object.entries({
    dense_2_feat_in: WIDTH,
    dense_2_feat_out: inner,
    dense_3_feat_in: inner,
    dense_3_feat_out: WIDTH,
  }))
    file.set(`gemma-embedding.${key}`, 'u32', value)
  matrix(file, 'dense_2', WIDTH, inner)
  return matrix(file, 'dense_3', inner, WIDTH)
}

const qwen3 = (pooling: number) =>
  normedHeads(decoder('qwen3', qwen, pooling)).set('qwen3.attention.causal', 'bool', true)

function t5Encoder(): GgufWriter {
  const file = start('t5encoder', POOLING.mean, {
    'attention.key_length': HEAD,
    'attention.value_length': HEAD,
    'attention.relative_buckets_count': 32,
  })
  matrix(file, 'token_embd', WIDTH, t5(file))
  norm(file, 'enc.output_norm')
  file.tensor('enc.blk.0.attn_rel_b.weight', [HEADS, 32])
  return eachLayer(
    file,
    (blk) => {
      norm(file, `${blk}.attn_norm`)
      for (const name of ['q', 'k', 'v', 'o']) matrix(file, `${blk}.attn_${name}`, WIDTH, WIDTH)
      norm(file, `${blk}.ffn_norm`)
      gated(file, blk)
    },
    'enc.blk',
  )
}

function scored(
  file: GgufWriter,
  architecture: string,
  parts: readonly ('cls' | 'norm' | 'output')[],
): GgufWriter {
  file.set(`${architecture}.pooling_type`, 'u32', POOLING.rank)
  // ModernBERT's first layer has no bias.
  if (parts.includes('cls')) (architecture === 'modern-bert' ? matrix : biased)(file, 'cls', WIDTH, WIDTH)
  if (parts.includes('norm')) norm(file, 'cls.norm')
  return biased(file, 'cls.output', WIDTH, 1)
}

/** One layer, and the hyperbolic tangent of its number. */
const jinaReranker = () =>
  biased(jinaBertV2().set('jina-bert-v2.pooling_type', 'u32', POOLING.rank), 'cls', WIDTH, 1)

const RERANK_TEMPLATE =
  '<|im_start|>judge the document by the query<|im_end|>\n' +
  '<|im_start|>query: {query}\ndocument: {document}<|im_end|>\n<|im_start|>'

/** The probability of "yes" out of two */
function qwenReranker(): GgufWriter {
  const file = qwen3(POOLING.rank)
    .setArray('qwen3.classifier.output_labels', 'string', ['yes', 'no'])
    .set('tokenizer.chat_template', 'string', '{{ messages }}')
    .setArray('tokenizer.chat_templates', 'string', ['rerank'])
    .set('tokenizer.chat_template.rerank', 'string', RERANK_TEMPLATE)
  return matrix(file, 'cls.output', WIDTH, 2)
}
