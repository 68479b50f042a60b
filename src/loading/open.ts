import { DeviceError, type DeviceFallback, GPT4AllError, ModelError, optionError } from '../core/errors.ts'
import { gibibytes } from '../core/sizes.ts'
import { findEntry, type TemplateEntry } from '../models/catalog/entry.ts'
import { originalFile } from '../models/ggml/metadata.ts'
import { assertGeneratesText, type GgufHeader, type ModelFile, readGguf } from '../models/gguf/header.ts'
import type { TrialChild } from '../native/child/trial-child.ts'
import type { NativeBinding, NativeModel } from '../native/contract.ts'
import type { ResolvedModelOptions } from '../options/model.ts'
import { type Candidate, choose, type Device, findCandidates, label, presentDevices } from './devices.ts'
import { checkCache } from './kv-cache.ts'
import { findAdapters } from './lora.ts'
import { checkMemory, planMemory } from './memory.ts'
import { metaNumber } from './memory-shape.ts'
import { checkPositions } from './positions.ts'
import { startEarly, tryOpening } from './trial/trial.ts'
import { isLoaded, load } from './weights.ts'

/** What there is once the weights are loaded. */
export type Weights = {
  readonly native: NativeModel
  readonly header: GgufHeader
  /** The file that catalogs know: the old one where the GGUF file was made of it. */
  readonly original: string
  /** What a catalog says of this very file. */
  readonly entry: TemplateEntry | undefined
  /** The GPUs it was given; empty = it computes on the CPU. */
  readonly gpus: readonly Device[]
  /** Its LoRA adapters. */
  readonly adapters: readonly ModelFile[]
}

export type WeightsAndStart<Started> = Weights & {
  readonly started: Started
  readonly fallbacks: readonly DeviceFallback[]
}

/** Starts what computes with a loaded model; nothing is computed before the model is known to `open`, where it is tried. */
type Start<Started> = (weights: Weights, opens: Promise<void> | undefined) => Promise<Started>

/**
 * Where to try to open a model, in this order; in place of a device that is not there, the reason.
 * @throws {DeviceError} `ERR_DEVICE` with `strictDevice`, when none of them is there
 */
export function candidates(
  binding: NativeBinding,
  { device, strictDevice, rpcServers }: ResolvedModelOptions,
): (Candidate | DeviceFallback)[] {
  for (const server of rpcServers) binding.addRpcServer(server)
  // Drivers take time and memory when they are asked about their devices.
  if (device[0]?.toLowerCase() === 'cpu' && rpcServers.length === 0) return [{ asked: 'cpu', gpus: [] }]
  const present = presentDevices(binding)
  const found = findCandidates(device, present, strictDevice, rpcServers)
  const missing = found.filter((one) => 'reason' in one)
  if (missing.length === found.length) throw new DeviceError(missing, present.devices.map(label))
  return found
}

/**
 * Checks the file at `path`, then loads it and starts what computes with it, on the first device on which both succeed.
 * The checks come first because llama.cpp answers some damaged files with abort(), and Linux answers too large ones with
 * a kill.
 */
export async function openModel<Started>(
  binding: NativeBinding,
  path: string,
  options: ResolvedModelOptions,
  tried: readonly (Candidate | DeviceFallback)[],
  start: Start<Started>,
  signal: AbortSignal,
): Promise<WeightsAndStart<Started>> {
  const starting = options.tryFirst ? startEarly(binding, path) : undefined
  try {
    const header = await readGguf(path, { signal })
    const early = await starting
    return await openFirst(header, binding, { ...options, early }, tried, start, signal)
  } finally {
    await starting?.then((child) => child?.dismiss())
  }
}

/** `early` is the child process for its trial, where that has started. */
type Opening = ResolvedModelOptions & { readonly early: TrialChild | undefined }

