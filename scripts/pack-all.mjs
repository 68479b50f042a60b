// `npm run pack:all`: makes out/gpt4all-ts-<version>.tgz and out/gpt4all-ts-<platform>-<arch>-<version>.tgz, the
// two packages a release publishes, from this machine.
//
//   npm run pack:all                 the binary runs on any CPU of the last ten years (x86-64: AVX2)
//   npm run pack:all -- --native     the binary of the set-up, for CPUs like this one: quick, not for publishing
//
// The platform packages are no dependency in our package.json: before a version is published they exist on no
// registry, and `npm ci` in a checkout would refuse a lock file without them. They are written into the packed
// manifest only, locked to our version, for each platform whose tarball lies in out/. So a release gathers the
// platform tarballs of all its machines there and runs this once more.
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { addonRoom, buildAddon } from './addon.mjs'
import { withLock } from './lock.mjs'
import { inRoot } from './paths.mjs'
import { ask, runNpm } from './process.mjs'
import { setUp } from './setup.mjs'
import { main, Stop, step } from './steps.mjs'

const out = inRoot('out')
const binary = join(out, 'gpt4all.node')
const ours = JSON.parse(readFileSync(inRoot('package.json'), 'utf8'))
const MAIN_FILES = ['dist', 'models', 'README.md', 'LICENSE', 'CHANGELOG.md', 'THIRD_PARTY_NOTICES.md']
const MAX_MODEL_BYTES = 3 * 1024 * 1024
// ggml's baseline when it does not look at this machine: AVX2, FMA, F16C and BMI2 on x86-64, NEON on arm64.
const PORTABLE = ['-DGGML_NATIVE=OFF']

main(import.meta.url, async () => {
  const native = process.argv.includes('--native')
  await setUp()
  mkdirSync(out, { recursive: true })
  await withLock(async () => {
    await step('binary', (report) => buildBinary(native, report))
    await step('platform', () => packPlatform(native))
  })
  await step('main', packMain)
})

/** Builds with portable options in the same folder, then puts the set-up's own build back out of the cache. */
async function buildBinary(native, report) {
  const how = await buildAddon(addonRoom({ options: native ? [] : PORTABLE }), report)
  copyFileSync(addonRoom().file, binary)
  if (!native) await buildAddon(addonRoom(), report)
  return how
}

// --- the two packages --------------------------------------------------------------------------------------

async function packPlatform(native) {
  const platform = `${process.platform}-${process.arch}`
  const folder = stage(platform)
  const libc = process.platform === 'linux' ? { libc: [await libcName()] } : {}
  writeJson(join(folder, 'package.json'), {
    name: `@gpt4all-ts/${platform}`,
    version: ours.version,
    description: `The native addon of gpt4all-ts for ${platform}.`,
    license: ours.license,
    author: ours.author,
    main: 'gpt4all.node',
    files: ['gpt4all.node', 'THIRD_PARTY_NOTICES.md'],
    engines: ours.engines,
    os: [process.platform],
    cpu: [process.arch],
    ...libc,
    preferUnplugged: true,
  })
  writeFileSync(join(folder, 'README.md'), platformReadme(platform, native))
  copyFileSync(binary, join(folder, 'gpt4all.node'))
  rmSync(binary)
  for (const file of ['LICENSE', 'THIRD_PARTY_NOTICES.md']) copyFileSync(inRoot(file), join(folder, file))
  return pack(folder)
}

function platformReadme(platform, native) {
  const cpu = native
    ? 'It was built for the CPU of one machine (`npm run pack:all -- --native`) and may crash on others: not for publishing.'
    : 'It needs AVX2, FMA, F16C and BMI2 on x86-64 (2013 and newer) and NEON on arm64, and uses no more than that.'
  return `# @gpt4all-ts/${platform}\n\nThe native addon of [gpt4all-ts](https://www.npmjs.com/package/gpt4all-ts) for ${platform}, installed by that package.\n${cpu}\n`
}

async function packMain() {
  const folder = stage('main')
  for (const file of MAIN_FILES.filter((name) => name !== 'models')) {
    if (!existsSync(inRoot(file))) throw new Stop(`${file} is missing: the package must carry it.`)
    cpSync(inRoot(file), join(folder, file), { recursive: true })
  }
  copyModels(folder)
  const { devDependencies: _dev, scripts: _scripts, binary: _binary, ...manifest } = ours
  writeJson(join(folder, 'package.json'), { ...manifest, optionalDependencies: packedPlatforms() })
  return pack(folder)
}

function copyModels(folder) {
  mkdirSync(join(folder, 'models'))
  const models = readdirSync(inRoot('models')).filter(
    (name) => name.endsWith('.gguf') || name === 'README.md',
  )
  for (const name of models) copyFileSync(inRoot('models', name), join(folder, 'models', name))
  const bytes = models.reduce((sum, name) => sum + readFileSync(inRoot('models', name)).length, 0)
  if (bytes > MAX_MODEL_BYTES)
    throw new Stop(`models/ holds ${bytes} bytes; the package carries at most ${MAX_MODEL_BYTES}.`)
}

/** `{ '@gpt4all-ts/linux-x64': '0.1.0' }` for each platform tarball of our version in out/. */
function packedPlatforms() {
  const names = readdirSync(out).map((file) => file.match(/^gpt4all-ts-([a-z0-9]+-[a-z0-9]+)-(.+)\.tgz$/))
  const platforms = names.filter((match) => match?.[2] === ours.version).map((match) => match[1])
  return Object.fromEntries(platforms.sort().map((platform) => [`@gpt4all-ts/${platform}`, ours.version]))
}

// --- little helpers ----------------------------------------------------------------------------------------

function stage(name) {
  const folder = join(out, 'stage', name)
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  return folder
}

async function pack(folder) {
  const { code, output } = await runNpm(['pack', '--ignore-scripts', '--pack-destination', out], {
    cwd: folder,
  })
  if (code !== 0) throw new Stop(`${output}\n\nnpm pack failed in ${folder}.`)
  return `out/${output.trim().split('\n').at(-1)}`
}

function writeJson(path, value) {
  writeFileSync(path, `${JSON.stringify(value, null, 2)}\n`)
}

async function libcName() {
  return /musl/.test((await ask('c++', ['-dumpmachine'])) ?? '') ? 'musl' : 'glibc'
}
