import { GgufWriter, type WrittenTensorType } from './gguf-writer.ts'

/**
 * Models of a few dozen KB with random weights: llama.cpp loads and runs them, and what they say is noise. One of
 * each kind that llama.cpp treats differently.
 */
export const TINY_MODELS = {
  llama: () => transformer('llama'),
  /** Weights that native/tuning/matmul.cc multiplies; llama.cpp repacks Q4_0 */
  'llama-q4_0': () => transformer('llama', 'Q4_0'),
  'llama-q4_1': () => transformer('llama', 'Q4_1'),
  'llama-q4_0-wide': () => wide(),
  /** Shares key/value heads and quantizes; a mixture of experts. */
  'llama-moe': () => mixtureOfExperts(),
  /** Sliding window */
  gemma3: () => gemma3(),
  /** Recurrent */
  mamba: () => mamba(),
  /** Hybrid: a convolution layer, then an attention layer */
  lfm2: () => lfm2(),
  /** Encoder-decoder */
  t5: () => t5(),
  /** Encoder */
  bert: () => bert(),
  /** Diffusion */
  llada: () => transformer('llada'),
  /** Known to nobody */
  unknownarch: () => transformer('unknownarch'),
} as const satisfies Record<string, () => GgufWriter>

export type TinyModel = keyof typeof TINY_MODELS

/** The file of a tiny model, as bytes. */
export function tinyModel(name: TinyModel): Buffer {
  return TINY_MODELS[name]().bytes()
}

const WIDTH = 32
const HEADS = 4
const SHARED_HEADS = 2
const HEAD = WIDTH / HEADS
const HIDDEN = 64
const LAYERS = 2
const CONTEXT = 256
const LETTERS = [...'▁abcdefghijklmnopqrstuvwxyz']
export const TINY_VOCABULARY = 3 + 256 + LETTERS.length

const KINDS = { control: 3, 'user-defined': 4 } as const

/** A vocabulary without weights that knows these texts as tokens of their own. */
export function vocabularyWith(texts: readonly string[], kind: keyof typeof KINDS): Buffer {
  return sentencePiece(attention(start('llama'), 'llama'), texts, KINDS[kind]).bytes()
}

