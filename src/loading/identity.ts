import { createHash } from 'node:crypto'
import { ModelError } from '../core/errors.ts'
import type { ResolvedModelOptions } from '../options/model.ts'
import { fingerprintOf } from './fingerprint.ts'
import type { Weights } from './open.ts'

/** What a saved conversation is bound to, as SHA-256. */
export type Identity = {
  /** The same tokens mean the same. */
  readonly modelHash: string
  /** And what the cache holds of them is the same, in the same format. */
  readonly cacheHash: string
}

/** @throws {ModelError} `ERR_MODEL_UNREADABLE` where its files are gone */
export async function identify(
  weights: Weights,
  options: ResolvedModelOptions,
  llamaVersion: string,
): Promise<Identity> {
  try {
    return await hashesOf(weights, options, llamaVersion)
  } catch (error) {
    const { path } = weights.header
    const message = `${path} cannot be told from other models any more: ${(error as Error).message}`
    throw new ModelError('ERR_MODEL_UNREADABLE', message, path, { cause: error })
  }
}

async function hashesOf(
  { header, adapters }: Weights,
  { keyType, valueType, lora, deterministic, nThreads }: ResolvedModelOptions,
  llamaVersion: string,
): Promise<Identity> {
  const modelHash = await fingerprintOf(header.files)
  const parts = [
    modelHash,
    llamaVersion,
    keyType,
    valueType,
    await fingerprintOf(adapters),
    lora.map(({ scale }) => scale),
    deterministic && nThreads, // which promises the same text bit by bit
  ]
  return { modelHash, cacheHash: createHash('sha256').update(JSON.stringify(parts)).digest('hex') }
}
