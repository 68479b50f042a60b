import { damaged } from '../bytes.ts'
import { type Model, number, numbers, unsupported } from '../model.ts'

export function checkLayers(model: Model): void {
  const { architecture, path } = model
  const layers = number(model, `${architecture}.block_count`)!
  const extra = number(model, `${architecture}.nextn_predict_layers`) ?? 0
  if (extra === layers) throw unsupported(path, 'holds only a draft head, which needs its target model')
  if (extra > layers)
    throw damaged(path, `"${architecture}.nextn_predict_layers" is ${extra}, of ${layers} layers in all`)
  // asserted (n_layer_kv_from_start): the last layers read the keys and values of the last two that have
  // their own
  const shared = number(model, `${architecture}.attention.shared_kv_layers`) ?? 0
  if (architecture === 'gemma4' && shared > layers - 2)
    throw damaged(path, `"${architecture}.attention.shared_kv_layers" is ${shared}, of ${layers} layers`)
}

/** If a pattern says which layers have the sliding window, one must (asserted). A single 1 means none. */
export function checkWindows(model: Model): void {
  const key = `${model.architecture}.attention.sliding_window_pattern`
  const window = number(model, `${model.architecture}.attention.sliding_window`) ?? 0
  const pattern = numbers(model, key)
  if (window === 0 || pattern === undefined) return
  const isOfLayers = model.metadata.get(key)?.type === 'array'
  const none = isOfLayers ? pattern.every((layer) => layer === 0) : pattern[0] === 1
  if (none) throw damaged(model.path, `"${key}" gives no layer the sliding window`)
  // Layers of dots3note without a window have a memory of their own, which is asserted to exist.
  if (model.architecture === 'dots3note' && isOfLayers && pattern.every((layer) => layer !== 0))
    throw damaged(model.path, `"${key}" gives all layers the sliding window`)
}
