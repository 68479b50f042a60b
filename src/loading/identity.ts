import { createHash } from 'node:crypto'
import { ModelError, messageOf } from '../core/errors.ts'
import { openFile } from '../models/gguf/bytes.ts'
import type { ResolvedModelOptions } from '../options/model.ts'
import type { Weights } from './open.ts'

/** What a saved conversation is bound to, as SHA-256 hashes. */
export type Identity = {
  /** Where equal, the same tokens mean the same. */
  readonly modelHash: string
  /** Where equal, the cache also holds the same for them, in the same format. */
  readonly cacheHash: string
}

/** @throws {ModelError} `ERR_MODEL_UNREADABLE` where the model's files are gone */
export async function identify(
  weights: Weights,
  options: ResolvedModelOptions,
  llamaVersion: string,
): Promise<Identity> {
  try {
    return await hashesOf(weights, options, llamaVersion)
  } catch (error) {
    const { path } = weights.header
    const message = `${path} can no longer be identified: ${messageOf(error)}`
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
    deterministic && nThreads, // a deterministic model promises the same text, bit by bit
  ]
  return { modelHash, cacheHash: createHash('sha256').update(JSON.stringify(parts)).digest('hex') }
}

const WINDOW = 2 ** 16
const WINDOWS = 64

/**
 * SHA-256 of what identifies these files: their sizes, and 64 pieces of 64 KiB of each, including its
 * beginning and end. Reading all of a model would take longer than loading it.
 */
async function fingerprintOf(files: readonly { readonly path: string; readonly bytes: number }[]) {
  const hash = createHash('sha256')
  const window = Buffer.allocUnsafe(WINDOW)
  for (const { path, bytes } of files) {
    hash.update(`${bytes};`)
    const file = await openFile(path)
    try {
      const last = Math.max(0, bytes - WINDOW)
      for (let i = 0; i < WINDOWS; i++) {
        const { bytesRead } = await file.read(window, 0, WINDOW, Math.floor((last * i) / (WINDOWS - 1)))
        hash.update(window.subarray(0, bytesRead))
      }
    } finally {
      await file.close()
    }
  }
  return hash.digest('hex')
}
