import { anySignal } from '../core/async.ts'
import {
  DeviceError,
  type DeviceFallback,
  GPT4AllError,
  ModelError,
  messageOf,
  optionError,
} from '../core/errors.ts'
import type { Logger } from '../core/logger.ts'
import { gibibytes } from '../core/sizes.ts'
import { type TemplateEntry, templatesBeside } from '../models/catalog/entry.ts'
import { originalFile } from '../models/ggml/metadata.ts'
import {
  assertEmbeds,
  assertGeneratesText,
  assertRanks,
  type GgufHeader,
  type ModelFile,
  readGguf,
} from '../models/gguf/header.ts'
import { metaNumber } from '../models/gguf/model.ts'
import type { NativeBinding, NativeModel, Pooling } from '../native/contract.ts'
import type { ResolvedModelOptions } from '../options/model.ts'
import {
  choose,
  type Device,
  type DeviceCandidate,
  findCandidates,
  label,
  presentDevices,
} from './devices.ts'
import { checkCache, checkPositions } from './fit.ts'
import { findAdapters } from './lora.ts'
import { checkMemory, planMemory } from './memory.ts'
import { type Recollection, recall, tryOpening } from './trial/trial.ts'
import { isLoaded, load } from './weights.ts'

/** What a model is opened for: to generate text, to embed it (with another pooling than the file's), to rank it. */
export type Purpose =
  | { readonly embeds: false }
  | { readonly embeds: true; readonly pooling: Exclude<Pooling, 'none'> | undefined }

/** A model's file, with its header read and checked, and what belongs to it. */
export type CheckedFile = {
  readonly purpose: Purpose
  readonly header: GgufHeader
  /** The file that catalogs know: the old-format one, where the GGUF file was converted from it. */
  readonly original: string
  /** The catalog's entry for this very file. */
  readonly entry: TemplateEntry | undefined
  /** Its LoRA adapters. */
  readonly adapters: readonly ModelFile[]
  /** What was known of it before. */
  readonly known: Recollection
}

/** The weights of a model on its device. */
export type Weights = Omit<CheckedFile, 'known'> & {
  readonly native: NativeModel
  /** The GPUs that hold them; empty = the CPU computes. */
  readonly gpus: readonly Device[]
  /**
   * Resolves when the file's trial is over, before which nothing is computed. Absent where the file is not
   * tried.
   */
  readonly opens: Promise<void> | undefined
  /** Frees the weights and aborts the trial. */
  discard(reason: unknown): void
}

/**
 * The devices to try to open a model on, in this order; in place of a missing device, the reason.
 * @throws {DeviceError} `ERR_DEVICE` with `strictDevice`, when all of them are missing
 */
export function candidates(
  binding: NativeBinding,
  { device, strictDevice, rpcServers }: ResolvedModelOptions,
): (DeviceCandidate | DeviceFallback)[] {
  for (const server of rpcServers) binding.addRpcServer(server)
  // Asking drivers about their devices takes time and memory.
  if (device[0]?.toLowerCase() === 'cpu' && rpcServers.length === 0) return [{ asked: 'cpu', gpus: [] }]
  const present = presentDevices(binding)
  const found = findCandidates(device, present, strictDevice, rpcServers)
  const missing = found.filter((one) => 'reason' in one)
  if (missing.length === found.length) throw new DeviceError(missing, present.devices.map(label))
  return found
}

/**
 * Reads the header of the file at `path` and checks it. This comes before llama.cpp, which answers some
 * damaged files with `abort()`. The caller dismisses `known.child`.
 */
export async function checkModelFile(
  binding: NativeBinding,
  path: string,
  purpose: Purpose,
  options: ResolvedModelOptions,
  signal: AbortSignal,
): Promise<CheckedFile> {
  const recalling: Promise<Recollection> = options.tryFirst ? recall(binding, path) : Promise.resolve({})
  try {
    const header = await readGguf(path, { signal, passed: recalling.then(({ passed }) => passed) })
    const known = await recalling
    assertFits(purpose, header)
    checkCache(header, options)
    checkPositions(header, contextSizeFor(purpose, header, options))
    const adapters = await findAdapters(options, header, signal)
    const original = originalFile(header.path, header.metadata)
    const entry = await templatesBeside(original, options.modelConfigFile, options.logger)
    return { purpose, header, original, entry, adapters, known }
  } catch (error) {
    await recalling.then(({ child }) => child?.dismiss())
    throw error
  }
}

function assertFits(purpose: Purpose, header: GgufHeader): void {
  if (!purpose.embeds) assertGeneratesText(header)
  else if (purpose.pooling === 'rank') assertRanks(header)
  else assertEmbeds(header, purpose.pooling)
}

/** Tokens of the context: texts that are embedded are cut to what the model was trained with. */
export function contextSizeFor(
  { embeds }: Purpose,
  header: GgufHeader,
  { nCtx }: Pick<ResolvedModelOptions, 'nCtx'>,
): number {
  return embeds ? Math.min(nCtx, metaNumber(header, 'context_length') ?? nCtx) : nCtx
}

/**
 * The GPUs of the candidate onto which the model goes.
 * @throws {TypeError} `ERR_OPTION` where `tensorSplit` has more numbers than there are GPUs
 */
