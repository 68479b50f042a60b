import { ModelError } from '../core/errors.ts'
import type { GgufHeader } from '../models/gguf/header.ts'

/** Learned positions, one row a token (GPT-2, StarCoder): behind the last one llama.cpp aborts. */
const POSITIONS = 'position_embd.weight'

/** @throws {ModelError} `ERR_MODEL_UNSUPPORTED` where the model has no positions for so many tokens */
export function checkPositions({ path, tensors }: GgufHeader, nCtx: number): void {
  const most = tensors.find(({ name }) => name === POSITIONS)?.shape[1]
  if (most === undefined || nCtx <= most) return
  const message = `${path} has learned positions for ${most} tokens, not for ${nCtx}: set nCtx to ${most} or less.`
  throw new ModelError('ERR_MODEL_UNSUPPORTED', message, path)
}
