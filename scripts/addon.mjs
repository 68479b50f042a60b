// Builds the native addon with CMake, or takes the same build out of the cache.
//
//   npm run build:addon                          build/Release/gpt4all.node
//   npm run build:addon -- -DGGML_VULKAN=ON      the same, with options for llama.cpp's CMake
//   npm run build:addon -- --sanitize            build-sanitize/..., under AddressSanitizer and UBSan
//
// GPT4ALL_CMAKE_OPTIONS holds options that every build gets, e.g. "-DGGML_CUDA=ON".
import {
  copyFileSync,
  createWriteStream,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { availableParallelism, totalmem } from 'node:os'
import { dirname, join } from 'node:path'
import { compilers, keyOf, keyParts } from './addon-key.mjs'
import { withLock } from './lock.mjs'
import { patchVendor } from './patches.mjs'
import { cacheDir, inRoot } from './paths.mjs'
import { run } from './process.mjs'
import { main, Stop, step } from './steps.mjs'
import { need } from './tools.mjs'
import { vendorId } from './vendor.mjs'

const KEEP = 8 // builds in the cache; about 10 MB each
const MEMORY_PER_JOB = 1.5 * 2 ** 30
const TAIL = 40

/** Where a build goes and what it is made of. `options` are `-DNAME=VALUE`. */
export function addonRoom({ sanitize = false, options = [] } = {}) {
  const folder = inRoot(sanitize ? 'build-sanitize' : 'build')
  const config = sanitize ? 'RelWithDebInfo' : 'Release'
  const extra = (process.env.GPT4ALL_CMAKE_OPTIONS ?? '').split(/\s+/).filter(Boolean)
  return {
    folder,
    config,
    options: [...(sanitize ? ['-DGPT4ALL_SANITIZE=ON'] : []), ...extra, ...options],
    // MSVC's generators put it there too: cmake-js sets the output folder.
    file: join(folder, config, 'gpt4all.node'),
    stamp: join(folder, 'gpt4all-build.json'),
    log: join(folder, 'build.log'),
  }
}

/** Makes sure that the addon is built; resolves with a few words on how. */
export async function buildAddon(room = addonRoom(), report = () => {}) {
  const vendor = await vendorId()
  if (vendor === undefined)
    throw new Stop('vendor/llama.cpp is not whole: run `npm run setup`, which fills it.')
  const parts = await keyParts({ options: room.options, vendor, config: room.config })
  const key = keyOf(parts)
  if (isFresh(room, key)) return 'in place'
  const cached = join(cacheDir, 'addon', key, 'gpt4all.node')
  if (existsSync(cached)) {
    place(cached, room.file)
    // Old, so that Ninja or Make link their own next time instead of taking this one for their output.
    utimesSync(room.file, new Date(1e12), new Date(1e12))
    utimesSync(cached, new Date(), new Date())
    writeStamp(room, key)
    return `the same build, from ${cacheDir.startsWith(inRoot()) ? '.cache' : cacheDir}`
  }
  await compile(room, vendor, report)
  place(room.file, cached)
  writeFileSync(join(dirname(cached), 'key.json'), `${JSON.stringify(parts, null, 2)}\n`)
  prune(join(cacheDir, 'addon'), key)
  writeStamp(room, key)
  return room.options.length > 0 ? `built with ${room.options.join(' ')}` : 'built'
}

// --- freshness ---------------------------------------------------------------------------------------------

function isFresh({ file, stamp }, key) {
  try {
    const known = JSON.parse(readFileSync(stamp, 'utf8'))
    const { size, mtimeMs } = statSync(file)
    return known.key === key && known.size === size && known.mtimeMs === mtimeMs
  } catch {
    return false
  }
}

function writeStamp({ file, stamp }, key) {
  const { size, mtimeMs } = statSync(file)
  writeFileSync(stamp, `${JSON.stringify({ key, size, mtimeMs })}\n`)
}

/** Copies under another name first: a process that has the old file loaded keeps it, and no half file shows. */
function place(from, to) {
  mkdirSync(dirname(to), { recursive: true })
  copyFileSync(from, `${to}.new`)
  renameSync(`${to}.new`, to)
}

function prune(folder, current) {
  const age = (name) => statSync(join(folder, name, 'gpt4all.node'), { throwIfNoEntry: false })?.mtimeMs ?? 0
  const others = readdirSync(folder)
    .filter((name) => name !== current)
    .sort((a, b) => age(b) - age(a))
  for (const name of others.slice(KEEP - 1)) rmSync(join(folder, name), { recursive: true, force: true })
}

// --- the build ---------------------------------------------------------------------------------------------

async function compile(room, vendor, report) {
  checkTools()
  await patchVendor(vendor)
  mkdirSync(room.folder, { recursive: true })
  const configure = needsConfigure(room)
  const log = createWriteStream(room.log)
  try {
    if (configure) {
      report('configuring')
      await cmakeJs(room, ['configure', ...room.options.map((option) => `--CD${option.slice(2)}`)], log)
      writeFileSync(optionsFile(room), room.options.join('\n'))
    }
    await cmakeJs(room, ['build'], log, (line) => reportBuild(line, report))
  } finally {
    log.end()
  }
}

/**
 * CMake remembers options that are no longer given, and refuses a folder that was moved: in both cases its
 * cache goes. Objects whose command line is still the same are kept by Ninja.
 */
function needsConfigure(room) {
  const cache = join(room.folder, 'CMakeCache.txt')
  if (!existsSync(cache)) return true
  const known = existsSync(optionsFile(room)) ? readFileSync(optionsFile(room), 'utf8') : ''
  const home = /^CMAKE_HOME_DIRECTORY:INTERNAL=(.*)$/m.exec(readFileSync(cache, 'utf8'))?.[1]
  const finished = existsSync(join(room.folder, 'build.ninja')) || existsSync(join(room.folder, 'Makefile'))
  if (home !== inRoot().replaceAll('\\', '/')) {
    rmSync(room.folder, { recursive: true, force: true })
    mkdirSync(room.folder, { recursive: true })
    return true
  }
  if (known === room.options.join('\n') && (finished || process.platform === 'win32')) return false
  rmSync(cache)
  return true
}

const optionsFile = (room) => join(room.folder, 'gpt4all-options.txt')

function checkTools() {
  need('cmake', 'CMake (3.21 or newer)', ['cmake'])
  need('git', 'git', ['git']) // for the patches
  if (process.platform === 'win32') return // cmake-js finds Visual Studio and says so where it does not
  need('c++', 'A C++ compiler', compilers())
  need('ninja', 'Ninja or Make', ['ninja', 'ninja-build', 'make'])
}

async function cmakeJs(room, args, log, onLine = () => {}) {
  const program = inRoot('node_modules', 'cmake-js', 'bin', 'cmake-js')
  if (!existsSync(program)) throw new Stop('node_modules is not complete: run `npm run setup`.')
  const { code, output } = await run(
    process.execPath,
    [program, ...args, '-O', room.folder, '-B', room.config],
    {
      cwd: inRoot(),
      env: {
        ...process.env,
        CMAKE_BUILD_PARALLEL_LEVEL: process.env.CMAKE_BUILD_PARALLEL_LEVEL ?? String(jobs()),
        // llama.cpp writes the commit of the repository it lies in into the build; without this it would take
        // ours for its own and relink after each commit.
        GIT_CEILING_DIRECTORIES: inRoot('.cache'),
      },
      onLine: (line) => {
        log.write(`${line}\n`)
        onLine(line)
      },
    },
  )
  if (code === 0) return
  const tail = output.split('\n').slice(-TAIL).join('\n')
  throw new Stop(
    `${tail}\n\nThe addon could not be built (\`cmake-js ${args[0]}\`, exit code ${code}). The whole log: ${room.log}`,
  )
}

/** Ninja says `[12/131] Building ...`, Make `[  9%] Building ...`. */
export function parseProgress(line) {
  const [, done, all] = /^\[\s*(\d+)\/(\d+)\]/.exec(line) ?? []
  if (all !== undefined) return { text: `${done} of ${all}`, fraction: Number(done) / Number(all) }
  const percent = /^\[\s*(\d+)%\]/.exec(line)?.[1]
  return percent === undefined ? undefined : { text: 'compiling', fraction: Number(percent) / 100 }
}

function reportBuild(line, report) {
  const progress = parseProgress(line)
  if (progress !== undefined) report(`compiling ${progress.text}`, progress.fraction)
}

function jobs() {
  const memory = Math.min(totalmem(), process.constrainedMemory?.() || Number.POSITIVE_INFINITY)
  return Math.max(1, Math.min(availableParallelism(), Math.floor(memory / MEMORY_PER_JOB)))
}

main(import.meta.url, async () => {
  const args = process.argv.slice(2)
  const unknown = args.find((arg) => arg !== '--sanitize' && !/^-D[\w.-]+(:\w+)?=/.test(arg))
  if (unknown !== undefined)
    throw new Stop(`Unknown option ${unknown}: use --sanitize or CMake options like -DGGML_VULKAN=ON.`)
  const room = addonRoom({
    sanitize: args.includes('--sanitize'),
    options: args.filter((arg) => arg.startsWith('-D')),
  })
  await withLock(() => step('addon', (report) => buildAddon(room, report)))
  process.stderr.write(`${room.file}\n`)
})
