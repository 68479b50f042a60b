import { basename } from 'node:path'
import { damaged } from '../gguf/bytes.ts'
import { array, value, type WrittenValue, type WrittenValueType } from '../gguf/writer.ts'
import { cannotConvert } from './kinds.ts'
import type { GgmlFile, GgmlToken } from './reader.ts'

/** What the old formats do not tell, as llama.cpp's own converter assumes it. LLaMA 2's files tell themselves by name. */
const CONTEXT_LENGTH = 2048
const EPSILON = 5e-6
const LLAMA_2 = { contextLength: 4096, epsilon: 1e-5 }

/**
 * The GGUF metadata of an old file.
 * @throws {ModelError} `ERR_MODEL_DAMAGED`, `ERR_MODEL_UNSUPPORTED` where its tensors are not those of a whole model
 */
export function metadataOf(model: GgmlFile): (readonly [string, Buffer])[] {
  const { path, width, heads, layers, fileType, format } = model
  const headSize = width / heads
  const shape = (name: string) => {
    const tensor = model.tensors.find((one) => one.name === name)
    if (!tensor) throw damaged(path, `it has no tensor "${name}"`)
    return tensor.shape
  }
  const embedding = shape('token_embd.weight')
  if (embedding[0] !== width || embedding[1] !== model.tokens.length)
    throw cannotConvert(
      path,
      `[${embedding}] embeddings instead of [${width},${model.tokens.length}]: a part of a model in several files`,
    )
  const kvHeads = (shape('blk.0.attn_k.weight')[1] ?? 0) / headSize
  if (!Number.isInteger(kvHeads)) throw damaged(path, 'its keys are no whole number of heads')
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
  ]
}

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
  // Byte tokens come behind the first three, as the byte itself.
  if (id <= 258 && text.length === 1) return { text: `<0x${text.toString('hex').toUpperCase()}>`, type: BYTE }
  const spaced = text.includes(0x20)
    ? Buffer.from(text.toString('latin1').replaceAll(' ', '\xe2\x96\x81'), 'latin1')
    : text
  return { text: spaced, type: NORMAL }
}
