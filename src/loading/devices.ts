import type { DeviceFallback } from '../core/errors.ts'
import type { NativeBinding, NativeDevice } from '../native/contract.ts'
import { machineMemory } from './memory.ts'

/** Something that can compute: the CPU, a GPU, or a library that helps the CPU. */
export type Device = {
  /** ggml's name for it, for example `CPU`, `CUDA0` or `Vulkan1`. */
  readonly name: string
  /** Product name, for example `NVIDIA GeForce RTX 3060`. */
  readonly description: string
  /** `cpu`, `cuda`, `vulkan`, `metal`, `rocm`, `sycl` ... */
  readonly backend: string
  /** `igpu` is a GPU that shares the machine's memory, `accel` a library that helps the CPU. */
  readonly type: 'cpu' | 'gpu' | 'igpu' | 'accel'
  /** Bytes of its memory that no program uses at the moment. */
  readonly memoryFree: number
  /** Bytes of its memory in all. */
  readonly memoryTotal: number
}

/** GPUs of one backend that match what was asked for; none = the CPU. */
export type DeviceCandidate = { readonly asked: string; readonly gpus: readonly Device[] }

/** What this build of the addon can compute with, on this machine. */
export type PresentDevices = { readonly devices: readonly Device[]; readonly backends: readonly string[] }

/** The CMake option that builds a backend in. */
const BUILD_OPTIONS: ReadonlyMap<string, string> = new Map([
  ['cuda', 'GGML_CUDA'],
  ['vulkan', 'GGML_VULKAN'],
  ['metal', 'GGML_METAL'],
  ['rocm', 'GGML_HIP'],
  ['sycl', 'GGML_SYCL'],
  ['opencl', 'GGML_OPENCL'],
])

/**
 * Other names of backends. `kompute` is the Vulkan backend of GPT4All's Python package, `MTL` is what ggml
 * calls Metal.
 */
const BACKEND_NAMES: ReadonlyMap<string, string> = new Map([
  ['kompute', 'vulkan'],
  ['mtl', 'metal'],
  ['hip', 'rocm'],
])

/** The backend of devices on other machines. */
const RPC = 'rpc'

/** Drivers leave the vendor out of some names ("Tesla T4", "Radeon RX 7900 XTX"). */
const VENDORS: ReadonlyMap<string, (gpu: Device) => boolean> = new Map([
  ['nvidia', (gpu) => gpu.backend === 'cuda' || /nvidia|geforce|quadro|tesla/i.test(gpu.description)],
  ['amd', (gpu) => gpu.backend === 'rocm' || /\bamd\b|radeon/i.test(gpu.description)],
  ['intel', (gpu) => /intel/i.test(gpu.description)],
])

/** Our name for a backend: ggml's in lower case, unless `BACKEND_NAMES` has another. */
function backendName(name: string): string {
  const lower = name.toLowerCase()
  return BACKEND_NAMES.get(lower) ?? lower
}

export function presentDevices(binding: Pick<NativeBinding, 'devices' | 'backends'>): PresentDevices {
  const { available, free } = machineMemory()
  const toDevice = (device: NativeDevice) => ({
    ...device,
    backend: backendName(device.backend),
    // ggml calls all of the machine's memory free.
    ...(device.type === 'cpu' && { memoryFree: free, memoryTotal: available }),
  })
  return { devices: binding.devices().map(toDevice), backends: binding.backends().map(backendName) }
}

export function isGpu({ type }: Device): boolean {
  return type === 'gpu' || type === 'igpu'
}

/**
 * The Python package's name for a GPU, which includes the backend, as one GPU may appear under two of them.
 */
export function gpuName({ backend, description }: Device): string {
  return `${backend}:${description}`
}

/**
 * The devices to try for what was asked for, in this order; in place of a missing device, the reason. One
 * that is on several backends is tried on each, in ggml's order, which has the vendors' own before the
 * general ones. Unless `strict`, the CPU comes last. Each candidate has the devices of `rpcServers` before
 * its local ones.
 */