async function openFirst<Started>(
  header: GgufHeader,
  binding: NativeBinding,
  options: Opening,
  tried: readonly (Candidate | DeviceFallback)[],
  start: Start<Started>,
  signal: AbortSignal,
): Promise<WeightsAndStart<Started>> {
  assertGeneratesText(header)
  checkCache(header, options)
  checkPositions(header, options.nCtx)
  const adapters = await findAdapters(options, header, signal)
  const original = originalFile(header.path, header.metadata)
  const entry = await findEntry(original, options.modelConfigFile, options.logger)
  const fallbacks: DeviceFallback[] = []
  const fallBack = (device: string, reason: string) => {
    fallbacks.push({ device, reason })
    options.logger.warn(`device "${device}" is not used: ${reason}`)
  }
  let cause: unknown
  const { rpcServers, tensorSplit } = options
  for (const one of tried) {
    if ('reason' in one) {
      fallBack(one.device, one.reason)
      continue
    }
    const bytes = one.gpus.length === 0 ? 0 : bytesOnGpu(header, options)
    const gpus = rpcServers.length > 0 ? one.gpus : choose(one.gpus, bytes)
    if (gpus.length === 0 && tensorSplit.length > 0)
      options.logger.warn('tensorSplit has no effect on the CPU alone')
    else if (tensorSplit.length > gpus.length)
      throw optionError(
        'tensorSplit',
        `a number for each of ${gpus.map(label).join(', ')}`,
        options.tensorSplit,
      )
    try {
      const file = { header, original, entry, gpus, adapters }
      const opened = await openOn(file, binding, options, start, signal)
      return { ...file, ...opened, fallbacks }
    } catch (error) {
      if (gpus.length === 0 || !mayWorkElsewhere(error)) throw error
      fallBack(one.asked, whyNot(error, gpus, bytes))
      cause = error
    }
  }
  throw new DeviceError(fallbacks, presentDevices(binding).devices.map(label), { cause })
}

async function openOn<Started>(
  file: Omit<Weights, 'native'>,
  binding: NativeBinding,
  options: Opening,
  start: Start<Started>,
  signal: AbortSignal,
): Promise<{ native: NativeModel; started: Started }> {
  const { header, gpus, adapters } = file
  const { nCtx, ngl, parallel: sequences = 1, logger } = options
  const plan = planMemory(header, nCtx, {
    part: partOnHost(header, gpus, ngl),
    sequences,
    cache: options,
  })
  checkMemory(header.path, nCtx, plan, logger, {
    weightsLoaded: isLoaded(binding, header.path, options, gpus, adapters),
    sequences,
  })
  const giveUp = new AbortController()
  const either = AbortSignal.any([signal, giveUp.signal])
  const trial = options.tryFirst ? tryOpening(binding, header, adapters, options, either) : undefined
  let native: NativeModel | undefined
  try {
    native = await load(binding, header, options, gpus, adapters, signal, trial)
    await trial?.makesContexts
    const { hasEncoder, hasDecoder, isDiffusion } = native.info
    if (hasEncoder || !hasDecoder || isDiffusion) {
      const message = `${header.path} (${header.architecture}) is no model that writes text token by token, so it cannot be used here.`
      throw new ModelError('ERR_MODEL_UNSUPPORTED', message, header.path)
    }
    return { native, started: await start({ ...file, native }, trial?.opens) }
  } catch (error) {
    giveUp.abort(error) // the trial, where that is not what has failed
    native?.close()
    throw error
  }
}

function bytesOnGpu(header: GgufHeader, options: ResolvedModelOptions): number {
  const { nCtx, ngl, parallel: sequences = 1 } = options
  return planMemory(header, nCtx, { part: partOnGpu(header, ngl), sequences, cache: options }).total
}

/** Of its layers, those that go to a GPU. The output counts as one. */
function partOnGpu(header: GgufHeader, ngl: number): number {
  const layers = metaNumber(header, 'block_count') ?? 0
  return Math.min(1, ngl / (layers + 1))
}

/** Of its layers, those that the machine's own memory must hold. */
function partOnHost(header: GgufHeader, gpus: readonly Device[], ngl: number): number {
  const shared = gpus.some((gpu) => gpu.type === 'igpu' || gpu.backend === 'metal')
  return gpus.length === 0 || shared ? 1 : 1 - partOnGpu(header, ngl)
}

/** Too little memory there, or something that this device cannot do: not a closed model, nor a program's own error. */
function mayWorkElsewhere(error: unknown): boolean {
  return error instanceof GPT4AllError && ['ERR_MEMORY', 'ERR_MODEL_LOAD', 'ERR_DECODE'].includes(error.code)
}

function whyNot(error: unknown, gpus: readonly Device[], bytes: number): string {
  const free = gpus.reduce((sum, gpu) => sum + gpu.memoryFree, 0)
  const room = `the model takes about ${gibibytes(bytes)}, ${gibibytes(free)} are free there`
  return `${gpus.map(label).join(', ')}: ${(error as Error).message} (${room})`
}
