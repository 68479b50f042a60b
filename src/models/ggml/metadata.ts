import { basename, dirname, join } from 'node:path'
import { damaged } from '../gguf/bytes.ts'
import type { GgufValue } from '../gguf/reader.ts'
import { array, value, type WrittenValue, type WrittenValueType } from '../gguf/writer.ts'
import { cannotConvert } from './kinds.ts'
import type { GgmlFile, GgmlToken } from './reader.ts'

/**
 * Values that the old formats lack, as llama.cpp's own converter assumes them. LLaMA 2's files are recognised
 * by name, or by shared key/value heads.
 */
const CONTEXT_LENGTH = 2048
const EPSILON = 5e-6
const LLAMA_2 = { contextLength: 4096, epsilon: 1e-5 }

/**
 * The GGUF metadata of an old file.
 * @throws {ModelError} `ERR_MODEL_DAMAGED`, `ERR_MODEL_UNSUPPORTED` if its tensors are not those of a whole
 * model
 */
export function metadataOf(model: GgmlFile, source: Source): (readonly [string, Buffer])[] {
  const { path, width, heads, layers, fileType, format } = model
  const headSize = width / heads
  const shape = (name: string) => {
    const tensor = model.tensors.find((one) => one.name === name)
    if (!tensor) throw damaged(path, `it has no tensor "${name}"`)
    return tensor.shape
  }
  checkTensors(model)
  const embedding = shape('token_embd.weight')
  if (embedding[0] !== width || embedding[1] !== model.tokens.length)
    throw cannotConvert(
      path,
      `[${embedding}] embeddings instead of [${width},${model.tokens.length}]: a part of a model in several files`,
    )
  const kvHeads = (shape('blk.0.attn_k.weight')[1] ?? 0) / headSize
  if (!Number.isInteger(kvHeads)) throw damaged(path, 'its keys are not a whole number of heads')
  const isLlama2 = /llama-?_?2/i.test(basename(path)) || kvHeads !== heads
  const one = (key: string, type: WrittenValueType, content: WrittenValue) =>
    [key, value(type, content)] as const
  return [
    one('general.architecture', 'string', 'llama'),
    one('general.name', 'string', basename(path)),
    one('general.description', 'string', `converted from legacy ${format} ${fileType.name} format`),
    one('general.file_type', 'u32', fileType.number),
    one('llama.context_length', 'u32', isLlama2 ? LLAMA_2.contextLength : CONTEXT_LENGTH),
    one('llama.embedding_length', 'u32', width),
    one('llama.block_count', 'u32', layers),
    one('llama.feed_forward_length', 'u32', shape('blk.0.ffn_gate.weight')[1] ?? 0),
    one('llama.rope.dimension_count', 'u32', headSize),
    one('llama.attention.head_count', 'u32', heads),
    one('llama.attention.head_count_kv', 'u32', kvHeads),
    one('llama.attention.layer_norm_rms_epsilon', 'f32', isLlama2 ? LLAMA_2.epsilon : EPSILON),
    ...vocabularyOf(model.tokens),
    one(SOURCE.bytes, 'u64', source.bytes),
    one(SOURCE.modifiedMs, 'f64', source.modifiedMs),
  ]
}

/** The tensors of a whole model, which has no others. */
const TENSORS = ['token_embd', 'output_norm', 'output']
const LAYER_TENSORS = [
  'attn_q',
  'attn_k',
  'attn_v',
  'attn_output',
  'attn_norm',
  'ffn_gate',
  'ffn_down',
  'ffn_up',
  'ffn_norm',
]

function checkTensors({ path, layers, tensors }: GgmlFile): void {
  const names = new Set(tensors.map(({ name }) => name))
  const parts = Array.from({ length: layers }, (_, layer) =>
    LAYER_TENSORS.map((part) => `blk.${layer}.${part}`),
  )
  const expected = [...TENSORS, ...parts.flat()].map((name) => `${name}.weight`)
  const missing = expected.find((name) => !names.has(name))
  if (missing) throw damaged(path, `it has no tensor "${missing}" (truncated)`)
  if (names.size > expected.length) throw damaged(path, `it has tensors of more than its ${layers} layers`)
}

// ---- the file it was made from

/** The old file, as recorded in the GGUF file. */
export type Source = { readonly bytes: number; readonly modifiedMs: number }

const SOURCE = { bytes: 'gpt4all_ts.source.bytes', modifiedMs: 'gpt4all_ts.source.modified_ms' }

/** What a GGUF file was made from; `undefined` if it is not a conversion of ours. */
export function sourceIn(metadata: ReadonlyMap<string, GgufValue>): Source | undefined {
  const number = (key: string) => {
    const entry = metadata.get(key)
    return entry === undefined || entry.type === 'array' ? undefined : Number(entry.value)
  }
  const [bytes, modifiedMs] = [number(SOURCE.bytes), number(SOURCE.modifiedMs)]
  return bytes === undefined || modifiedMs === undefined ? undefined : { bytes, modifiedMs }
}

/** The old file that the one at `path` was made from, even if it no longer exists; else `path` itself. */
export function originalFile(path: string, metadata: ReadonlyMap<string, GgufValue>): string {
  const name = metadata.get('general.name')
  if (!sourceIn(metadata) || name?.type !== 'string') return path
  return join(dirname(path), basename(String(name.value)))
}

// ---- the vocabulary

/** SentencePiece's kinds of tokens. */
const [NORMAL, UNKNOWN, CONTROL, BYTE] = [1, 2, 3, 6] as const
/** Every LLaMA vocabulary begins with these, whatever text the old file has for them. */
const FIRST = ['<unk>', '<s>', '</s>'] as const

function vocabularyOf(tokens: readonly GgmlToken[]): (readonly [string, Buffer])[] {
  const named = tokens.map(({ text }, id) => nameOf(text, id))
  return [
    ['tokenizer.ggml.model', value('string', 'llama')],
    ['tokenizer.ggml.pre', value('string', 'default')],
    [
      'tokenizer.ggml.tokens',
      array(
        'string',
        named.map(({ text }) => text),
      ),
    ],
    [
      'tokenizer.ggml.scores',
      array(
        'f32',
        tokens.map(({ score }) => score),
      ),
    ],
    [
      'tokenizer.ggml.token_type',
      array(
        'i32',
        named.map(({ type }) => type),
      ),
    ],
    ['tokenizer.ggml.unknown_token_id', value('u32', 0)],
    ['tokenizer.ggml.bos_token_id', value('u32', 1)],
    ['tokenizer.ggml.eos_token_id', value('u32', 2)],
  ]
}

function nameOf(text: Buffer, id: number): { readonly text: string | Uint8Array; readonly type: number } {
  const first = FIRST[id]
  if (first !== undefined) return { text: first, type: id === 0 ? UNKNOWN : CONTROL }
  if (text.length === 0) return { text, type: CONTROL }
  // Byte tokens follow the first three, as the byte itself.
  if (id <= 258 && text.length === 1) return { text: `<0x${text.toString('hex').toUpperCase()}>`, type: BYTE }
  const spaced = text.includes(0x20)
    ? Buffer.from(text.toString('latin1').replaceAll(' ', '\xe2\x96\x81'), 'latin1')
    : text
  return { text: spaced, type: NORMAL }
}