export function findCandidates(
  asked: readonly string[],
  all: PresentDevices,
  strict: boolean,
  rpcServers: readonly string[] = [],
): (DeviceCandidate | DeviceFallback)[] {
  const present = { ...all, devices: all.devices.filter(({ backend }) => backend !== RPC) }
  const remote = rpcServers.flatMap((server) =>
    all.devices.filter(({ backend, description }) => backend === RPC && description === server),
  )
  const found = asked.flatMap((device): (DeviceCandidate | DeviceFallback)[] => {
    if (isCpu(device, present)) return [{ asked: device, gpus: [] }]
    const gpus = matching(device.toLowerCase(), present.devices.filter(isGpu))
    if (gpus.length === 0) return [{ device, reason: whyNone(device.toLowerCase(), present) }]
    return byBackend(gpus).map((gpus) => ({ asked: device, gpus }))
  })
  const beside = found.map((one) =>
    'reason' in one || remote.length === 0
      ? one
      : { asked: rpcServers.join(', '), gpus: [...remote, ...one.gpus] },
  )
  return strict ? beside : [...beside, { asked: 'cpu', gpus: [] }]
}

/** Whether `asked` is `cpu`, or what `listDevices()` calls the CPU. */
function isCpu(asked: string, { devices }: PresentDevices): boolean {
  const wanted = asked.toLowerCase()
  const cpus = devices.filter(({ type }) => type === 'cpu')
  return (
    wanted === 'cpu' ||
    cpus.some(({ name, description }) => [name, description].some((own) => own.toLowerCase() === wanted))
  )
}

function matching(asked: string, gpus: readonly Device[]): readonly Device[] {
  if (asked === 'gpu') return gpus
  const backend = backendName(asked)
  if (BUILD_OPTIONS.has(backend) || gpus.some((gpu) => gpu.backend === backend))
    return gpus.filter((gpu) => gpu.backend === backend)
  const vendor = VENDORS.get(asked)
  if (vendor) return gpus.filter(vendor)
  const [, prefix, rest] = /^(\w+):(.+)$/.exec(asked) ?? []
  if (prefix !== undefined && rest !== undefined && gpus.some((gpu) => gpu.backend === backendName(prefix)))
    return named(
      rest,
      gpus.filter((gpu) => gpu.backend === backendName(prefix)),
    )
  return named(asked, gpus)
}

/** The GPUs with exactly this name, else those whose name contains it. */
function named(name: string, gpus: readonly Device[]): readonly Device[] {
  const namesOf = (gpu: Device) => [gpu.name.toLowerCase(), gpu.description.toLowerCase()]
  const exact = gpus.filter((gpu) => namesOf(gpu).includes(name))
  return exact.length > 0 ? exact : gpus.filter((gpu) => namesOf(gpu).some((own) => own.includes(name)))
}

/**
 * Groups GPUs by backend. As in llama.cpp, integrated GPUs are left out where there is one with memory of its
 * own.
 */
function byBackend(gpus: readonly Device[]): Device[][] {
  const discrete = gpus.filter(({ type }) => type === 'gpu')
  const groups = new Map<string, Device[]>()
  for (const gpu of discrete.length > 0 ? discrete : gpus)
    groups.set(gpu.backend, [...(groups.get(gpu.backend) ?? []), gpu])
  return [...groups.values()]
}

/** The GPU with the most free memory if `bytes` fit into it; else all of them, which share the layers. */
export function choose(gpus: readonly Device[], bytes: number): readonly Device[] {
  const [roomiest] = [...gpus].sort((a, b) => b.memoryFree - a.memoryFree)
  return roomiest && roomiest.memoryFree >= bytes ? [roomiest] : gpus
}

function whyNone(asked: string, present: PresentDevices): string {
  const backend = backendName(asked.replace(/:.*$/, ''))
  const option = BUILD_OPTIONS.get(backend)
  if (option !== undefined && !present.backends.includes(backend))
    return `this build of the addon was built without ${backend}, or cannot start it: ${howToBuild(option)}`
  const gpus = present.devices.filter(isGpu)
  if (gpus.length > 0) return `no such GPU; there is ${gpus.map(label).join(', ')}`
  const backends = present.backends.filter((name) => BUILD_OPTIONS.has(name))
  if (backends.length > 0) return `${backends.join(', ')} found no GPU on this machine`
  return `no such device, and this build of the addon is for the CPU only: ${howToBuild('GGML_VULKAN')}`
}

function howToBuild(option: string): string {
  return `\`npm run build:addon -- -D${option}=ON\` in a checkout of the repository builds it in (docs/devices.md)`
}

/** e.g. `CUDA0 (NVIDIA GeForce RTX 3060)` */
export function label({ name, description }: Device): string {
  return `${name} (${description})`
}
