import type { ModelLocation } from '../../models/locate.ts'
import type { ResolvedModelOptions } from '../../options/model.ts'
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
