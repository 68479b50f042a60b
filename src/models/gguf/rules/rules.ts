import { damaged } from '../bytes.ts'
import type { Model } from '../model.ts'
import { checkAssumptions } from './assumptions.ts'
import { checkExperts } from './experts.ts'
import { checkHeads } from './heads.ts'
import { checkLayers, checkWindows } from './layers.ts'
import { checkNumbers } from './numbers.ts'
import { checkRecurrence } from './recurrence.ts'
import { checkRope } from './rope.ts'
import { checkEmbedding, checkTensorTypes } from './weights.ts'

/**
 * The meaning of a header beyond its format. Each check stands for an abort, a crash or a hang in llama.cpp.
 */
export function checkModel(model: Model, tokenCount: number): void {
  if (model.tensors.length === 0) throw damaged(model.path, 'it holds no tensors, so at most a vocabulary')
  checkNumbers(model)
  checkLayers(model)
  checkHeads(model)
  checkWindows(model)
  checkExperts(model)
  checkRope(model)
  checkRecurrence(model)
  checkAssumptions(model)
  checkTensorTypes(model)
  checkEmbedding(model, tokenCount)
}
