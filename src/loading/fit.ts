import { ModelError } from '../core/errors.ts'
import type { GgufHeader } from '../models/gguf/header.ts'
import { metaNumber } from '../models/gguf/model.ts'
import type { KvType } from '../native/contract.ts'
import type { CacheTypes } from '../options/compute.ts'
import { KV_TYPES } from '../options/compute.ts'
import { headLength, isLatent } from './memory-shape.ts'

/**
 * Refuses types in which this model's keys and values cannot be stored. llama.cpp would notice only after
 * reading the weights, and with flash attention off only by aborting.
 * @throws {ModelError} `ERR_MODEL_UNSUPPORTED`
 */
export function checkCache(header: GgufHeader, { keyType, valueType }: CacheTypes): void {
  const refuse = (why: string) => {
    throw new ModelError('ERR_MODEL_UNSUPPORTED', `${header.path} ${why}`, header.path)
  }
  if (isLatent(header) && keyType !== valueType)
    refuse(
      `keeps keys and values as one, so kvType must be the same for both, not ${keyType} and ${valueType}.`,
    )
  const check = (of: 'key' | 'value', type: KvType) => {
    const { block } = KV_TYPES[type]
    const lengths = [headLength(header, of), metaNumber(header, `attention.${of}_length_swa`) ?? 0]
    const wrong = lengths.find((length) => length % block !== 0)
    if (wrong === undefined) return
    const name = of === 'key' ? 'k' : 'v'
    refuse(
      `has ${of}s of ${wrong} numbers a head, which ${type} cannot keep in blocks of ${block}: choose f16, bf16 or f32 as kvType.${name}.`,
    )
  }
  check('key', keyType)
  check('value', valueType)
}

/** Learned positions, one row per token (GPT-2, StarCoder): beyond the last one llama.cpp aborts. */
const POSITIONS = 'position_embd.weight'

/** @throws {ModelError} `ERR_MODEL_UNSUPPORTED` where the model has no positions for `nCtx` tokens */
export function checkPositions({ path, tensors }: GgufHeader, nCtx: number): void {
  const most = tensors.find(({ name }) => name === POSITIONS)?.shape[1]
  if (most === undefined || nCtx <= most) return
  const message = `${path} has learned positions for ${most} tokens, not for ${nCtx}: set nCtx to ${most} or less.`
  throw new ModelError('ERR_MODEL_UNSUPPORTED', message, path)
}
