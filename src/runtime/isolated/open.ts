import type { ModelLocation } from '../../models/locate.ts'
import type { ResolvedEmbedderOptions } from '../../options/embed.ts'
import type { ResolvedModelOptions } from '../../options/model.ts'
import type { OpenEmbedder } from '../embedder.ts'
import type { OpenModel } from '../model.ts'
import type { IsolatedEngine } from './engine.ts'

/**
 * @internal Opens a model in an engine's process. Its code is loaded only now, as most programs have no
 * engine.
 */
export async function openIsolated(
  engine: IsolatedEngine,
  location: ModelLocation,
  draft: ModelLocation | undefined,
  options: ResolvedModelOptions,
  signal: AbortSignal,
): Promise<OpenModel> {
  const { IsolatedModel } = await import('./isolated-model.ts')
  return IsolatedModel.open(engine, location, draft, options, signal)
}

/** @internal The same for an embedding model. */
export async function openIsolatedEmbedder(
  engine: IsolatedEngine,
  location: ModelLocation,
  options: ResolvedEmbedderOptions,
  signal: AbortSignal,
): Promise<OpenEmbedder> {
  const { IsolatedEmbedder } = await import('./isolated-embedder.ts')
  return IsolatedEmbedder.open(engine, location, options, signal)
}
