// Completes package-lock.json, and that of bench/, after `npm install` against a registry mirror that holds only some platforms'
// packages: npm then leaves the other platforms' optional packages out of the lock file, and `npm ci` refuses
// such a file everywhere. Run it after changing a dependency; it changes nothing where the file is complete.
//
// The packages in question are pinned to one exact version by the package that wants them, and their names say
// their platform, so name and version are enough. Their integrity is unknown here and stays out.
import { readFileSync, writeFileSync } from 'node:fs'
import { inRoot } from './paths.mjs'
import { main } from './steps.mjs'

const OS = [
  'aix',
  'android',
  'darwin',
  'freebsd',
  'linux',
  'netbsd',
  'openbsd',
  'openharmony',
  'sunos',
  'win32',
]
const CPU = ['arm64', 'arm', 'ia32', 'loong64', 'mips64el', 'ppc64', 'riscv64', 's390x', 'x64', 'wasm32']
/** What node-llama-cpp calls them. */
const OS_NAMES = { mac: 'darwin', win: 'win32' }
const LIBC = { gnu: 'glibc', musl: 'musl', gnueabihf: undefined, musleabihf: undefined }

/** The missing entries, by their key in the lock file's `packages`. */
export function missingOptionals(packages) {
  const missing = {}
  for (const [path, { optionalDependencies = {}, dev }] of Object.entries(packages)) {
    if (path === '') continue
    for (const [name, version] of Object.entries(optionalDependencies)) {
      const known = `node_modules/${name}` in packages || `${path}/node_modules/${name}` in packages
      if (!known && /^\d/.test(version)) missing[`node_modules/${name}`] = entry(name, version, dev)
    }
  }
  return missing
}

function entry(name, version, dev) {
  const words = name
    .split('/')
    .at(-1)
    .split('-')
    .map((word) => OS_NAMES[word] ?? word)
  const os = words.find((word) => OS.includes(word))
  const cpu = words.find((word) => CPU.includes(word))
  const libc = os === 'linux' ? LIBC[words.at(-1)] : undefined
  return {
    version,
    ...(cpu && { cpu: [cpu] }),
    ...(dev && { dev }),
    ...(libc && { libc: [libc] }),
    optional: true,
    ...(os && { os: [os] }),
  }
}

main(import.meta.url, async () => {
  for (const path of ['package-lock.json', 'bench/package-lock.json']) {
    const lock = JSON.parse(readFileSync(inRoot(path), 'utf8'))
    const missing = missingOptionals(lock.packages)
    const all = Object.entries({ ...lock.packages, ...missing }).sort(([a], [b]) => a.localeCompare(b, 'en'))
    lock.packages = Object.fromEntries(all)
    if (Object.keys(missing).length > 0) writeFileSync(inRoot(path), `${JSON.stringify(lock, null, 2)}\n`)
    process.stderr.write(`${path}: ${Object.keys(missing).length} entries added\n`)
  }
})
