import { damaged } from '../bytes.ts'
import type { Model } from '../model.ts'
import { isTable } from '../tables.ts'

/** Types of intermediate results: products with these abort or call a null pointer on the CPU. */
const NO_WEIGHT_TYPES = ['Q8_1', 'Q8_K', 'I8', 'I16', 'I32', 'I64', 'F64']
/** Tensors added to or multiplied with activations value by value, which ggml only does in F32. */
const VALUE_BY_VALUE =
  /norm(_\w+)?\.weight$|\.(bias|scale)$|\.ssm_(a|d)$|\.ssm_conv1d\.weight$|\.shortconv\.conv\.weight$|^rope_\w+\.weight$/

export function checkTensorTypes(model: Model): void {
  const { path, tensors } = model
  for (const { name, type, shape } of tensors) {
    if (isTable(model, name)) continue
    if (NO_WEIGHT_TYPES.includes(type))
      throw damaged(path, `tensor "${name}" is stored as ${type}, which weights never are`)
    if ((VALUE_BY_VALUE.test(name) || shape.length === 1) && type !== 'F32')
      throw damaged(path, `tensor "${name}" is stored as ${type}; it can only be F32`)
  }
}

/** llama.cpp reports this as "wrong shape"; this names the vocabulary as the cause. */
export function checkEmbedding({ path, tensors }: Model, tokenCount: number): void {
  const embedding = tensors.find((tensor) => tensor.name === 'token_embd.weight')
  const rows = embedding?.shape[1] ?? 1
  if (embedding !== undefined && tokenCount > 0 && rows !== tokenCount)
    throw damaged(path, `it embeds ${rows} tokens, but its vocabulary has ${tokenCount}`)
}
