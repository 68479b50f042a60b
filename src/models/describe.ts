import { basename } from 'node:path'
import { type GgufHeader, type GgufTensor, purposeOf } from './gguf/header.ts'
import { metaNumber } from './gguf/model.ts'

/** What the header of a model file says about the model. */
export type ModelDescription = {
  /** Name of the file. */
  readonly filename: string
  /** Path of the file. */
  readonly path: string
  /** Size of the file in bytes; of all its files if the model is split. */
  readonly filesize: number
  /** `general.name` of the GGUF, or the file's name if it has none. */
  readonly name: string
  /** Architecture, for example `llama`. */
  readonly architecture: string
  /**
   * What it is for: `GPT4All` opens models that write text, `Embed4All` those that make embeddings, and `Reranker`
   * those that rank documents. `undefined` for models that do none of these: they translate whole texts, or do not
   * say how they embed.
   */
  readonly purpose: 'text' | 'embeddings' | 'ranking' | undefined
  /** Number format of most of the weights, for example `Q4_0`. */
  readonly quantization: string
  /** Number of weights. */
  readonly parameters: number
  /** Context size in tokens that the model was trained with; `undefined` if the file does not say. */
  readonly trainedContextSize: number | undefined
  /** Number of tokens in the vocabulary. */
  readonly vocabularySize: number
  /** Source of the chat template (Jinja); `undefined` if there is none. */
  readonly chatTemplate: string | undefined
}

export function describe(header: GgufHeader): ModelDescription {
  const { path, fileBytes, architecture, metadata, tensors, tokenCount } = header
  const text = (key: string) => {
    const entry = metadata.get(key)
    return entry?.type === 'string' ? String(entry.value) : undefined
  }
  return {
    filename: basename(path),
    path,
    filesize: fileBytes,
    name: text('general.name') ?? basename(path),
    architecture,
    purpose: purposeOf(header),
    quantization: mostUsed(tensors),
    parameters: tensors.reduce(
      (sum, { shape }) => sum + shape.reduce((product, size) => product * size, 1),
      0,
    ),
    trainedContextSize: metaNumber(header, 'context_length'),
    vocabularySize: tokenCount,
    chatTemplate: text('tokenizer.chat_template'),
  }
}

function mostUsed(tensors: readonly GgufTensor[]): string {
  const bytes = new Map<string, number>()
  for (const tensor of tensors) bytes.set(tensor.type, (bytes.get(tensor.type) ?? 0) + tensor.bytes)
  const [[type] = ['']] = [...bytes].sort(([, one], [, other]) => other - one)
  return type
}
