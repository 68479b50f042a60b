// Builds llama.cpp's own `llama-bench`, `llama-batched-bench` and `llama-completion` from vendor/llama.cpp: what
// `npm run bench` measures us against, and what test/golden/greedy-smollm2.json was recorded with; and
// `llama-quantize`, which makes the files it measures with. Or `llama-server`, for bench/server-parity.mjs, or
// `ggml-rpc-server`, which takes a part of a model (docs/isolation.md), or `llama-tokenize`, which test/golden/pretokenizers.json
// was recorded with, or `llama-embedding`, for test/golden/encoders.json.
//
//   npm run bench:tools
//   npm run bench:tools -- server
//   npm run bench:tools -- tokenize
//   npm run bench:tools -- embedding
//   npm run build:rpc-server
//
// They are built as upstream builds them (Release, OpenMP, this CPU's features), not as our addon is: a ratio to a
// llama.cpp made slower would say nothing. Only what needs a network is left out: the server's web page, and HTTPS.
import { copyFileSync, createWriteStream, existsSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { parseProgress } from './addon.mjs'
import { compilers, keyOf, keyParts } from './addon-key.mjs'
import { withLock } from './lock.mjs'
import { cacheDir, inRoot } from './paths.mjs'
import { run, which } from './process.mjs'
import { main, Stop, step } from './steps.mjs'
import { need } from './tools.mjs'
import { vendorId } from './vendor.mjs'

const TAIL = 40
const OPTIONS = [
  '-DCMAKE_BUILD_TYPE=Release',
  '-DBUILD_SHARED_LIBS=OFF', // one file each, which outlives its build folder
  '-DLLAMA_BUILD_TOOLS=ON',
  ...['TESTS', 'EXAMPLES', 'SERVER', 'APP', 'UI'].map((part) => `-DLLAMA_BUILD_${part}=OFF`),
  '-DLLAMA_USE_PREBUILT_UI=OFF',
  '-DLLAMA_OPENSSL=OFF',
  '-DLLAMA_ALL_WARNINGS=OFF',
]

/** Built apart: the server is a long build, and the benchmarks need none. */
const SETS = {
  bench: {
    targets: ['llama-bench', 'llama-completion', 'llama-batched-bench', 'llama-quantize'],
    options: OPTIONS,
  },
  server: { targets: ['llama-server'], options: [...OPTIONS, '-DLLAMA_BUILD_SERVER=ON'] }, // the last one counts
  tokenize: { targets: ['llama-tokenize'], options: OPTIONS },
  embedding: { targets: ['llama-embedding'], options: [...OPTIONS, '-DLLAMA_BUILD_EXAMPLES=ON'] },
  // For a CPU without AVX-512, which sums in another order.
  'embedding-avx2': {
    targets: ['llama-embedding'],
    options: [
      ...[...OPTIONS, '-DLLAMA_BUILD_EXAMPLES=ON', '-DGGML_NATIVE=OFF'],
      ...['AVX', 'AVX2', 'FMA', 'F16C'].map((feature) => `-DGGML_${feature}=ON`),
    ],
  },
  rpc: { targets: ['ggml-rpc-server'], options: [...OPTIONS, '-DGGML_RPC=ON', '-DGGML_RPC_RDMA=OFF'] },
}

const jobs = process.env.CMAKE_BUILD_PARALLEL_LEVEL ?? String(availableParallelism())
const program = (name) => (process.platform === 'win32' ? `${name}.exe` : name)

/** Where a set for this vendor tree, compiler and CPU lies, built or not; undefined without a whole vendor tree. */
export async function llamaToolsRoom(set = 'bench') {
  const { targets, options: own } = SETS[set]
  const vendor = await vendorId()
  if (vendor === undefined) return undefined
  const options = [...own, ...(await flagOptions(set))]
  // The addon's own sources and packages are no part of these.
  const { sources, packages, ...parts } = await keyParts({ options, vendor, config: 'Release' })
  const folder = join(cacheDir, 'llama-tools', keyOf({ ...parts, targets: targets.join(' ') }))
  const at = (target) => join(folder, program(target))
  return {
    folder,
    build: join(folder, 'build'),
    log: join(folder, 'build.log'),
    targets,
    options,
    programs: targets.map(at),
    bench: at('llama-bench'),
    completion: at('llama-completion'),
    batchedBench: at('llama-batched-bench'),
    quantize: at('llama-quantize'),
    server: at('llama-server'),
    rpcServer: at('ggml-rpc-server'),
    tokenize: at('llama-tokenize'),
    embedding: at('llama-embedding'),
  }
}

export const areBuilt = (room) => room?.programs.every((path) => existsSync(path)) ?? false

/** Makes sure that the tools are built; resolves with a few words on how. */
export async function buildLlamaTools(room, report = () => {}) {
  if (areBuilt(room)) return 'in place'
  need('cmake', 'CMake (3.21 or newer)', ['cmake'])
  if (process.platform !== 'win32') need('c++', 'A C++ compiler', compilers())
  mkdirSync(room.build, { recursive: true })
  const log = createWriteStream(room.log)
  try {
    await compile(room, log, report)
  } finally {
    log.end()
  }
  for (const name of room.targets) place(room, program(name))
  rmSync(room.build, { recursive: true, force: true })
  return 'built'
}

async function compile(room, log, report) {
  const generator = process.platform === 'win32' || !hasNinja() ? [] : ['-G', 'Ninja']
  report('configuring')
  await cmake(
    room,
    ['-S', inRoot('vendor', 'llama.cpp'), '-B', room.build, ...generator, ...room.options],
    log,
  )
  const build = ['--build', room.build, '--config', 'Release', '--parallel', jobs, '--target']
  await cmake(room, [...build, ...room.targets], log, (line) => {
    const progress = parseProgress(line)
    if (progress !== undefined) report(`compiling ${progress.text}`, progress.fraction)
  })
}

/** The first versions of GCC whose `_tile_loadconfig()` reads all of its operand, by major version (bug 114098). */
const SOUND_TILES = { 11: 5, 12: 4, 13: 3 }
const NO_AMX = '-mno-amx-tile -mno-amx-int8 -mno-amx-bf16'
const NO_FP16 = '-mno-avx512fp16'

/**
 * Older ones make illegal instructions of ggml's AMX code: without it the programs are slower, but run. The server that
 * takes a part of a model is built as the addon is, so that the same numbers come of it.
 */
async function flagOptions(set) {
  const compiler = compilers()
    .map((name) => which(name))
    .find(Boolean)
  if (process.arch !== 'x64' || process.platform !== 'linux' || compiler === undefined) return []
  const lines = []
  const onLine = (line) => lines.push(line)
  await run(compiler, ['-march=native', '-dM', '-E', '-x', 'c', '/dev/null'], { onLine })
  const macros = lines.join('\n')
  const isBroken = !macros.includes('__clang__') && !hasSoundTiles(macros)
  const added = [
    ...(macros.includes('__AMX_TILE__') && (isBroken || set === 'rpc') ? [NO_AMX] : []),
    ...(macros.includes('__AVX512FP16__') && set === 'rpc' ? [NO_FP16] : []),
  ]
  if (added.length === 0) return []
  const flags = (name) => [process.env[name] ?? '', ...added].join(' ').trim()
  return [`-DCMAKE_C_FLAGS=${flags('CFLAGS')}`, `-DCMAKE_CXX_FLAGS=${flags('CXXFLAGS')}`]
}

function hasSoundTiles(macros) {
  const [, major, minor] = /__VERSION__ "(\d+)\.(\d+)/.exec(macros) ?? []
  return Number(minor) >= (SOUND_TILES[major] ?? (Number(major) > 13 ? 0 : Number.POSITIVE_INFINITY))
}

const hasNinja = () => which('ninja') !== undefined || which('ninja-build') !== undefined

async function cmake(room, args, log, onLine = () => {}) {
  const { code, output } = await run('cmake', args, {
    cwd: room.folder,
    // llama.cpp asks git for a commit: without this it would find ours, and take it for its own.
    env: { ...process.env, GIT_CEILING_DIRECTORIES: inRoot('vendor') },
    onLine: (line) => {
      log.write(`${line}\n`)
      onLine(line)
    },
  })
  if (code === 0) return
  const tail = output.split('\n').slice(-TAIL).join('\n')
  throw new Stop(
    `${tail}\n\n${room.targets.join(' and ')} could not be built (cmake, exit code ${code}). The whole log: ${room.log}`,
  )
}

/** Generators for several configurations put programs one folder deeper. */
function place(room, name) {
  const from = [join(room.build, 'bin', name), join(room.build, 'bin', 'Release', name)].find(existsSync)
  if (from === undefined) throw new Stop(`${name} was built, but is not in ${room.build}: see ${room.log}.`)
  const to = join(room.folder, name)
  copyFileSync(from, `${to}.new`)
  renameSync(`${to}.new`, to)
}

main(import.meta.url, async () => {
  const set = process.argv[2] ?? 'bench'
  if (!Object.hasOwn(SETS, set))
    throw new Stop(`There is no set "${set}" of tools, only ${Object.keys(SETS).join(' and ')}.`)
  const room = await llamaToolsRoom(set)
  if (room === undefined)
    throw new Stop('vendor/llama.cpp is not whole: run `npm run setup`, which fills it.')
  await withLock(() => step('llama tools', (report) => buildLlamaTools(room, report)), room.folder)
  process.stderr.write(`${room.programs.join('\n')}\n`)
})
