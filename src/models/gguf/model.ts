import { ModelError } from '../../core/errors.ts'
import { damaged } from './bytes.ts'
import type { GgufValue } from './reader.ts'
import type { GgufTensor } from './tensors.ts'

export type Metadata = ReadonlyMap<string, GgufValue>

/** The model being checked, with its path, so that every rule can name the file. */
export type Model = {
  readonly path: string
  readonly architecture: string
  readonly metadata: Metadata
  readonly tensors: readonly GgufTensor[]
}

export const unsupported = (path: string, detail: string) =>
  new ModelError('ERR_MODEL_UNSUPPORTED', `${path} ${detail}.`, path)

export function text(path: string, metadata: Metadata, key: string): string | undefined {
  const entry = metadata.get(key)
  if (entry === undefined) return undefined
  if (entry.type !== 'string') throw damaged(path, `"${key}" is not a string`)
  return entry.value as string
}

/** The numbers of a scalar (one) or of an array (each layer's). */
export function numbers({ path, metadata }: Model, key: string): readonly number[] | undefined {
  const entry = metadata.get(key)
  if (entry === undefined) return undefined
  const isNumber = (type: GgufValue['type']) => type !== 'string' && type !== 'array'
  if (entry.type !== 'array') {
    if (!isNumber(entry.type)) throw damaged(path, `"${key}" is not a number`)
    return [Number(entry.value)]
  }
  if (!isNumber(entry.of) || entry.values === undefined) throw damaged(path, `"${key}" holds no numbers`)
  return Array.from(entry.values as Iterable<number | bigint>, Number)
}

export const number = (model: Model, key: string) => numbers(model, key)?.[0]

/** A number of the metadata; the largest if the model has one for each layer. */
export function metaNumber(
  { architecture, metadata }: Pick<Model, 'architecture' | 'metadata'>,
  key: string,
): number | undefined {
  const entry = metadata.get(`${architecture}.${key}`)
  if (entry === undefined) return undefined
  if (entry.type !== 'array') return Number(entry.value)
  const values = Array.from(entry.values ?? [], Number)
  return values.length > 0 ? values.reduce((most, value) => Math.max(most, value)) : undefined
}

/** The value of one layer, from `values` with one for all layers or one for each. */
export const ofLayer = (values: readonly number[], layer: number) =>
  values.length === 1 ? values[0]! : (values[layer] ?? 0)
