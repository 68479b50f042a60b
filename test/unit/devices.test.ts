import { describe, expect, test } from 'vitest'
import {
  choose,
  type Device,
  findCandidates,
  gpuName,
  type PresentDevices,
  presentDevices,
} from '../../src/loading/devices.ts'
import type { NativeDevice } from '../../src/native/contract.ts'

const GIB = 2 ** 30

function device(name: string, description: string, more: Partial<NativeDevice> = {}): NativeDevice {
  const backend = /^[A-Za-z]+/.exec(name)![0]
  return { name, description, backend, type: 'gpu', memoryFree: 8 * GIB, memoryTotal: 8 * GIB, ...more }
}

const CPU = device('CPU', 'AMD Ryzen 7 5800X 8-Core Processor', { type: 'cpu', memoryFree: 16 * GIB })
const BLAS = device('BLAS', 'OpenBLAS', { type: 'accel', memoryFree: 0, memoryTotal: 0 })
const CUDA = device('CUDA0', 'NVIDIA GeForce RTX 3060')
const CUDA_OLD = device('CUDA1', 'Tesla P4', { memoryFree: 6 * GIB })
const VULKAN_NVIDIA = device('Vulkan0', 'NVIDIA GeForce RTX 3060')
const VULKAN_AMD = device('Vulkan1', 'AMD Radeon RX 6600 (RADV NAVI23)')
const VULKAN_INTEL = device('Vulkan2', 'Intel(R) UHD Graphics 770 (ADL-S GT1)', { type: 'igpu' })
const ROCM = device('ROCm0', 'Radeon RX 7900 XTX')
const METAL = device('MTL0', 'Apple M2')

const present = (...devices: NativeDevice[]): PresentDevices =>
  presentDevices({
    devices: () => devices,
    backends: () => [...new Set(devices.map(({ backend }) => backend))],
  })

/** Names of the GPUs of each candidate, or a reason. */
function found(asked: string | string[], machine: PresentDevices, strict = true): (string[] | string)[] {
  return findCandidates([asked].flat(), machine, strict).map((one) =>
    'reason' in one ? one.reason : one.gpus.map(({ name }) => name),
  )
}

describe('a device is found', () => {
  const workstation = present(CUDA, CUDA_OLD, VULKAN_NVIDIA, VULKAN_AMD, VULKAN_INTEL, BLAS, CPU)
  test.each<[string, string[][]]>([
    ['cpu', [[]]],
    ['CPU', [[]]],
    [
      'gpu',
      [
        ['CUDA0', 'CUDA1'],
        ['Vulkan0', 'Vulkan1'],
      ],
    ],
    ['cuda', [['CUDA0', 'CUDA1']]],
    ['kompute', [['Vulkan0', 'Vulkan1']]],
    ['Vulkan', [['Vulkan0', 'Vulkan1']]],
    ['nvidia', [['CUDA0', 'CUDA1'], ['Vulkan0']]],
    ['amd', [['Vulkan1']]],
    ['intel', [['Vulkan2']]],
    ['CUDA1', [['CUDA1']]],
    ['vulkan2', [['Vulkan2']]],
    ['NVIDIA GeForce RTX 3060', [['CUDA0'], ['Vulkan0']]],
    ['geforce', [['CUDA0'], ['Vulkan0']]],
    ['rx 6600', [['Vulkan1']]],
    ['cuda:NVIDIA GeForce RTX 3060', [['CUDA0']]],
    ['kompute:NVIDIA GeForce RTX 3060', [['Vulkan0']]],
    ['vulkan:amd', [['Vulkan1']]],
  ])('by %s', (asked, names) => {
    expect(found(asked, workstation)).toEqual(names)
  })

  test('under the names of other backends', () => {
    expect(found('metal', present(METAL, CPU))).toEqual([['MTL0']])
    expect(found('gpu', present(METAL, BLAS, CPU))).toEqual([['MTL0']])
    expect(found('rocm', present(ROCM, CPU))).toEqual([['ROCm0']])
    expect(found('amd', present(ROCM, CPU))).toEqual([['ROCm0']])
    expect(found('cann', present(device('CANN0', 'Ascend 910B'), CPU))).toEqual([['CANN0']])
  })

  test('by kind, but an integrated GPU only if there is no dedicated one, or by name', () => {
    expect(found('gpu', present(VULKAN_INTEL, CPU))).toEqual([['Vulkan2']])
    expect(found('vulkan', present(VULKAN_AMD, VULKAN_INTEL, CPU))).toEqual([['Vulkan1']])
    expect(found('uhd graphics', present(VULKAN_AMD, VULKAN_INTEL, CPU))).toEqual([['Vulkan2']])
  })

  test('by each name that listGpus() returns', () => {
    for (const gpu of workstation.devices.filter(({ type }) => type === 'gpu' || type === 'igpu'))
      expect(found(gpuName(gpu), workstation)).toEqual([[gpu.name]])
  })
})

describe('a device that is not there', () => {
  test.each<[string, PresentDevices, RegExp]>([
    ['cuda', present(VULKAN_AMD, CPU), /without cuda.*-DGGML_CUDA=ON/],
    ['kompute', present(CPU), /without vulkan.*-DGGML_VULKAN=ON/],
    ['gpu', present(CPU), /for the CPU only.*-DGGML_VULKAN=ON/],
    ['nvidia', present(CPU), /for the CPU only/],
    ['gpu', { ...present(CPU), backends: ['cuda', 'cpu'] }, /cuda found no GPU/],
    ['cuda', { ...present(CPU), backends: ['cuda', 'cpu'] }, /cuda found no GPU/],
    ['nvidia', present(VULKAN_AMD, CPU), /no such GPU; there is Vulkan1 \(AMD Radeon RX 6600/],
    ['RTX 9999', present(CUDA, CPU), /no such GPU; there is CUDA0 \(NVIDIA GeForce RTX 3060\)/],
    ['BLAS', present(BLAS, CPU), /for the CPU only/],
    ['constructor', present(CUDA, CPU), /no such GPU/],
    ['a:b', present(CUDA, CPU), /no such GPU/],
  ])('(%s) has a reason', (asked, machine, reason) => {
    expect(found(asked, machine)).toEqual([expect.stringMatching(reason)])
  })
})

describe('a list of devices', () => {
  test('keeps its order, with reasons for devices that are missing', () => {
    expect(found(['metal', 'kompute', 'cuda', 'cpu'], present(CUDA, VULKAN_AMD, CPU))).toEqual([
      expect.stringMatching(/without metal/),
      ['Vulkan1'],
      ['CUDA0'],
      [],
    ])
  })

  test('ends with the CPU, unless that is excluded', () => {
    expect(found(['cuda'], present(CUDA, CPU), false)).toEqual([['CUDA0'], []])
    expect(found(['cuda'], present(CUDA, CPU), true)).toEqual([['CUDA0']])
  })
})

describe('several GPUs:', () => {
  const gpus = present(CUDA_OLD, CUDA).devices
  const names = (chosen: readonly Device[]) => chosen.map(({ name }) => name)

  test('the one with the most free memory is chosen when the model fits there', () => {
    expect(names(choose(gpus, 7 * GIB))).toEqual(['CUDA0'])
  })

  test('all share the layers of a model that fits on none', () => {
    expect(names(choose(gpus, 9 * GIB))).toEqual(['CUDA1', 'CUDA0'])
  })

  test('no GPU is chosen from an empty list', () => {
    expect(choose([], 9 * GIB)).toEqual([])
  })
})
