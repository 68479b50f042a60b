// npm run fuzz -- TARGET [--minutes 30] [--seed 1]     feeds a target until it fails or the time is over
// npm run fuzz -- TARGET --input FILE                  feeds it one input, as found before
//
// A target is a file in native/ (C++, built with clang's libFuzzer, AddressSanitizer and UndefinedBehaviorSanitizer) or
// in javascript/. What it has found interesting lies in .cache/fuzz/TARGET/corpus and is where it goes on next time;
// what it has failed on in .cache/fuzz/TARGET/crashes.
import { spawn } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, parse } from 'node:path'
import { parseArgs } from 'node:util'
import { build } from 'tsup'
import { patchVendor } from '../../scripts/patches.mjs'
import { inRoot } from '../../scripts/paths.mjs'
import { run } from '../../scripts/process.mjs'
import { setUp } from '../../scripts/setup.mjs'
import { main, Stop, step } from '../../scripts/steps.mjs'
import { need } from '../../scripts/tools.mjs'
import { fillVendor, vendorId, vendorRoom } from '../../scripts/vendor.mjs'

const HERE = inRoot('test', 'fuzz')
const ROOM = inRoot('.cache', 'fuzz')
/** Bytes of an input. */
const MOST_BYTES = 2 ** 16
/** What one input may take: seconds, MiB. */
const MOST_SECONDS = 10
const MOST_MEMORY = 2048

const targetsIn = (folder, ending) =>
  readdirSync(join(HERE, folder))
    .filter((name) => name.endsWith(ending))
    .map((name) => parse(name).name)

main(import.meta.url, async () => {
  const text = (fallback) => ({ type: 'string', default: fallback })
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { minutes: text('30'), seed: text('1'), input: { type: 'string' } },
  })
  const [target] = positionals
  const native = targetsIn('native', '.cc')
  const javascript = targetsIn('javascript', '.ts')
  if (![...native, ...javascript].includes(target))
    throw new Stop(`Which target? In C++: ${native.join(', ')}; in JavaScript: ${javascript.join(', ')}.`)
  const seconds = Math.round(Number(values.minutes) * 60)
  if (!(seconds > 0)) throw new Stop('--minutes must be a number above 0.')
  const folder = join(ROOM, target)
  for (const name of ['corpus', 'seeds', 'crashes']) mkdirSync(join(folder, name), { recursive: true })
  const fuzz = native.includes(target) ? fuzzNative : fuzzJavaScript
  const found = await fuzz(target, folder, { ...values, seconds })
  if (!found) return process.stderr.write(`ok ${target}: nothing found\n`)
  throw new Stop(`${target} fails: ${found}\nAgain: npm run fuzz -- ${target} --input ${found}`)
})

// --- C++ ---------------------------------------------------------------------------------------------------

/** The input that it has failed on; `undefined` where there is none. */
async function fuzzNative(target, folder, { seconds, seed, input }) {
  const program = await buildNative(target)
  const env = {
    ...process.env,
    FUZZ_MODELS: await tinyModels(),
    FUZZ_VOCABULARIES: inRoot('vendor', 'llama.cpp', 'models'),
    ASAN_OPTIONS: 'detect_leaks=0:allocator_may_return_null=1',
    UBSAN_OPTIONS: 'print_stacktrace=1',
  }
  if (input !== undefined) {
    const { code } = await run(program, [input], { env, inherit: true })
    return code === 0 ? undefined : input
  }
  const seeds = join(folder, 'seeds')
  const made = await run(program, [], { env: { ...env, FUZZ_SEEDS: seeds } })
  if (made.code !== 0) throw new Stop(`${target} makes no seeds:\n${made.output}`)
  const crashes = join(folder, 'crashes')
  const before = new Set(readdirSync(crashes))
  const { code } = await run(
    program,
    [
      join(folder, 'corpus'),
      seeds,
      `-max_total_time=${seconds}`,
      `-seed=${seed}`,
      `-max_len=${MOST_BYTES}`,
      `-timeout=${MOST_SECONDS}`,
      `-rss_limit_mb=${MOST_MEMORY}`,
      `-artifact_prefix=${crashes}/`,
      '-print_final_stats=1',
    ],
    { env, inherit: true },
  )
  if (code === 0) return undefined
  const found = readdirSync(crashes).find((name) => !before.has(name))
  return found === undefined ? 'without an input: see above' : join(crashes, found)
}

