import type { GgufWriter } from './gguf-writer.ts'
import { sentencePiece } from './tiny-models.ts'

/** The kinds of vocabularies that embedding models have, as small as they can be; each gives its number of tokens. */
export type Tokenizer = (file: GgufWriter) => number

const LETTERS = [...'abcdefghijklmnopqrstuvwxyz']
const CONTROL = 3
const UNKNOWN = 2

type Ids = Partial<Record<'bos' | 'eos' | 'unknown' | 'seperator' | 'padding' | 'cls' | 'mask', number>>
type Vocabulary = {
  readonly model: string
  readonly tokens: readonly string[]
  readonly types: readonly number[]
  readonly ids: Ids
}

function setVocabulary(file: GgufWriter, { model, tokens, types, ids }: Vocabulary): number {
  file
    .set('tokenizer.ggml.model', 'string', model)
    .setArray('tokenizer.ggml.tokens', 'string', tokens)
    .setArray('tokenizer.ggml.token_type', 'i32', types)
  for (const [name, id] of Object.entries(ids)) file.set(`tokenizer.ggml.${name}_token_id`, 'u32', id)
  return tokens.length
}

const addEnds = (file: GgufWriter, { bos, eos }: { bos: boolean; eos: boolean }) =>
  file.set('tokenizer.ggml.add_bos_token', 'bool', bos).set('tokenizer.ggml.add_eos_token', 'bool', eos)

const typesOf = (tokens: readonly string[], controls: number) =>
  tokens.map((_, id) => (id < controls ? CONTROL : 1))

/** BERT's: words begin with `▁` here, [CLS] and [SEP] enclose. */
export const wordPiece: Tokenizer = (file) => {
  const marks = [...'.,:;!?-0123456789']
  const tokens = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', ...LETTERS]
  for (const one of [...LETTERS, ...marks]) tokens.push(`▁${one}`)
  const words = ['the', 'cat', 'sat', 'rain', 'search', 'query', 'document']
  tokens.push(...words.map((word) => `▁${word}`), 'ing', 'er', 'ed')
  file.set('tokenizer.ggml.token_type_count', 'u32', 2)
  return setVocabulary(file, {
    model: 'bert',
    tokens,
    types: typesOf(tokens, 5),
    ids: { bos: 2, eos: 3, unknown: 1, seperator: 3, padding: 0, cls: 2, mask: 4 },
  })
}

/** XLM-RoBERTa's: Unigram, `<s>` and `</s>` enclose. */
export const unigram: Tokenizer = (file) => {
  const words = ['▁', ...LETTERS, ...[...'.,!?-'], '▁the', '▁cat', '▁sat', '▁rain', 'ing', 'er', 'in', 'at']
  const tokens = ['<s>', '<pad>', '</s>', '<unk>', ...words]
  addEnds(file, { bos: true, eos: true })
    .set('tokenizer.ggml.token_type_count', 'u32', 1)
    .set('tokenizer.ggml.add_space_prefix', 'bool', true)
    .set('tokenizer.ggml.remove_extra_whitespaces', 'bool', true)
    .setArray(
      'tokenizer.ggml.scores',
      'f32',
      tokens.map((token, id) => (id < 4 ? 0 : -8 / token.length)),
    )
  return setVocabulary(file, {
    model: 't5',
    tokens,
    types: tokens.map((_, id) => (id === 3 ? UNKNOWN : id < 4 ? CONTROL : 1)),
    ids: { bos: 0, eos: 2, unknown: 3, seperator: 2, padding: 1, cls: 0 },
  })
}

/** T5's: Unigram with `</s>` at the end only. */
export const t5: Tokenizer = (file) => {
  const count = unigram(file)
  addEnds(file, { bos: false, eos: true })
  return count
}

/** Gemma's and Llama's: SentencePiece, enclosed as well. */
export const enclosed: Tokenizer = (file) => {
  addEnds(sentencePiece(file), { bos: true, eos: true })
  return 3 + 256 + 1 + LETTERS.length
}

/** GPT-2's: the bytes as characters, and a few merges. */
const bytePairs = (file: GgufWriter, pre: string, special: readonly string[], ids: Ids) => {
  const merges = ['t h', 'th e', 'Ġ the', 'i n', 'in g', 'a t', 'Ġ c', 'Ġc at', 'e r']
  const tokens = [...special, ...BYTES, ...merges.map((merge) => merge.replace(' ', ''))]
  file.set('tokenizer.ggml.pre', 'string', pre).setArray('tokenizer.ggml.merges', 'string', merges)
  return setVocabulary(file, { model: 'gpt2', tokens, types: typesOf(tokens, special.length), ids })
}

/** ModernBERT's: [CLS] and [SEP] enclose, and two [SEP] stand between the parts of a pair. */
export const modernBert: Tokenizer = (file) => {
  addEnds(file, { bos: true, eos: true }).set('tokenizer.ggml.add_sep_token', 'bool', true)
  const special = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]']
  const ids = { bos: 2, eos: 3, unknown: 1, seperator: 3, padding: 0, cls: 2, mask: 4 }
  return bytePairs(file, 'modern-bert', special, ids)
}

/** EuroBERT's, which is Llama 3's: nothing is added, so that an empty text has no token. */
export const llama3: Tokenizer = (file) => {
  addEnds(file, { bos: false, eos: false })
  return bytePairs(file, 'llama-bpe', ['<|begin_of_text|>', '<|end_of_text|>', '<|mask|>'], {
    bos: 0,
    eos: 1,
  })
}

/** Qwen's: one token at the end. */
export const qwen: Tokenizer = (file) => {
  addEnds(file, { bos: false, eos: true })
  return bytePairs(file, 'qwen2', ['<|endoftext|>', '<|im_start|>', '<|im_end|>'], { eos: 0, padding: 0 })
}

/** Each byte as GPT-2 writes it: those without a character of their own get those after U+0100. */
const BYTES = (() => {
  let next = 256
  return Array.from({ length: 256 }, (_, byte) => {
    const isVisible = (byte > 32 && byte < 127) || (byte > 160 && byte !== 173)
    return String.fromCodePoint(isVisible ? byte : next++)
  })
})()
