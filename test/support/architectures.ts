import { readFileSync } from 'node:fs'
import {
  GgufWriter,
  type WrittenTensorType,
  type WrittenValue,
  type WrittenValueType,
} from './gguf-writer.ts'
import { sentencePiece, TINY_VOCABULARY } from './tiny-models.ts'

/**
 * Every architecture that llama.cpp knows, as a tiny model with random weights: architectures.json says which metadata and
 * tensors one needs (test/golden/architectures.cc has written it).
 */
type Architecture = {
  readonly keys: Readonly<Record<string, readonly [WrittenValueType, WrittenValue | readonly WrittenValue[]]>>
  /** Name, shape, and the type where it is not F32. */
  readonly tensors: readonly (readonly [string, readonly number[], string?])[]
}

const file = new URL('../golden/architectures.json', import.meta.url)
const known: Readonly<Record<string, Architecture>> = JSON.parse(readFileSync(file, 'utf8'))

/** Their names; `<architecture>-moe` is one with experts of an architecture that may have none. */
export const ARCHITECTURES = Object.keys(known)

/** Those that are quantized stay small. */
const MOST_ELEMENTS = 4096
const WEIGHT = /(token_embd|output|attn_\w+|ffn_\w+|_exps|_shexp|proj)\.weight$/

/** `leftOut`: tensors that it does without, as some of its models do. */
export function architectureModel(name: string, leftOut: readonly string[] = []): GgufWriter {
  const { keys, tensors } = known[name]!
  const vocabulary = tensors.find(([tensor]) => tensor === 'token_embd.weight')?.[1][1] ?? TINY_VOCABULARY
  const more = Array.from({ length: Math.max(0, vocabulary - TINY_VOCABULARY) }, (_, i) => `<more ${i}>`)
  const model = new GgufWriter()
    .set('general.architecture', 'string', Object.keys(keys)[0]!.split('.')[0]!)
    .set('general.name', 'string', 'tiny random model') // of some names llama.cpp expects tokens
  for (const [key, [type, value]] of Object.entries(keys))
    if (Array.isArray(value)) model.setArray(key, type, value)
    else model.set(key, type, value as WrittenValue)
  // llama.cpp's own tests have heads of 32 there, beyond whose ends it computes.
  if (name.endsWith('rwkv7')) model.set(`${name}.wkv.head_size`, 'u32', 64)
  sentencePiece(model, more).set('tokenizer.ggml.token_type_count', 'u32', 2)
  for (const [tensor, shape, type] of tensors)
    if (!leftOut.includes(tensor)) model.tensor(tensor, shape, typeOf(tensor, shape, type))
  return model
}

function typeOf(name: string, shape: readonly number[], type = 'f32'): WrittenTensorType {
  const elements = shape.reduce((product, size) => product * size, 1)
  if (elements > MOST_ELEMENTS && shape[0]! % 32 === 0 && WEIGHT.test(name) && !name.includes('norm'))
    return 'Q8_0'
  return type.toUpperCase() as WrittenTensorType
}
