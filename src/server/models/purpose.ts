import { Embed4All, GPT4All, type ModelDescription, type ModelOptions } from '../../index.ts'
import { badParameter } from '../errors.ts'

/** What a server can serve. */
export type AnyModel = GPT4All | Embed4All

export type Purpose = NonNullable<ModelDescription['purpose']>

/** The class of the models that serve a purpose. */
export type ModelFor<P extends Purpose> = P extends 'text' ? GPT4All : Embed4All

/** A program may hold two copies of the library, each with classes of its own. */
export function isModel(value: unknown): value is AnyModel {
  return purposeOf(value) !== undefined
}

/** What an open or closed model is for; `undefined` for anything else. */
export function purposeOf(value: unknown): Purpose | undefined {
  const { open, name, generate, chatSession, embed, embedInputs } = Object(value) as Partial<
    GPT4All & Embed4All
  >
  const areFunctions = (...all: readonly unknown[]) => all.every((one) => typeof one === 'function')
  if (typeof name !== 'string') return undefined
  if (areFunctions(open, generate, chatSession)) return 'text'
  return areFunctions(open, embed, embedInputs) ? 'embeddings' : undefined
}

/** @throws {ApiError} 400 for a request that asks a model for what it does not do */
export function checkPurpose(id: string, purpose: Purpose | undefined, wanted: Purpose): void {
  if (purpose === undefined || purpose === wanted) return
  const does =
    purpose === 'text'
      ? 'writes text and makes no embeddings. Ask an embedding model'
      : 'makes embeddings, not text. Ask it at /v1/embeddings'
  throw badParameter('model', `"${id}" ${does}.`, 'unsupported_model')
}

/** Opens a file for a purpose. */
export function load(name: string, purpose: Purpose, options: ModelOptions): Promise<AnyModel> {
  if (purpose === 'text') return GPT4All.load(name, options)
  // The others are about text, and an adapter is of one model.
  const { parallel, maxQueue, cacheMemory, draftModel, deterministic, ...some } = options
  const { modelConfigFile, nThreadsBatch, kvType, lora, ...shared } = some
  return Embed4All.load(name, shared)
}