export function gpusFor(
  { gpus: offered }: DeviceCandidate,
  { header, purpose }: Pick<CheckedFile, 'header' | 'purpose'>,
  given: ResolvedModelOptions,
): readonly Device[] {
  const options = { ...given, nCtx: contextSizeFor(purpose, header, given) }
  const { rpcServers, tensorSplit, logger } = options
  const gpus = rpcServers.length > 0 ? offered : choose(offered, bytesOn(offered, header, options))
  if (gpus.length === 0 && tensorSplit.length > 0) logger.warn('tensorSplit has no effect on the CPU alone')
  else if (tensorSplit.length > gpus.length)
    throw optionError('tensorSplit', `a number for each of ${gpus.map(label).join(', ')}`, tensorSplit)
  return gpus
}

/** Loads the weights onto these GPUs, or, where there are none, into memory for the CPU. */
export async function loadWeights(
  binding: NativeBinding,
  { known, ...file }: CheckedFile,
  gpus: readonly Device[],
  options: ResolvedModelOptions,
  signal: AbortSignal,
): Promise<Weights> {
  const { header, adapters, purpose } = file
  const { ngl, parallel: sequences = 1, logger } = options
  const nCtx = contextSizeFor(purpose, header, options)
  const plan = planMemory(header, nCtx, {
    part: partOnHost(header, gpus, ngl),
    sequences,
    cache: options,
    embeds: purpose.embeds,
  })
  checkMemory(header.path, nCtx, plan, logger, {
    weightsLoaded: isLoaded(binding, header.path, options, gpus, adapters),
    sequences,
  })
  const givingUp = new AbortController()
  const either = anySignal(signal, givingUp.signal)
  const pooling = purpose.embeds ? (purpose.pooling ?? 'file') : undefined
  const trial = options.tryFirst
    ? tryOpening(binding, header, adapters, { ...options, known, pooling }, either)
    : undefined
  let native: NativeModel | undefined
  const discard = (reason: unknown) => {
    givingUp.abort(reason) // aborts the trial, unless that is what failed
    native?.close()
  }
  try {
    native = await load(binding, header, options, gpus, adapters, signal, trial)
    await trial?.makesContexts
    const { hasEncoder, hasDecoder, isDiffusion } = native.info
    const isUsable = purpose.embeds ? !(hasEncoder && hasDecoder) : !hasEncoder && hasDecoder
    if (!isUsable || isDiffusion) {
      const message = `${header.path} (${header.architecture}) is not a model that ${purpose.embeds ? 'makes embeddings' : 'writes text token by token'}, so it cannot be used here.`
      throw new ModelError('ERR_MODEL_UNSUPPORTED', message, header.path)
    }
    return { ...file, native, gpus, opens: trial?.opens, discard }
  } catch (error) {
    discard(error)
    throw error
  }
}

/** Collects the reasons why devices that were asked for are not used. */
export class Fallbacks {
  readonly #logger: Logger
  readonly #list: DeviceFallback[] = []
  #cause: unknown

  constructor(logger: Logger) {
    this.#logger = logger
  }

  get list(): readonly DeviceFallback[] {
    return this.#list
  }

  add(device: string, reason: string): void {
    this.#list.push({ device, reason })
    this.#logger.warn(`device "${device}" is not used: ${reason}`)
  }

  /** Adds the device on which opening failed; throws `error` where another device cannot help. */
  addFailed(
    { asked }: DeviceCandidate,
    gpus: readonly Device[],
    header: GgufHeader,
    options: ResolvedModelOptions,
    error: unknown,
  ): void {
    if (gpus.length === 0 || !mayWorkElsewhere(error)) throw error
    this.add(asked, whyNot(error, gpus, bytesOn(gpus, header, options)))
    this.#cause = error
  }

  /** The error to throw when no device is left. */
  error(binding: NativeBinding): DeviceError {
    return new DeviceError(this.#list, presentDevices(binding).devices.map(label), { cause: this.#cause })
  }
}

function bytesOn(gpus: readonly Device[], header: GgufHeader, options: ResolvedModelOptions): number {
  if (gpus.length === 0) return 0
  const { nCtx, ngl, parallel: sequences = 1 } = options
  return planMemory(header, nCtx, { part: partOnGpu(header, ngl), sequences, cache: options }).total
}

/** The share of the layers that go to a GPU, 0 to 1. The output counts as a layer. */
function partOnGpu(header: GgufHeader, ngl: number): number {
  const layers = metaNumber(header, 'block_count') ?? 0
  return Math.min(1, ngl / (layers + 1))
}

/** The share of the layers that the machine's own memory must hold, 0 to 1. */
function partOnHost(header: GgufHeader, gpus: readonly Device[], ngl: number): number {
  const shared = gpus.some((gpu) => gpu.type === 'igpu' || gpu.backend === 'metal')
  return gpus.length === 0 || shared ? 1 : 1 - partOnGpu(header, ngl)
}

/**
 * True where the device has too little memory, or cannot do something; not for a closed model or a program's
 * own error.
 */
function mayWorkElsewhere(error: unknown): boolean {
  return error instanceof GPT4AllError && ['ERR_MEMORY', 'ERR_MODEL_LOAD', 'ERR_DECODE'].includes(error.code)
}

function whyNot(error: unknown, gpus: readonly Device[], bytes: number): string {
  const free = gpus.reduce((sum, gpu) => sum + gpu.memoryFree, 0)
  const room = `the model takes about ${gibibytes(bytes)}; ${gibibytes(free)} are free there`
  return `${gpus.map(label).join(', ')}: ${messageOf(error)} (${room})`
}
