import { fileURLToPath } from 'node:url'
import { VERSION } from '../core/version.ts'
import { loadBinding } from './binding.ts'

/** What `GPT4All.systemInfo()` tells of the addon. */
export type SystemInfo = {
  /** Version of this library. */
  readonly version: string
  /** The addon's file; `''` where Node does not tell. */
  readonly file: string
  readonly llamaVersion: string
  /** Of the CPU, those that the addon was built for: `AVX2`, `AVX512` ... */
  readonly features: readonly string[]
  /** Who can multiply matrices here, the fastest last. */
  readonly kernels: readonly string[]
  /** What it was built for: `CPU`, `CUDA`, `Vulkan` ... */
  readonly backends: readonly string[]
}

/** See `GPT4All.systemInfo()`. */
export function systemInfo(): SystemInfo {
  const binding = loadBinding()
  const features = [...binding.systemInfo.matchAll(/(\w+) = 1\b/g)].map(([, name]) => name!)
  return {
    version: VERSION,
    file: binding.file && fileURLToPath(binding.file),
    llamaVersion: binding.llamaVersion,
    features,
    kernels: binding.kernels(),
    backends: binding.backends(),
  }
}
