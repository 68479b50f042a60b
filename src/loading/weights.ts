import { Callbacks } from '../core/async.ts'
import { isSilent, LOG_LEVELS, type Logger } from '../core/logger.ts'
import { Meter } from '../core/progress.ts'
import type { GgufHeader, ModelFile } from '../models/gguf/header.ts'
import type { NativeBinding, NativeLog, NativeModel, NativeModelParams } from '../native/contract.ts'
import { nativeCode, translateLoadFailure } from '../native/failures.ts'
import type { ResolvedModelOptions } from '../options/model.ts'
import type { Device } from './devices.ts'
import { HeldFiles } from './trial/held-files.ts'
import type { OpeningTrial } from './trial/trial.ts'

/**
 * Loads the weights onto these GPUs, or none, and the adapters; shares them where they are already loaded.
 * While the file is being `tried`, loading follows the child process, stage by stage.
 * @throws {ModelError} `ERR_MODEL_UNREADABLE` also where one of the files is not the one that was checked
 */
export async function load(
  binding: NativeBinding,
  header: GgufHeader,
  options: ResolvedModelOptions,
  gpus: readonly Device[],
  adapters: readonly ModelFile[],
  signal: AbortSignal,
  tried?: OpeningTrial,
): Promise<NativeModel> {
  const held = await HeldFiles.open(header.files, adapters)
  try {
    signal.throwIfAborted()
    return await loadHeld(binding, header, held, options, gpus, adapters, signal, tried)
  } finally {
    await held.close()
  }
}

async function loadHeld(
  binding: NativeBinding,
  { path, fileBytes }: GgufHeader,
  held: HeldFiles,
  options: ResolvedModelOptions,
  gpus: readonly Device[],
  adapters: readonly ModelFile[],
  signal: AbortSignal,
  tried: OpeningTrial | undefined,
): Promise<NativeModel> {
  const log = nativeLog(options.logger, held)
  const names = adapters.map((adapter) => held.nameOf(adapter.path))
  const follows = tried !== undefined
  const params = { ...weightsParams(options, gpus, names), follows, ...(log && { log }) }
  const meter = new Meter('load', options.onProgress)
  const callbacks = new Callbacks()
  const loading = binding.Model.load(held.nameOf(path), params, (fraction) => {
    if (callbacks.haveThrown) return
    try {
      callbacks.call(() => meter.report(Math.round(fraction * fileBytes), fileBytes))
    } catch {
      loading.cancel()
    }
  })
  const cancel = () => loading.cancel()
  signal.addEventListener('abort', cancel, { once: true })
  tried?.eachStage(loading.allow)
  tried?.loads.catch(cancel)
  try {
    const model = await loading.promise
    try {
      callbacks.rethrow()
      await held.assertUnchanged()
      return model
    } catch (error) {
      model.close()
      throw error
    }
  } catch (error) {
    signal.throwIfAborted()
    callbacks.rethrow()
    await tried?.loads
    await held.assertUnchanged() // its error says more
    if (nativeCode(error) !== undefined)
      Object.assign(error as Error, { message: held.told((error as Error).message) })
    throw translateLoadFailure(error, path)
  } finally {
    signal.removeEventListener('abort', cancel)
  }
}

/** Whether `load()` would share the weights of an open model. */
export function isLoaded(
  binding: NativeBinding,
  path: string,
  options: ResolvedModelOptions,
  gpus: readonly Device[],
  adapters: readonly ModelFile[],
): boolean {
  return binding.Model.isLoaded(
    path,
    weightsParams(
      options,
      gpus,
      adapters.map((adapter) => adapter.path),
    ),
  )
}

function weightsParams(
  { ngl, tensorSplit }: ResolvedModelOptions,
  gpus: readonly Device[],
  adapters: readonly string[],
): NativeModelParams {
  return {
    vocabOnly: false,
    gpuLayers: gpus.length > 0 ? ngl : 0,
    devices: gpus.map((gpu) => gpu.name),
    adapters,
    tensorSplit: gpus.length > 1 ? tensorSplit : [],
  }
}

/**
 * Passes llama.cpp's lines to `logger`; `undefined` where that ignores every level, so that no line is ever
 * made.
 */
function nativeLog(logger: Logger, held: HeldFiles): NativeLog | undefined {
  if (LOG_LEVELS.every((level) => isSilent(logger, level))) return undefined
  // llama.cpp's `info` lines are for debugging; ours at that level is the final prompt.
  return (level, line) => logger[level === 'info' ? 'debug' : level](held.told(line))
}
