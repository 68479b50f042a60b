import { withProgressBar } from '../../models/download/progress-bar.ts'
import { type ModelLocation, titleOfModel } from '../../models/locate.ts'
import { obtainModel } from '../../models/obtain.ts'
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
  const own = await obtained(location, options, signal)
  const ownDraft = draft && !options.deterministic ? await obtained(draft, options, signal) : draft
  return IsolatedModel.open(engine, own, ownDraft, options, signal)
}

/** @internal The same for an embedding model. */
export async function openIsolatedEmbedder(
  engine: IsolatedEngine,
  location: ModelLocation,
  options: ResolvedEmbedderOptions,
  signal: AbortSignal,
): Promise<OpenEmbedder> {
  const { IsolatedEmbedder } = await import('./isolated-embedder.ts')
  return IsolatedEmbedder.open(engine, await obtained(location, options, signal), options, signal)
}

/** A model of Hugging Face is downloaded by this process: the engine's does not get the token. */
async function obtained(
  location: ModelLocation,
  options: ResolvedModelOptions,
  signal: AbortSignal,
): Promise<ModelLocation> {
  if (!location.hub) return location
  const path = await withProgressBar(titleOfModel(location), options, (onProgress) =>
    obtainModel(location, { ...options, onProgress, signal }),
  )
  return { asGiven: path, withExtension: path, isName: false }
}
