import { purposeOf, readGguf } from '../models/gguf/header.ts'
import { locateModel } from '../models/locate.ts'
import { findModel, missingModel } from '../models/obtain.ts'
import {
  ESTIMATE,
  type EstimateMemoryOptions,
  LIST_DEVICES,
  type ListDevicesOptions,
} from '../models/options.ts'
import { loadBinding } from '../native/binding.ts'
import { resolveModelOptions } from '../options/model.ts'
import { type Device, gpuName, isGpu, presentDevices } from './devices.ts'
import { checkCache } from './fit.ts'
import { type MemoryPlan, planMemory } from './memory.ts'
import { askRpcServers } from './rpc-handshake.ts'

/** See `GPT4All.estimateMemory()`. */
export async function estimateMemory(name: string, options?: EstimateMemoryOptions): Promise<MemoryPlan> {
  const { modelPath, signal } = ESTIMATE.resolve(options)
  const location = locateModel(name, modelPath)
  const { nCtx, parallel, kvType, flashAttention } = options ?? {}
  const model = resolveModelOptions({ nCtx, parallel, kvType, flashAttention })
  const { logger } = model
  const path = await findModel(location, logger)
  if (path === undefined)
    throw await missingModel(location, 'Memory can be estimated only for a model on the disk.')
  const header = await readGguf(path, { signal })
  checkCache(header, model)
  const embeds = ['embeddings', 'ranking'].includes(purposeOf(header) ?? 'text')
  return planMemory(header, model.nCtx, { sequences: model.parallel ?? 1, cache: model, embeds })
}

/** See `GPT4All.listDevices()`. */
export function listDevices(): Device[]
export function listDevices(options: ListDevicesOptions): Promise<Device[]>
export function listDevices(options?: ListDevicesOptions): Device[] | Promise<Device[]>
export function listDevices(options?: ListDevicesOptions): Device[] | Promise<Device[]> {
  return options === undefined ? [...presentDevices(loadBinding()).devices] : listWithServers(options)
}

async function listWithServers(options: ListDevicesOptions): Promise<Device[]> {
  const { rpcServers, signal } = LIST_DEVICES.resolve(options)
  return [...(await askRpcServers(rpcServers, signal)), ...presentDevices(loadBinding()).devices]
}

/** See `GPT4All.listGpus()`. */
export function listGpus(): string[] {
  return listDevices().filter(isGpu).map(gpuName)
}
