import { existsSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'
import { GPT4AllError, messageOf } from '../core/errors.ts'
import type { NativeBinding } from './contract.ts'
import { hintsFor, type LoadFailure } from './load-hints.ts'
import { outsideArchive, ownFolder } from './package.ts'

type BindingSource = {
  /** What was tried, for the error's list. */
  readonly what: string
  readonly load: () => unknown
  readonly file?: string
}

/**
 * The prebuilt binaries, one package per platform. Each `require` is literal, so that bundlers and file
 * tracers see it. (In src/, run as ES modules from a checkout, there is no `require`: there the source build
 * serves.)
 */
const PLATFORM_PACKAGES: Readonly<Record<string, () => unknown>> = {
  'darwin-arm64': () => require('@gpt4all-ts/darwin-arm64'),
  'darwin-x64': () => require('@gpt4all-ts/darwin-x64'),
  'linux-arm64': () => require('@gpt4all-ts/linux-arm64'),
  'linux-x64': () => require('@gpt4all-ts/linux-x64'),
  'win32-arm64': () => require('@gpt4all-ts/win32-arm64'),
  'win32-x64': () => require('@gpt4all-ts/win32-x64'),
}

let loaded: NativeBinding | undefined

/**
 * The addon, loaded on the first call: the file that `GPT4ALL_BINDING` names, else the build of this
 * checkout, else the platform's package. A failure is not remembered: once repaired, the next call succeeds.
 *
 * @throws {GPT4AllError} `ERR_BINDING` if none can be loaded; the message lists each with its reason and the
 * fix.
 */
export function loadBinding(): NativeBinding {
  loaded ??= findBinding()
  return loaded
}

function findBinding(): NativeBinding {
  const failures: LoadFailure[] = []
  for (const { what, file, load } of candidates()) {
    try {
      return checkBinding(load())
    } catch (error) {
      failures.push({ what, error, file })
    }
  }
  throw bindingError(failures)
}

function candidates(): BindingSource[] {
  const chosen = process.env.GPT4ALL_BINDING
  // An explicitly named file is the only candidate: falling back would hide that it does not load.
  if (chosen)
    return [
      { what: `GPT4ALL_BINDING=${chosen}`, file: resolve(chosen), load: () => loadFile(resolve(chosen)) },
    ]
  const found: BindingSource[] = []
  const home = ownFolder(import.meta.dirname)
  const build = home && join(home, 'build', 'Release', 'gpt4all.node')
  if (build && existsSync(join(home, 'CMakeLists.txt'))) {
    found.push({ what: build, file: build, load: () => loadFile(build) })
  }
  // A checkout that runs from src/ has no `require`, and its own build is what it is to use.
  if (build && typeof require === 'undefined') return found
  const platform = `${process.platform}-${process.arch}`
  found.push({
    what: `@gpt4all-ts/${platform}`,
    load: PLATFORM_PACKAGES[platform] ?? noPackage(platform),
  })
  return found
}

function noPackage(platform: string) {
  return () => {
    throw new Error(
      `there is no prebuilt package for ${platform}, only for ${Object.keys(PLATFORM_PACKAGES).join(', ')}`,
    )
  }
}

function loadFile(path: string): unknown {
  const file = outsideArchive(path)
  const found = statSync(file, { throwIfNoEntry: false })
  if (!found) throw new Error('no such file')
  if (!found.isFile()) throw new Error('it is not a file')
  return createRequire(file)(file)
}

/** Every member of the contract: an addon that lacks one was built from other sources. */
const MEMBERS: Readonly<Record<keyof NativeBinding, true>> = {
  file: true,
  llamaVersion: true,
  systemInfo: true,
  backends: true,
  addRpcServer: true,
  endWithParent: true,
  startChild: true,
  holdChild: true,
  dropChild: true,
  hasTuning: true,
  kernels: true,
  useKernels: true,
  devices: true,
  Model: true,
  Context: true,
  Embedder: true,
  Sampler: true,
  ChatTemplate: true,
  TextFinder: true,
  StringScan: true,
}

function checkBinding(binding: unknown): NativeBinding {
  const missing = Object.keys(MEMBERS).find((name) => !Object.hasOwn(Object(binding), name))
  if (missing !== undefined)
    throw new Error(`it was built for another version of gpt4all-ts: it has no "${missing}"`)
  return binding as NativeBinding
}

function bindingError(failures: readonly LoadFailure[]): GPT4AllError {
  const tried = failures.map(({ what, error }) => `  - ${what}: ${firstLine(error)}`)
  const message = [
    `The native addon of gpt4all-ts could not be loaded on ${process.platform}-${process.arch} (Node.js ${process.version}). Tried:`,
    ...tried,
    'Possible solutions:',
    ...[...hintsFor(failures), ...solutions()].map((line) => `  - ${line}`),
  ].join('\n')
  return new GPT4AllError('ERR_BINDING', message, { cause: failures.at(-1)?.error })
}

function solutions(): string[] {
  if (process.env.GPT4ALL_BINDING) {
    return ['Unset GPT4ALL_BINDING, or let it name a gpt4all.node that was built from this version.']
  }
  const home = ownFolder(import.meta.dirname)
  if (home !== undefined && existsSync(join(home, 'CMakeLists.txt'))) {
    return ['Build the addon: npm run setup']
  }
  const name = `@gpt4all-ts/${process.platform}-${process.arch}`
  return [
    `Install the prebuilt addon, which npm leaves out with --omit=optional and when node_modules was made on another platform: npm install --include=optional gpt4all-ts ${name}`,
    'With a bundler, mark gpt4all-ts and @gpt4all-ts/* as external.',
    'Build it in a checkout of the gpt4all-ts repository with `npm run setup`, then set GPT4ALL_BINDING to the path of its build/Release/gpt4all.node.',
  ]
}

function firstLine(error: unknown): string {
  return messageOf(error).split('\n')[0] ?? ''
}
