import { ModelError } from '../errors.ts'
import { isSilent, LOG_LEVELS, type Logger } from '../logger.ts'
import { translateLoadFailure } from '../native/failures.ts'
import type { NativeBinding, NativeDevice, NativeLog, NativeModel } from '../native/types.ts'
import type { ResolvedModelOptions } from '../options.ts'
import { findEntry, type TemplateEntry } from './catalog-entry.ts'
import { assertGeneratesText, type GgufHeader, readGguf } from './gguf.ts'
import { checkMemory, planMemory } from './memory.ts'
import { Meter } from './progress.ts'

export type OpenedModel = {
  readonly native: NativeModel
  readonly header: GgufHeader
  /** What a catalog says of this very file. */
  readonly entry: TemplateEntry | undefined
  /** The GPUs it was given; empty = it computes on the CPU. */
  readonly devices: readonly NativeDevice[]
}

/**
 * Checks the file at `path`, then loads it. The checks come first because llama.cpp answers some damaged files with
 * abort(), and Linux answers too large ones with a kill.
 */
export async function openModel(
  binding: NativeBinding,
  path: string,
  options: ResolvedModelOptions,
  signal: AbortSignal,
): Promise<OpenedModel> {
  const header = await readGguf(path, { signal })
  assertGeneratesText(header)
  const entry = await findEntry(path, options.modelConfigFile, options.logger)
  const devices = chooseDevices(binding, options)
  if (devices.length === 0) checkMemory(path, options.nCtx, planMemory(header, options.nCtx), options.logger) // what a GPU takes, llama.cpp knows best
  const native = await load(binding, header, options, devices, signal)
  const { hasEncoder, hasDecoder, isDiffusion } = native.info
  if (hasEncoder || !hasDecoder || isDiffusion) {
    native.close()
    const message = `${path} (${header.architecture}) is no model that writes text token by token, so it cannot be used here.`
    throw new ModelError('ERR_MODEL_UNSUPPORTED', message, path)
  }
  return { native, header, entry, devices }
}

async function load(
  binding: NativeBinding,
  { path, fileBytes }: GgufHeader,
  options: ResolvedModelOptions,
  devices: readonly NativeDevice[],
  signal: AbortSignal,
): Promise<NativeModel> {
  signal.throwIfAborted()
  const log = nativeLog(options.logger)
  const params = {
    vocabOnly: false,
    gpuLayers: devices.length > 0 ? options.ngl : 0,
    devices: devices.map((device) => device.name),
    ...(log && { log }),
  }
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

/** llama.cpp's lines for `logger`; nothing at all where nobody listens, so that no line is ever made. */
function nativeLog(logger: Logger): NativeLog | undefined {
  if (LOG_LEVELS.every((level) => isSilent(logger, level))) return undefined
  return (level, line) => {
    try {
      // llama.cpp's information is for those who look into it; ours at this level is the final prompt.
      logger[level === 'info' ? 'debug' : level](line)
    } catch {
      // A logger that fails must not fail what it logs.
    }
  }
}

function chooseDevices(binding: NativeBinding, { device, logger }: ResolvedModelOptions): NativeDevice[] {
  if (device === 'cpu') return []
  const gpus = binding.devices().filter(({ type }) => type === 'gpu' || type === 'igpu')
  const wanted = device.toLowerCase()
  const chosen = gpus.filter(
    ({ name, description }) =>
      wanted === 'gpu' || name.toLowerCase().includes(wanted) || description.toLowerCase().includes(wanted),
  )
  if (chosen.length === 0) {
    const present = gpus.length > 0 ? gpus.map(({ description }) => description).join(', ') : 'none'
    logger.warn(`no GPU matches device "${device}" (present: ${present}); using the CPU`)
  }
  return chosen
}
