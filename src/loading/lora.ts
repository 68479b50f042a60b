import { ModelError } from '../core/errors.ts'
import { damaged } from '../models/gguf/bytes.ts'
import { asModelFile, type GgufHeader, type GgufTensor, type ModelFile } from '../models/gguf/header.ts'
import { text, unsupported } from '../models/gguf/model.ts'
import { type GgufFile, readGgufFile } from '../models/gguf/reader.ts'
import { findOnDisk, locateModel, missing } from '../models/locate.ts'
import type { ResolvedModelOptions } from '../options/model.ts'

/** The types that convert_lora_to_gguf.py writes: with others ggml may abort. */
const TENSOR_TYPES = ['F32', 'F16', 'BF16', 'Q8_0']

/**
 * Finds and checks the files of the LoRA adapters in `options`: llama.cpp answers some of the damaged ones,
 * and some that belong to another model, with `abort()`.
 * @throws {ModelError} `ERR_MODEL_NOT_FOUND`, `ERR_MODEL_UNREADABLE`, `ERR_NOT_GGUF`, `ERR_MODEL_DAMAGED`, or
 * `ERR_MODEL_UNSUPPORTED` where one is not a LoRA adapter, or not one for `model`
 */
export async function findAdapters(
  { lora, modelPath }: ResolvedModelOptions,
  model: GgufHeader,
  signal: AbortSignal,
): Promise<readonly ModelFile[]> {
  const files: ModelFile[] = []
  for (const adapter of lora) {
    const location = locateModel(adapter.path, modelPath)
    const path = await findOnDisk(location)
    if (path === undefined) throw missing(location, 'LoRA adapters are not downloaded: give the path of one.')
    const file = await readGgufFile(path, () => undefined, signal)
    checkAdapter(file, model)
    files.push(asModelFile(file))
  }
  return files
}

function checkAdapter(adapter: GgufFile, model: GgufHeader): void {
  const { path, metadata } = adapter
  const isLora =
    text(path, metadata, 'general.type') === 'adapter' && text(path, metadata, 'adapter.type') === 'lora'
  if (!isLora) {
    const isModel = adapter.tensors.some(({ name }) => name === 'token_embd.weight')
    throw unsupported(path, isModel ? 'is a whole model, not a LoRA adapter' : 'is not a LoRA adapter')
  }
  const architecture = text(path, metadata, 'general.architecture')
  if (architecture !== model.architecture)
    throw foreign(adapter, `it is made for the architecture "${architecture ?? ''}"`, model)
  const alpha = metadata.get('adapter.lora.alpha')
  if (alpha !== undefined && alpha.type !== 'f32')
    throw damaged(path, '"adapter.lora.alpha" is not a 32-bit floating-point number')
  if (metadata.has('adapter.alora.invocation_tokens'))
    throw unsupported(path, 'holds an adapter that applies only from the middle of a prompt (aLoRA)')
  checkPairs(adapter, model)
}

/**
 * An adapter changes each weight by `b` times `a`, and may otherwise hold only norms, which llama.cpp
 * ignores.
 */
function checkPairs(adapter: GgufFile, model: GgufHeader): void {
  const { path } = adapter
  const weights = new Map(model.tensors.map((tensor) => [tensor.name, tensor]))
  const parts = new Map(adapter.tensors.map((tensor) => [tensor.name, tensor]))
  if (parts.size === 0) throw damaged(path, 'it holds no tensors')
  for (const { name, type } of adapter.tensors) {
    const suffix = /\.lora_[ab]$/.exec(name)?.[0]
    if (suffix === undefined && name.endsWith('_norm.weight')) continue
    if (suffix === undefined) throw damaged(path, `the tensor "${name}" is not part of a LoRA adapter`)
    if (!TENSOR_TYPES.includes(type))
      throw unsupported(path, `holds the tensor "${name}" of type ${type}, which adapters cannot have`)
    const target = name.slice(0, -suffix.length)
    const weight = weights.get(target)
    if (weight === undefined) throw foreign(adapter, `it changes the tensor "${target}"`, model)
    // One table may serve to read tokens and to write them: llama.cpp has a single shape for both.
    if (target.endsWith('token_embd.weight'))
      throw unsupported(path, `changes the token embeddings ("${target}"), which is not supported`)
    const a = parts.get(`${target}.lora_a`)
    const b = parts.get(`${target}.lora_b`)
    if (!a || !b) throw damaged(path, `one half of the pair for "${target}" is missing`)
    checkShapes(adapter, a, b, weight, model)
  }
}

/** `a`: [in, rank], `b`: [rank, out], and a third dimension where the weight has one (experts). */
function checkShapes(
  adapter: GgufFile,
  a: GgufTensor,
  b: GgufTensor,
  weight: GgufTensor,
  model: GgufHeader,
): void {
  const [inputs, rank, ...experts] = padded(a)
  const [rankOfB, outputs, ...expertsOfB] = padded(b)
  const shown = ({ shape }: GgufTensor) => `[${shape.join(', ')}]`
  if (rank !== rankOfB || experts.join() !== expertsOfB.join())
    throw damaged(
      adapter.path,
      `the halves of the pair for "${weight.name}" do not match: ${shown(a)}, ${shown(b)}`,
    )
  if ([inputs, outputs, ...experts].join() !== padded(weight).join())
    throw foreign(
      adapter,
      `"${weight.name}" is ${shown(weight)} there, which ${shown(a)} and ${shown(b)} do not fit`,
      model,
    )
}

const padded = ({ shape }: GgufTensor) => [...shape, 1, 1, 1].slice(0, 4)

const foreign = ({ path }: GgufFile, why: string, model: GgufHeader) =>
  new ModelError('ERR_MODEL_UNSUPPORTED', `${path} is not an adapter for ${model.path}: ${why}.`, path)
