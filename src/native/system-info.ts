import { fileURLToPath } from 'node:url'
import { loadBinding } from './binding.ts'
import { VERSION } from './package.ts'

/** What `GPT4All.systemInfo()` reports about the native addon. */
export type SystemInfo = {
  /** Version of this library. */
  readonly version: string
  /** Path of the addon; `''` if Node.js does not report it. */
  readonly file: string
  /** Version of llama.cpp. */
  readonly llamaVersion: string
  /** CPU features that the addon was built for: `AVX2`, `AVX512` ... */
  readonly features: readonly string[]
  /** Implementations of matrix multiplication that work on this machine, the fastest last. */
  readonly kernels: readonly string[]
  /** Backends that the addon was built with: `CPU`, `CUDA`, `Vulkan` ... */
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
