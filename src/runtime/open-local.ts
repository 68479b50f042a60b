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
  type Purpose,
  type Weights,
} from '../loading/open.ts'
import { type RpcServersInUse, useRpcServers } from '../loading/rpc-handshake.ts'
import { templatesFromCatalog } from '../models/catalog/entry.ts'
import { withProgressBar } from '../models/download/progress-bar.ts'
import { asGguf } from '../models/ggml/convert.ts'
import { type ModelLocation, titleOfModel } from '../models/locate.ts'
import { type ObtainRequest, obtainModel } from '../models/obtain.ts'
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
  const binding = loadBinding()
  const open = async (request: FileRequest, opening: Opening) => {
    const draftPath =
      draftLocation && !options.deterministic
        ? await asGguf(await obtainModel(draftLocation, request), request)
        : undefined
    return opening((weights) => startOn(binding, weights, draftPath, request, signal))
  }
  const { opened, servers } = await openFile(binding, { embeds: false }, location, options, signal, open)
  return new LocalModel(binding, opened, options, servers)
}

type FileRequest = ResolvedModelOptions & Pick<ObtainRequest, 'purpose'> & { readonly signal: AbortSignal }

/** Opens the model's file, and starts what computes with its weights. */
type Opening = <Started>(start: (weights: Weights) => Promise<Started>) => Promise<Opened<Started>>

type Opened<Started> = Started & Pick<LocalModelParts, 'weights' | 'fallbacks'>

/** Finds the file at `location` or downloads it; `open` then opens it, and what else is needed. */
export async function openFile<Result>(
  binding: NativeBinding,
  purpose: Purpose,
  location: ModelLocation,
  options: ResolvedModelOptions,
  signal: AbortSignal,
  open: (request: FileRequest, opening: Opening) => Promise<Result>,
): Promise<{ readonly opened: Result; readonly servers: RpcServersInUse }> {
  signal.throwIfAborted()
  const servers = await useRpcServers(options.rpcServers, signal) // before anything is downloaded
  try {
    const devices = candidates(binding, options)
    const name = titleOfModel(location)
    const opened = await withProgressBar(name, options, async (onProgress) => {
      const request = { ...options, onProgress, signal, purpose: servedBy(purpose) }
      const path = await asGguf(await obtainModel(location, request), request)
      return open(request, async (start) => {
        const file = await checkModelFile(binding, path, purpose, request, signal)
        try {
          return await openOnFirstDevice(binding, file, devices, request, signal, start)
        } finally {
          file.known.child?.dismiss()
        }
      })
    })
    return { opened, servers }
  } catch (error) {
    servers.release()
    throw error
  }
}

/** With a pooling of its own any model makes embeddings. */
function servedBy(purpose: Purpose): ObtainRequest['purpose'] {
  if (!purpose.embeds) return 'text'
  return purpose.pooling === undefined ? 'embeddings' : undefined
}

/**
 * Loads the weights, and starts what computes with them, on the first device on which both succeed.
 * @throws {DeviceError} `ERR_DEVICE` where there is no such device
 */
export async function openOnFirstDevice<Started>(
  binding: NativeBinding,
  file: CheckedFile,
  devices: readonly (DeviceCandidate | DeviceFallback)[],
  options: ResolvedModelOptions,
  signal: AbortSignal,
  start: (weights: Weights) => Promise<Started>,
): Promise<Opened<Started>> {
  const fallbacks = new Fallbacks(options.logger)
  for (const candidate of devices) {
    if ('reason' in candidate) {
      fallbacks.add(candidate.device, candidate.reason)
      continue
    }
    const gpus = gpusFor(candidate, file, options)
    try {
      const weights = await loadWeights(binding, file, gpus, options, signal)
      return { ...(await start(weights)), weights, fallbacks: fallbacks.list }
    } catch (error) {
      fallbacks.addFailed(candidate, gpus, file.header, options, error)
    }
  }
  throw fallbacks.error(binding)
}

/** Starts the scheduler; `start` is a parameter for tests. */
export async function startOn(
  binding: NativeBinding,
  weights: Weights,
  draftPath: string | undefined,
  options: ResolvedModelOptions,
  signal: AbortSignal,
  start: typeof startScheduler = startScheduler,
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
