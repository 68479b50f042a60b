import { basename } from 'node:path'
import { PromptFormats } from '../chat/template/format.ts'
import type { DeviceFallback } from '../core/errors.ts'
import type { DeviceCandidate } from '../loading/devices.ts'
import { loadDraft } from '../loading/draft.ts'
import {
  type CheckedFile,
  candidates,
  checkModelFile,
  Fallbacks,
  gpusFor,
  loadWeights,
  type Weights,
} from '../loading/open.ts'
import { useRpcServers } from '../loading/rpc-handshake.ts'
import { templatesFromCatalog } from '../models/catalog/entry.ts'
import { withProgressBar } from '../models/download/progress-bar.ts'
import { asGguf } from '../models/ggml/convert.ts'
import type { ModelLocation } from '../models/locate.ts'
import { obtainModel } from '../models/obtain.ts'
import { loadBinding } from '../native/binding.ts'
import type { NativeBinding } from '../native/contract.ts'
import type { ResolvedModelOptions } from '../options/model.ts'
import { LocalModel, type LocalModelParts } from './local-model.ts'
import { startScheduler } from './start-scheduler.ts'

/**
 * @internal Opens the model at `location` in this process, and with it the draft model that guesses for it.
 */
export async function openLocal(
  location: ModelLocation,
  draftLocation: ModelLocation | undefined,
  options: ResolvedModelOptions,
  signal: AbortSignal,
): Promise<LocalModel> {
  signal.throwIfAborted()
  const binding = loadBinding()
  const servers = await useRpcServers(options.rpcServers, signal) // before anything is downloaded
  try {
    const devices = candidates(binding, options)
    const name = basename(location.withExtension)
    const parts = await withProgressBar(name, options, async (onProgress) => {
      const request = { ...options, onProgress, signal }
      const path = await asGguf(await obtainModel(location, request), request)
      const draftPath =
        draftLocation && !options.deterministic
          ? await asGguf(await obtainModel(draftLocation, request), request)
          : undefined
      const file = await checkModelFile(binding, path, request, signal)
      try {
        return await openOnFirstDevice(binding, file, draftPath, devices, request, signal)
      } finally {
        file.known.child?.dismiss()
      }
    })
    return new LocalModel(binding, parts, options, servers)
  } catch (error) {
    servers.release()
    throw error
  }
}

/**
 * Loads the weights and starts the scheduler on the first device on which both succeed. `start` is a
 * parameter for tests.
 * @throws {DeviceError} `ERR_DEVICE` where there is no such device
 */
export async function openOnFirstDevice(
  binding: NativeBinding,
  file: CheckedFile,
  draftPath: string | undefined,
  devices: readonly (DeviceCandidate | DeviceFallback)[],
  options: ResolvedModelOptions,
  signal: AbortSignal,
  start = startScheduler,
): Promise<LocalModelParts> {
  const fallbacks = new Fallbacks(options.logger)
  for (const candidate of devices) {
    if ('reason' in candidate) {
      fallbacks.add(candidate.device, candidate.reason)
      continue
    }
    const gpus = gpusFor(candidate, file.header, options)
    try {
      const weights = await loadWeights(binding, file, gpus, options, signal)
      const started = await startOn(binding, weights, draftPath, options, signal, start)
      return { ...started, weights, fallbacks: fallbacks.list }
    } catch (error) {
      fallbacks.addFailed(candidate, gpus, file.header, options, error)
    }
  }
  throw fallbacks.error(binding)
}

async function startOn(
  binding: NativeBinding,
  weights: Weights,
  draftPath: string | undefined,
  options: ResolvedModelOptions,
  signal: AbortSignal,
  start: typeof startScheduler,
): Promise<Pick<LocalModelParts, 'scheduler' | 'formats' | 'closing'>> {
  const { native, header, gpus, opens } = weights
  const closing = new AbortController()
  const formats = formatsOf(binding, weights, options, closing.signal)
  const draft = draftPath ? () => loadDraft(binding, draftPath, native, options, gpus, signal) : undefined
  // Started first: the context is made on a thread of its own while the template occupies this one.
  const starting = start(binding, native, header, options, draft)
  try {
    const [scheduler] = await Promise.all([starting, formats.warmUp(signal), opens])
    scheduler.warmUp()
    return { scheduler, formats, closing }
  } catch (error) {
    await starting.then(
      (scheduler) => scheduler.close(),
      () => {},
    )
    weights.discard(error)
    throw error
  }
}

function formatsOf(
  binding: NativeBinding,
  { native, original, entry }: Weights,
  { allowDownload, logger }: ResolvedModelOptions,
  signal: AbortSignal,
): PromptFormats {
  const lookUp = async () => {
    const found = await templatesFromCatalog(original, { signal, logger })
    signal.throwIfAborted()
    return found
  }
  return new PromptFormats({
    binding,
    model: native,
    entry,
    logger,
    lookUp: allowDownload ? lookUp : undefined,
  })
}
