import { ModelError } from '../errors.ts'
import { isSilent, LOG_LEVELS, type Logger } from '../logger.ts'
import { translateLoadFailure } from '../native/failures.ts'
import type { NativeBinding, NativeLog, NativeModel, NativeModelParams } from '../native/types.ts'
import type { ResolvedModelOptions } from '../options.ts'
import { identityOf } from '../regular-file.ts'
import type { Device } from './devices.ts'
import { unreadable } from './gguf/bytes.ts'
import type { GgufHeader, ModelFile } from './gguf/header.ts'
import { Meter } from './progress.ts'

/**
 * Loads the weights onto these GPUs, or none, and the adapters; shared where they are loaded already.
 * @throws {ModelError} `ERR_MODEL_UNREADABLE` also where one of the files is another than the one that was checked
 */
export async function load(
  binding: NativeBinding,
  { path, fileBytes, files }: GgufHeader,
  options: ResolvedModelOptions,
  gpus: readonly Device[],
  adapters: readonly ModelFile[],
  signal: AbortSignal,
): Promise<NativeModel> {
  const checked = [...files, ...adapters]
  await assertUnchanged(checked)
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
    try {
      if (thrown) throw thrown.error
      await assertUnchanged(checked)
      return model
    } catch (error) {
      model.close()
      throw error
    }
  } catch (error) {
    signal.throwIfAborted()
    if (thrown) throw thrown.error
    await assertUnchanged(checked) // which tells more
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
  adapters: readonly ModelFile[],
): boolean {
  return binding.Model.isLoaded(path, weightsParams(options, gpus, adapters))
}

// llama.cpp opens them by their names: another file by then, or other bytes in it, nobody has checked.
async function assertUnchanged(files: readonly ModelFile[]): Promise<void> {
  for (const { path, identity } of files) {
    if ((await identityOf(path, unreadable(path))) === identity) continue
    const message = `${path} changed while it was opened. Open it again once nothing writes to it.`
    throw new ModelError('ERR_MODEL_UNREADABLE', message, path)
  }
}

function weightsParams(
  { ngl, tensorSplit }: ResolvedModelOptions,
  gpus: readonly Device[],
  adapters: readonly ModelFile[],
): NativeModelParams {
  return {
    vocabOnly: false,
    gpuLayers: gpus.length > 0 ? ngl : 0,
    devices: gpus.map((gpu) => gpu.name),
    adapters: adapters.map((adapter) => adapter.path),
    tensorSplit: gpus.length > 1 ? tensorSplit : [],
  }
}

/** llama.cpp's lines for `logger`; nothing at all where nobody listens, so that no line is ever made. */
function nativeLog(logger: Logger): NativeLog | undefined {
  if (LOG_LEVELS.every((level) => isSilent(logger, level))) return undefined
  // llama.cpp's information is for those who look into it; ours at this level is the final prompt.
  return (level, line) => logger[level === 'info' ? 'debug' : level](line)
}
