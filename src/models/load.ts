import { isSilent, LOG_LEVELS, type Logger } from '../logger.ts'
import { translateLoadFailure } from '../native/failures.ts'
import type { NativeBinding, NativeLog, NativeModel, NativeModelParams } from '../native/types.ts'
import type { ResolvedModelOptions } from '../options.ts'
import type { Device } from './devices.ts'
import type { GgufHeader } from './gguf/header.ts'
import { Meter } from './progress.ts'

/** Loads the weights onto these GPUs, or none, and the adapters at these paths; shared where they are loaded already. */
export async function load(
  binding: NativeBinding,
  { path, fileBytes }: GgufHeader,
  options: ResolvedModelOptions,
  gpus: readonly Device[],
  adapters: readonly string[],
  signal: AbortSignal,
): Promise<NativeModel> {
  signal.throwIfAborted()
  const log = nativeLog(options.logger)
  const params = { ...weightsParams(options, gpus, adapters), ...(log && { log }) }
  const meter = new Meter('load', options.onProgress)
  let thrown: { error: unknown } | undefined
  const loading = binding.Model.load(path, params, (fraction) => {
    try {
      if (!thrown) meter.tell(Math.round(fraction * fileBytes), fileBytes)
    } catch (error) {
      thrown = { error }
      loading.cancel()
    }
  })
  const cancel = () => loading.cancel()
  signal.addEventListener('abort', cancel, { once: true })
  try {
    const model = await loading.promise
    if (!thrown) return model
    model.close()
    throw thrown.error
  } catch (error) {
    signal.throwIfAborted()
    if (thrown) throw thrown.error
    throw translateLoadFailure(error, path)
  } finally {
    signal.removeEventListener('abort', cancel)
  }
}

/** Whether `load()` would share the weights of a model that is open. */
export function isLoaded(
  binding: NativeBinding,
  path: string,
  options: ResolvedModelOptions,
  gpus: readonly Device[],
  adapters: readonly string[],
): boolean {
  return binding.Model.isLoaded(path, weightsParams(options, gpus, adapters))
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

/** llama.cpp's lines for `logger`; nothing at all where nobody listens, so that no line is ever made. */
function nativeLog(logger: Logger): NativeLog | undefined {
  if (LOG_LEVELS.every((level) => isSilent(logger, level))) return undefined
  // llama.cpp's information is for those who look into it; ours at this level is the final prompt.
  return (level, line) => logger[level === 'info' ? 'debug' : level](line)
}