async function buildNative(target) {
  const clang = need('clang', 'clang, with libFuzzer,', ['clang'])
  await step('llama.cpp', (report) => fillVendor(vendorRoom(), report))
  await patchVendor(await vendorId())
  const at = join(ROOM, 'build')
  const ninja = need('ninja', 'Ninja', ['ninja', 'ninja-build'])
  for (const args of [
    ['-S', join(HERE, 'native'), '-B', at, '-G', 'Ninja', `-DCMAKE_MAKE_PROGRAM=${ninja}`].concat(
      `-DCMAKE_C_COMPILER=${clang}`,
      `-DCMAKE_CXX_COMPILER=${clang}++`,
    ),
    ['--build', at, '--target', target],
  ]) {
    const { code } = await run('cmake', args, { inherit: true })
    if (code !== 0) throw new Stop(`${target} could not be built.`)
  }
  return join(at, target)
}

async function tinyModels() {
  const models = join(ROOM, 'models')
  mkdirSync(models, { recursive: true })
  const program = await bundle('tiny-models', join(HERE, 'tiny-models.ts'))
  const { code, output } = await run(process.execPath, [program, models])
  if (code !== 0) throw new Stop(output)
  return models
}

// --- JavaScript --------------------------------------------------------------------------------------------

async function fuzzJavaScript(target, folder, { seconds, seed, input }) {
  await setUp() // targets use the addon
  const bundled = await bundle(target, join(HERE, 'javascript', `${target}.ts`))
  const guided = await bundle('guided', join(HERE, 'guided.ts'))
  const env = { ...process.env, GPT4ALL_BINDING: inRoot('build', 'Release', 'gpt4all.node') }
  const args = [guided, bundled, folder, String(seconds), seed, String(MOST_BYTES), ...(input ? [input] : [])]
  const failure = await watched(args, env)
  if (failure === undefined) return undefined
  process.stderr.write(`${failure}\n`)
  if (input !== undefined) return input
  const found = join(folder, 'crashes', `crash-${Date.now()}`)
  writeFileSync(found, readFileSync(join(folder, 'current')))
  return found
}

/** Runs the child; resolves with what is wrong where it throws, crashes, fills its memory or does not go on. */
function watched(args, env) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [`--max-old-space-size=${MOST_MEMORY}`, ...args], {
      env,
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    let failure
    let timer
    const watch = () => {
      clearTimeout(timer)
      timer = setTimeout(() => {
        failure = `an input takes more than ${MOST_SECONDS} s`
        child.kill('SIGKILL')
      }, 1000 * MOST_SECONDS)
    }
    let printed = 0
    watch()
    child.on('message', ({ runs, corpus, reached, isDone }) => {
      watch()
      if (!isDone && Date.now() < printed + 10_000) return
      printed = Date.now()
      process.stderr.write(`${runs} runs, ${corpus} inputs kept, ${reached} blocks reached\n`)
    })
    child.once('close', (code, signal) => {
      clearTimeout(timer)
      resolve(code === 0 ? undefined : (failure ?? `it ends with ${signal ?? code}`))
    })
  })
}

/** One file of a TypeScript program, for Node.js. */
async function bundle(name, from) {
  const outDir = join(ROOM, 'bundles')
  await build({
    config: false,
    entry: { [name]: from },
    outDir,
    outExtension: () => ({ js: '.cjs' }),
    platform: 'node',
    target: 'node20',
    format: ['cjs'],
    silent: true,
    external: [/^@gpt4all-ts\//],
    noExternal: [/^(?!@gpt4all-ts\/)/],
    esbuildOptions(options) {
      options.define = { 'import.meta.dirname': '__dirname', 'import.meta.url': '__filename' }
    },
  })
  return join(outDir, `${name}.cjs`)
}
