// What a build of the addon depends on. Two builds with the same key are the same build, so the second is
// taken from the cache: switching branches, or a second CI run, compiles nothing.
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { inRoot } from './paths.mjs'
import { ask, which } from './process.mjs'
import { contentHash } from './tree.mjs'

const SOURCES = ['native', 'vendor/patches', 'CMakeLists.txt']
// Headers that are compiled in, and the tool that writes part of CMake's command line.
const PACKAGES = ['node-addon-api', 'node-api-headers', 'cmake-js']

/** The parts of the key by name; `options` are CMake's `-D` options in the order given. */
export async function keyParts({ options, vendor, config, root = inRoot() }) {
  const native = !options.some((option) => /^-DGGML_NATIVE=(OFF|0|NO|FALSE)$/i.test(option))
  return {
    sources: contentHash(root, SOURCES),
    vendor,
    packages: PACKAGES.map((name) => `${name}@${packageVersion(root, name)}`).join(' '),
    config,
    options: options.join(' '),
    platform: `${process.platform}-${process.arch}`,
    compiler: await compilerId(),
    flags: ['CFLAGS', 'CXXFLAGS', 'LDFLAGS'].map((name) => process.env[name] ?? '').join('|'),
    // A native build (ggml's default) crashes on a machine that lacks a feature of this one.
    cpu: native ? await cpuFeatures() : 'portable',
  }
}

export function keyOf(parts) {
  const hash = createHash('sha256')
  for (const [name, value] of Object.entries(parts).sort(([a], [b]) => (a < b ? -1 : 1))) {
    hash.update(`${name}=${value}\n`)
  }
  return hash.digest('hex').slice(0, 24)
}

function packageVersion(root, name) {
  const path = join(root, 'node_modules', name, 'package.json')
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')).version : 'absent'
}

/** The compilers CMake looks for first; their version and target (which tells glibc from musl). */
export function compilers() {
  return [process.env.CXX, 'c++', 'g++', 'clang++'].filter(Boolean)
}

async function compilerId() {
  const path = compilers()
    .map((name) => which(name))
    .find(Boolean)
  if (path === undefined) return process.env.VisualStudioVersion ?? 'default'
  const [version, target] = await Promise.all([ask(path, ['--version']), ask(path, ['-dumpmachine'])])
  return `${path} ${version?.split('\n')[0]} ${target}`
}

async function cpuFeatures() {
  if (process.platform === 'linux') {
    const text = readFileSync('/proc/cpuinfo', 'utf8')
    const lines = text.match(/^(flags|Features|CPU implementer|CPU part)\s*:.*$/gm) ?? []
    return sha([...new Set(lines)].sort().join('\n'))
  }
  if (process.platform === 'darwin') {
    return sha(
      (await ask('sysctl', ['-a', 'machdep.cpu.brand_string', 'machdep.cpu.features', 'hw.optional'])) ?? '',
    )
  }
  return sha(`${cpus()[0]?.model} ${process.env.PROCESSOR_IDENTIFIER}`)
}

function sha(text) {
  return createHash('sha256').update(text).digest('hex').slice(0, 16)
}
