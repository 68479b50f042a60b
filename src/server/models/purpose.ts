import { Embed4All, GPT4All, type ModelDescription, type ModelOptions, Reranker } from '../../index.ts'
import { badParameter } from '../errors.ts'

export type Purpose = NonNullable<ModelDescription['purpose']>

type Models = { readonly text: GPT4All; readonly embeddings: Embed4All; readonly ranking: Reranker }

/** The class of the models that serve a purpose. */
export type ModelFor<P extends Purpose> = Models[P]

/** What a server can serve. */
export type AnyModel = ModelFor<Purpose>

/** What a model for a purpose does, where to ask it, and by which methods it is known. */
const PURPOSES: {
  readonly [P in Purpose]: {
    readonly does: string
    readonly path: string
    readonly methods: readonly (keyof ModelFor<P> & string)[]
  }
} = {
  text: {
    does: 'writes text',
    path: '/v1/chat/completions',
    methods: ['open', 'generate', 'chatSession'],
  },
  embeddings: { does: 'makes embeddings', path: '/v1/embeddings', methods: ['open', 'embed', 'embedInputs'] },
  ranking: { does: 'ranks documents', path: '/v1/rerank', methods: ['open', 'rank', 'rankCounted'] },
}

/** A program may hold two copies of the library, each with classes of its own. */
export function isModel(value: unknown): value is AnyModel {
  return purposeOf(value) !== undefined
}

/** What an open or closed model is for; `undefined` for anything else. */
export function purposeOf(value: unknown): Purpose | undefined {
  const given = Object(value) as Record<string, unknown>
  if (typeof given.name !== 'string') return undefined
  const purposes = Object.keys(PURPOSES) as Purpose[]
  return purposes.find((one) => PURPOSES[one].methods.every((name) => typeof given[name] === 'function'))
}

export const doesWhat = (purpose: Purpose): string => PURPOSES[purpose].does

/** @throws {ApiError} 400 for a request that asks a model for what it does not do */
export function checkPurpose(id: string, purpose: Purpose | undefined, wanted: Purpose): void {
  if (purpose === undefined || purpose === wanted) return
  const { does, path } = PURPOSES[purpose]
  const message = `"${id}" ${does}. Ask it at ${path}, or name a model that ${doesWhat(wanted)}.`
  throw badParameter('model', message, 'unsupported_model')
}

/** Opens a file for a purpose. */
export function load(name: string, purpose: Purpose, options: ModelOptions): Promise<AnyModel> {
  if (purpose === 'text') return GPT4All.load(name, options)
  // The others are about text, and an adapter is of one model.
  const { parallel, maxQueue, cacheMemory, draftModel, deterministic, ...some } = options
  const { modelConfigFile, nThreadsBatch, kvType, lora, ...shared } = some
  return purpose === 'embeddings' ? Embed4All.load(name, shared) : Reranker.load(name, shared)
}