/** SentencePiece: three special tokens, every byte, the letters, and more tokens of their own. */
export function sentencePiece(
  file: GgufWriter,
  more: readonly string[] = [],
  kind: number = KINDS.control,
): GgufWriter {
  const hex = (byte: number) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`
  const bytes = Array.from({ length: 256 }, (_, byte) => hex(byte))
  const tokens = ['<unk>', '<s>', '</s>', ...bytes, ...LETTERS, ...more]
  const types = [2, 3, 3, ...bytes.map(() => 6), ...LETTERS.map(() => 1), ...more.map(() => kind)]
  return file
    .set('tokenizer.ggml.model', 'string', 'llama')
    .setArray('tokenizer.ggml.tokens', 'string', tokens)
    .setArray(
      'tokenizer.ggml.scores',
      'f32',
      tokens.map((_, id) => -id),
    )
    .setArray('tokenizer.ggml.token_type', 'i32', types)
    .set('tokenizer.ggml.bos_token_id', 'u32', 1)
    .set('tokenizer.ggml.eos_token_id', 'u32', 2)
    .set('tokenizer.ggml.unknown_token_id', 'u32', 0)
}

function start(architecture: string): GgufWriter {
  return new GgufWriter()
    .set('general.architecture', 'string', architecture)
    .set('general.name', 'string', `tiny random ${architecture}`)
    .set(`${architecture}.context_length`, 'u32', CONTEXT)
    .set(`${architecture}.embedding_length`, 'u32', WIDTH)
    .set(`${architecture}.block_count`, 'u32', LAYERS)
    .set(`${architecture}.feed_forward_length`, 'u32', HIDDEN)
}

function attention(file: GgufWriter, architecture: string, shared: number = SHARED_HEADS): GgufWriter {
  return file
    .set(`${architecture}.attention.head_count`, 'u32', HEADS)
    .set(`${architecture}.attention.head_count_kv`, 'u32', shared)
    .set(`${architecture}.attention.layer_norm_rms_epsilon`, 'f32', 1e-5)
    .set(`${architecture}.rope.dimension_count`, 'u32', HEAD)
    .set(`${architecture}.rope.freq_base`, 'f32', 10_000)
}

const norm = (file: GgufWriter, name: string, width = WIDTH) =>
  file.tensor(`${name}.weight`, [width], 'F32', 1)

type Quantized = Extract<WrittenTensorType, 'Q4_0' | 'Q4_1' | 'Q8_0'>

function matrix(
  file: GgufWriter,
  name: string,
  columns: number,
  rows: number,
  type: Quantized = 'Q8_0',
): void {
  file.tensor(`${name}.weight`, [columns, rows], columns % 32 === 0 ? type : 'F16')
}

function attentionTensors(file: GgufWriter, layer: number, type?: Quantized): void {
  matrix(file, `blk.${layer}.attn_q`, WIDTH, WIDTH, type)
  matrix(file, `blk.${layer}.attn_k`, WIDTH, SHARED_HEADS * HEAD, type)
  matrix(file, `blk.${layer}.attn_v`, WIDTH, SHARED_HEADS * HEAD, type)
  matrix(file, `blk.${layer}.attn_output`, WIDTH, WIDTH, type)
}

function feedForwardTensors(file: GgufWriter, prefix: string, type?: Quantized): void {
  matrix(file, `${prefix}.ffn_gate`, WIDTH, HIDDEN, type)
  matrix(file, `${prefix}.ffn_up`, WIDTH, HIDDEN, type)
  matrix(file, `${prefix}.ffn_down`, HIDDEN, WIDTH, type)
}

function transformer(architecture: string, type?: Quantized): GgufWriter {
  const file = sentencePiece(attention(start(architecture), architecture))
  matrix(file, 'token_embd', WIDTH, TINY_VOCABULARY, type)
  norm(file, 'output_norm')
  for (let layer = 0; layer < LAYERS; layer++) {
    norm(file, `blk.${layer}.attn_norm`)
    attentionTensors(file, layer, type)
    norm(file, `blk.${layer}.ffn_norm`)
    feedForwardTensors(file, `blk.${layer}`, type)
  }
  return file
}

/** Rows of many blocks, and many rows. */
function wide(): GgufWriter {
  const hidden = 512
  const file = transformer('llama', 'Q4_0').set('llama.feed_forward_length', 'u32', hidden)
  for (let layer = 0; layer < LAYERS; layer++) {
    for (const name of ['ffn_gate', 'ffn_up', 'ffn_down']) file.removeTensor(`blk.${layer}.${name}.weight`)
    for (const name of ['ffn_gate', 'ffn_up']) matrix(file, `blk.${layer}.${name}`, WIDTH, hidden, 'Q4_0')
    matrix(file, `blk.${layer}.ffn_down`, hidden, WIDTH, 'Q4_0')
  }
  return file
}

function mixtureOfExperts(): GgufWriter {
  const experts = 4
  const file = transformer('llama')
    .set('llama.expert_count', 'u32', experts)
    .set('llama.expert_used_count', 'u32', 2)
  for (let layer = 0; layer < LAYERS; layer++) {
    for (const name of ['ffn_gate', 'ffn_up', 'ffn_down']) file.removeTensor(`blk.${layer}.${name}.weight`)
    file.tensor(`blk.${layer}.ffn_gate_inp.weight`, [WIDTH, experts])
    file.tensor(`blk.${layer}.ffn_gate_exps.weight`, [WIDTH, HIDDEN, experts], 'Q8_0')
    file.tensor(`blk.${layer}.ffn_up_exps.weight`, [WIDTH, HIDDEN, experts], 'Q8_0')
    file.tensor(`blk.${layer}.ffn_down_exps.weight`, [HIDDEN, WIDTH, experts], 'Q8_0')
  }
  return file
}

function gemma3(): GgufWriter {
  const file = transformer('gemma3')
    .set('gemma3.attention.key_length', 'u32', HEAD)
    .set('gemma3.attention.value_length', 'u32', HEAD)
    .set('gemma3.attention.sliding_window', 'u32', 16)
  for (let layer = 0; layer < LAYERS; layer++) {
    norm(file, `blk.${layer}.attn_q_norm`, HEAD)
    norm(file, `blk.${layer}.attn_k_norm`, HEAD)
    norm(file, `blk.${layer}.post_attention_norm`)
    norm(file, `blk.${layer}.post_ffw_norm`)
  }
  return file
}

function mamba(): GgufWriter {
  const inner = 2 * WIDTH
  const state = 16
  const rank = 2
  const kernel = 4
  const file = sentencePiece(start('mamba'))
    .set('mamba.feed_forward_length', 'u32', 0)
    .set('mamba.attention.head_count', 'u32', 0)
    .set('mamba.attention.layer_norm_rms_epsilon', 'f32', 1e-5)
    .set('mamba.ssm.conv_kernel', 'u32', kernel)
    .set('mamba.ssm.inner_size', 'u32', inner)
    .set('mamba.ssm.state_size', 'u32', state)
    .set('mamba.ssm.time_step_rank', 'u32', rank)
  matrix(file, 'token_embd', WIDTH, TINY_VOCABULARY)
  norm(file, 'output_norm')
  for (let layer = 0; layer < LAYERS; layer++) {
    const blk = `blk.${layer}`
    norm(file, `${blk}.attn_norm`)
    matrix(file, `${blk}.ssm_in`, WIDTH, 2 * inner)
    file.tensor(`${blk}.ssm_conv1d.weight`, [kernel, inner]).tensor(`${blk}.ssm_conv1d.bias`, [inner])
    matrix(file, `${blk}.ssm_x`, inner, rank + 2 * state)
    file.tensor(`${blk}.ssm_dt.weight`, [rank, inner]).tensor(`${blk}.ssm_dt.bias`, [inner])
    file.tensor(`${blk}.ssm_a`, [state, inner], 'F32', -1).tensor(`${blk}.ssm_d`, [inner])
    matrix(file, `${blk}.ssm_out`, inner, WIDTH)
  }
  return file
}

function lfm2(): GgufWriter {
  const kernel = 3
  const file = sentencePiece(attention(start('lfm2'), 'lfm2'))
    .set('lfm2.shortconv.l_cache', 'u32', kernel)
    // A layer without key/value heads is a convolution.
    .setArray('lfm2.attention.head_count_kv', 'u32', [0, SHARED_HEADS])
  matrix(file, 'token_embd', WIDTH, TINY_VOCABULARY)
  norm(file, 'token_embd_norm')
  for (let layer = 0; layer < LAYERS; layer++) {
    const blk = `blk.${layer}`
    norm(file, `${blk}.attn_norm`)
    norm(file, `${blk}.ffn_norm`)
    feedForwardTensors(file, blk)
  }
  file.tensor('blk.0.shortconv.conv.weight', [kernel, WIDTH])
  matrix(file, 'blk.0.shortconv.in_proj', WIDTH, 3 * WIDTH)
  matrix(file, 'blk.0.shortconv.out_proj', WIDTH, WIDTH)
  attentionTensors(file, 1)
  norm(file, 'blk.1.attn_q_norm', HEAD)
  norm(file, 'blk.1.attn_k_norm', HEAD)
  return file
}

function t5(): GgufWriter {
  const file = sentencePiece(attention(start('t5'), 't5', HEADS))
    .set('tokenizer.ggml.model', 'string', 't5')
    .set('t5.attention.key_length', 'u32', HEAD)
    .set('t5.attention.value_length', 'u32', HEAD)
    .set('t5.attention.relative_buckets_count', 'u32', 32)
    .set('t5.decoder_start_token_id', 'u32', 0)
  matrix(file, 'token_embd', WIDTH, TINY_VOCABULARY)
  for (const [part, blocks] of [
    ['enc', ['attn']],
    ['dec', ['attn', 'cross_attn']],
  ] as const) {
    norm(file, `${part}.output_norm`)
    for (let layer = 0; layer < LAYERS; layer++) {
      const blk = `${part}.blk.${layer}`
      for (const block of blocks) {
        norm(file, `${blk}.${block}_norm`)
        for (const name of ['q', 'k', 'v', 'o']) matrix(file, `${blk}.${block}_${name}`, WIDTH, WIDTH)
      }
      if (layer === 0) file.tensor(`${blk}.attn_rel_b.weight`, [HEADS, 32])
      norm(file, `${blk}.ffn_norm`)
      feedForwardTensors(file, blk)
    }
  }
  return file
}

/** WordPiece */
function bert(): GgufWriter {
  const tokens = [
    '[PAD]',
    '[UNK]',
    '[CLS]',
    '[SEP]',
    '[MASK]',
    ...LETTERS,
    ...LETTERS.slice(1).map((letter) => `▁${letter}`),
  ]
  const file = start('bert')
    .set('bert.attention.head_count', 'u32', HEADS)
    .set('bert.attention.layer_norm_epsilon', 'f32', 1e-12)
    .set('bert.attention.causal', 'bool', false)
    .set('bert.pooling_type', 'u32', 1)
    .set('tokenizer.ggml.model', 'string', 'bert')
    .set('tokenizer.ggml.token_type_count', 'u32', 2)
    .setArray('tokenizer.ggml.tokens', 'string', tokens)
    .setArray(
      'tokenizer.ggml.token_type',
      'i32',
      tokens.map((_, id) => (id < 5 ? 3 : 1)),
    )
    .set('tokenizer.ggml.bos_token_id', 'u32', 2)
    .set('tokenizer.ggml.unknown_token_id', 'u32', 1)
    .set('tokenizer.ggml.seperator_token_id', 'u32', 3)
    .set('tokenizer.ggml.padding_token_id', 'u32', 0)
    .set('tokenizer.ggml.mask_token_id', 'u32', 4)
  matrix(file, 'token_embd', WIDTH, tokens.length)
  file.tensor('token_types.weight', [WIDTH, 2]).tensor('position_embd.weight', [WIDTH, CONTEXT])
  const normAndBias = (name: string) => norm(file, name).tensor(`${name}.bias`, [WIDTH])
  normAndBias('token_embd_norm')
  for (let layer = 0; layer < LAYERS; layer++) {
    const blk = `blk.${layer}`
    for (const name of ['attn_q', 'attn_k', 'attn_v', 'attn_output']) {
      matrix(file, `${blk}.${name}`, WIDTH, WIDTH)
      file.tensor(`${blk}.${name}.bias`, [WIDTH])
    }
    normAndBias(`${blk}.attn_output_norm`)
    matrix(file, `${blk}.ffn_up`, WIDTH, HIDDEN)
    file.tensor(`${blk}.ffn_up.bias`, [HIDDEN])
    matrix(file, `${blk}.ffn_down`, HIDDEN, WIDTH)
    file.tensor(`${blk}.ffn_down.bias`, [WIDTH])
    normAndBias(`${blk}.layer_output_norm`)
  }
  return file
}
