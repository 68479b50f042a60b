import { seeded, tensorData, tensorType, type WrittenTensorType } from './gguf-writer.ts'

/** Writes model files in the formats before GGUF: random weights, every byte and the letters as vocabulary. */
export type OldModel = {
  readonly magic: 'ggml' | 'ggmf' | 'ggjt'
  /** Not in `ggml`. */
  readonly version?: number
  /** Of the matrices. @default `F32` */
  readonly type?: WrittenTensorType
  /** llama_ftype, as the file tells it. */
  readonly fileType?: number
  /** Fewer than heads: as LLaMA 2's 70B has them. @default 4 */
  readonly kvHeads?: number
  /** Values per row: a k-quant needs multiples of 256. @default 64 */
  readonly width?: number
  readonly layers?: number
  /** Adds tokens with an own text. */
  readonly tokens?: readonly string[]
  readonly seed?: number
  /** Weights of zero, which take no time to make. */
  readonly empty?: boolean
}

const HEADS = 4
const LETTERS = [...'abcdefghijklmnopqrstuvwxyz']

export function oldModel(model: OldModel): Buffer {
  return Buffer.concat(oldModelParts(model))
}

/** The same in pieces, for large ones. */
export function oldModelParts(model: OldModel): Buffer[] {
  return [...head(model), ...tensors(model)]
}

const u32 = (...numbers: readonly number[]) => Buffer.from(Uint32Array.from(numbers).buffer)

function head({
  magic,
  version,
  fileType = 0,
  width = 64,
  layers = 2,
  tokens: more = [],
}: OldModel): Buffer[] {
  const bytes = Array.from({ length: 256 }, (_, byte) => Buffer.of(byte))
  const texts = [' ⁇ ', '', '', ...bytes, ' ', ...LETTERS, ...LETTERS.map((letter) => ` ${letter}`), ...more]
  const tokens = texts.flatMap((text, id) => {
    const content = Buffer.from(text as string)
    const score = Buffer.from(Float32Array.of(id < 259 ? 0 : -id).buffer)
    return [u32(content.length), content, ...(magic === 'ggml' ? [] : [score])]
  })
  return [
    Buffer.from([...magic].reverse().join('')),
    ...(version === undefined ? [] : [u32(version)]),
    u32(texts.length, width, 256, HEADS, layers, width / HEADS, fileType),
    ...tokens,
  ]
}

function tensors(model: OldModel): Buffer[] {
  const { magic, type = 'F32', width = 64, layers = 2, kvHeads = HEADS, tokens = [], seed = 1, empty } = model
  const random = seeded(seed)
  const hidden = 4 * width
  const kvWidth = (width / HEADS) * kvHeads
  const vocabulary = 3 + 256 + 1 + 2 * LETTERS.length + tokens.length
  const parts: Buffer[] = []
  let at = head(model).reduce((sum, part) => sum + part.length, 0)
  const add = (name: string, shape: readonly number[]) => {
    const isVector = shape.length === 1
    const kind = isVector ? 'F32' : type
    const info = Buffer.concat([
      u32(shape.length, Buffer.byteLength(name), tensorType(kind)),
      u32(...shape),
      Buffer.from(name),
    ])
    const padding = magic === 'ggjt' ? -(at + info.length) & 31 : 0
    const data = tensorData(shape, kind, random, isVector ? 1 : empty ? 0 : undefined)
    parts.push(info, Buffer.alloc(padding), data)
    at += info.length + padding + data.length
  }
  add('tok_embeddings.weight', [width, vocabulary])
  add('norm.weight', [width])
  add('output.weight', [width, vocabulary])
  for (let layer = 0; layer < layers; layer++) {
    const of = (name: string) => `layers.${layer}.${name}.weight`
    add(of('attention.wq'), [width, width])
    add(of('attention.wk'), [width, kvWidth])
    add(of('attention.wv'), [width, kvWidth])
    add(of('attention.wo'), [width, width])
    add(of('attention_norm'), [width])
    add(of('feed_forward.w1'), [width, hidden])
    add(of('feed_forward.w2'), [hidden, width])
    add(of('feed_forward.w3'), [width, hidden])
    add(of('ffn_norm'), [width])
  }
  return parts
}
