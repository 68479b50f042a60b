import { GgufWriter } from './gguf-writer.ts'

/** Parts that several of the tiny encoders have. */

export const POOLING = { mean: 1, cls: 2, last: 3, rank: 4 } as const
export const WIDTH = 32
export const HEADS = 2
export const SHARED_HEADS = 1
export const HEAD = WIDTH / HEADS
export const HIDDEN = 64
const LAYERS = 3
export const CONTEXT = 256

export function start(architecture: string, pooling: number, keys: Record<string, number> = {}): GgufWriter {
  const file = new GgufWriter()
    .set('general.architecture', 'string', architecture)
    .set('general.name', 'string', `tiny random ${architecture}`)
    .set(`${architecture}.attention.causal`, 'bool', false)
  const counts = {
    context_length: CONTEXT,
    embedding_length: WIDTH,
    block_count: LAYERS,
    feed_forward_length: HIDDEN,
    pooling_type: pooling,
    'attention.head_count': HEADS,
    ...keys,
  }
  for (const [key, count] of Object.entries(counts)) file.set(`${architecture}.${key}`, 'u32', count)
  for (const key of ['attention.layer_norm_epsilon', 'attention.layer_norm_rms_epsilon'])
    file.set(`${architecture}.${key}`, 'f32', 1e-6)
  return file
}

export type Type = 'F32' | 'F16'

export const matrix = (file: GgufWriter, name: string, columns: number, rows: number, type: Type = 'F32') =>
  file.tensor(`${name}.weight`, [columns, rows], type)

export const biased = (file: GgufWriter, name: string, columns: number, rows: number, type?: Type) =>
  matrix(file, name, columns, rows, type).tensor(`${name}.bias`, [rows])

export const norm = (file: GgufWriter, name: string, width = WIDTH) =>
  file.tensor(`${name}.weight`, [width], 'F32', 1)

const biasedNorm = (file: GgufWriter, name: string) => norm(file, name).tensor(`${name}.bias`, [WIDTH])

export function eachLayer(
  file: GgufWriter,
  add: (blk: string, layer: number) => void,
  prefix = 'blk',
): GgufWriter {
  for (let layer = 0; layer < LAYERS; layer++) add(`${prefix}.${layer}`, layer)
  return file
}

export function gated(file: GgufWriter, blk: string): void {
  matrix(file, `${blk}.ffn_gate`, WIDTH, HIDDEN)
  matrix(file, `${blk}.ffn_up`, WIDTH, HIDDEN)
  matrix(file, `${blk}.ffn_down`, HIDDEN, WIDTH)
}

/** What follows BERT's embeddings: norms after each part. */
export function postNorm(
  file: GgufWriter,
  tokens: number,
  feedForward: (blk: string, layer: number) => void,
  { type = 'F32', fused = false, bias = true }: { type?: Type; fused?: boolean; bias?: boolean } = {},
): GgufWriter {
  const attention = bias ? biased : matrix
  matrix(file, 'token_embd', WIDTH, tokens, type)
  biasedNorm(file, 'token_embd_norm')
  return eachLayer(file, (blk, layer) => {
    if (fused) attention(file, `${blk}.attn_qkv`, WIDTH, 3 * WIDTH, type)
    else for (const name of ['q', 'k', 'v']) attention(file, `${blk}.attn_${name}`, WIDTH, WIDTH, type)
    attention(file, `${blk}.attn_output`, WIDTH, WIDTH, type)
    biasedNorm(file, `${blk}.attn_output_norm`)
    feedForward(blk, layer)
    biasedNorm(file, `${blk}.layer_output_norm`)
  })
}

export function plainFeedForward(file: GgufWriter, blk: string, type?: Type): void {
  biased(file, `${blk}.ffn_up`, WIDTH, HIDDEN, type)
  biased(file, `${blk}.ffn_down`, HIDDEN, WIDTH, type)
}
