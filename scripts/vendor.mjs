// Fills vendor/llama.cpp with the pinned release: as the git submodule where its repository can be reached,
// else with the same release out of an npm package (machines that reach a package registry only). Whatever
// goes wrong, the folder is afterwards as it was before; nothing is ever deleted that is not the release's.
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { keepEdits } from './aside.mjs'
import { pins, root } from './paths.mjs'
import { ask, reason, run, runNpm } from './process.mjs'
import { Stop } from './steps.mjs'
import { need } from './tools.mjs'
import { fingerprint, treeId } from './tree.mjs'

const SUBMODULE = 'vendor/llama.cpp'
const CONNECT_LIMIT_MS = 20_000

/** What a run works on; tests give their own. */
export function vendorRoom(options = {}) {
  const room = {
    root,
    release: pins['llama.cpp'],
    npm: pins['llama.cpp from npm'],
    pack: npmPack,
    ...options,
  }
  return {
    ...room,
    at: join(room.root, SUBMODULE),
    work: join(room.root, '.cache', 'vendor-work'),
    stamp: join(room.root, '.cache', 'vendor.json'),
    aside: join(room.root, '.cache', 'llama.cpp.replaced'),
  }
}

/** Makes sure that llama.cpp is there and whole; resolves with a few words on how. */
export async function fillVendor(room = vendorRoom(), report = () => {}) {
  if (await vendorId(room)) return `${room.release.release}, in place`
  need('git', 'git', ['git'])
  const old = join(room.work, 'old')
  if (existsSync(old)) {
    // An interrupted run (Ctrl-C exits without `finally`): what it had moved away goes back first.
    rmSync(room.at, { recursive: true, force: true })
    renameSync(old, room.at)
  }
  rmSync(room.work, { recursive: true, force: true })
  mkdirSync(room.work, { recursive: true })
  const hadFiles = isFilled(room.at)
  if (hadFiles) renameSync(room.at, old)
  try {
    const how = (await fromGit(room, report)) ?? (await fromNpm(room, report))
    return hadFiles ? `${how}${keepEdits(old, room)}` : how
  } catch (error) {
    if (hadFiles) {
      rmSync(room.at, { recursive: true, force: true })
      renameSync(old, room.at)
    }
    throw error
  } finally {
    rmSync(room.work, { recursive: true, force: true })
  }
}

/** What stands in the folder: an id of its content when it is the pinned release and whole, else undefined. */
export async function vendorId(room = vendorRoom()) {
  if (!isFilled(room.at)) return undefined
  return existsSync(join(room.at, '.git')) ? submoduleId(room) : unpackedId(room)
}

async function submoduleId({ at, release }) {
  const git = (...args) => ask('git', ['-C', at, ...args], { env: gitEnv() })
  if ((await git('rev-parse', 'HEAD')) !== release.commit) return undefined
  const changes = await git('status', '--porcelain', '--untracked-files=no')
  if (changes === undefined || /^ ?D/m.test(changes)) return undefined
  return changes === '' ? release.commit : treeId(at)
}

/** The stamp saves hashing 175 MB each time; it holds only while no file's size or time changes. */
function unpackedId({ at, npm, stamp }) {
  const print = fingerprint(at)
  const known = readJson(stamp)
  if (known?.tree === npm.tree && known.fingerprint === print) return npm.tree
  // Windows has no executable bit, so the tree's id cannot be computed from its files there.
  if (process.platform === 'win32' || treeId(at) !== npm.tree) return undefined
  writeStamp(stamp, npm.tree, print)
  return npm.tree
}

// --- the submodule -----------------------------------------------------------------------------------------

async function fromGit(room, report) {
  const git = (...args) => ask('git', ['-C', room.root, ...args], { env: gitEnv() })
  const link = await git('ls-files', '--stage', '--', SUBMODULE)
  if (!link?.startsWith(`160000 ${room.release.commit}`)) return undefined
  const modules = join(room.root, (await git('rev-parse', '--git-path', `modules/${SUBMODULE}`)) ?? '')
  const before = { cloned: existsSync(modules), known: await git('config', `submodule.${SUBMODULE}.url`) }
  report('asking the upstream repository')
  const outcome = await run(
    'git',
    [
      '-C',
      room.root,
      ...SLOW,
      'submodule',
      'update',
      '--init',
      '--depth',
      '1',
      '--progress',
      '--',
      SUBMODULE,
    ],
    {
      env: gitEnv(),
      quietLimit: CONNECT_LIMIT_MS,
      onLine: (line) => reportGit(line, report),
    },
  )
  if (outcome.code === 0 && (await vendorId(room))) return `${room.release.release}, from its repository`
  room.gitFailure = reason(outcome)
  rmSync(room.at, { recursive: true, force: true })
  mkdirSync(room.at, { recursive: true })
  if (!before.cloned) rmSync(modules, { recursive: true, force: true })
  if (before.known === undefined) await git('config', '--remove-section', `submodule.${SUBMODULE}`)
  return undefined
}

// A transfer that all but stands still ends by itself; one that moves, however slowly, goes on.
const SLOW = ['-c', 'http.lowSpeedLimit=1000', '-c', `http.lowSpeedTime=${CONNECT_LIMIT_MS / 1000}`]

function reportGit(line, report) {
  const [, what, percent] = /([A-Z][a-z]+ [a-z]+):\s+(\d+)%/.exec(line) ?? []
  if (what !== undefined) report(what.toLowerCase(), Number(percent) / 100)
}

/** No prompts, and none of the variables that a git hook leaves for its children. */
function gitEnv(extra = {}) {
  const env = { ...process.env, GIT_TERMINAL_PROMPT: '0', GIT_SSH_COMMAND: 'ssh -oBatchMode=yes', ...extra }
  for (const name of ['GIT_DIR', 'GIT_WORK_TREE', 'GIT_PREFIX']) delete env[name]
  if (extra.GIT_INDEX_FILE === undefined) delete env.GIT_INDEX_FILE
  return env
}

// --- the npm package ---------------------------------------------------------------------------------------

async function fromNpm(room, report) {
  const { npm, work } = room
  report(`getting ${npm.package} from the npm registry`)
  const archive = await room.pack(npm.package, work, room)
  const integrity = `sha512-${createHash('sha512').update(readFileSync(archive)).digest('base64')}`
  if (integrity !== npm.integrity) {
    throw new Stop(
      `What the npm registry sent as ${npm.package} is not the package this repository pins (its SHA-512 is ` +
        `${integrity.slice(7, 19)}..., not ${npm.integrity.slice(7, 19)}...): nothing was unpacked; check the ` +
        'registry that npm is set to (`npm config get registry`) and run `npm run setup` again.',
    )
  }
  report('unpacking')
  await must(run('tar', ['-xzf', archive, '-C', work, npm.bundle]), 'tar could not unpack the npm package')
  await unbundle(room, join(work, npm.bundle), join(work, 'tree'))
  rmSync(room.at, { recursive: true, force: true })
  mkdirSync(join(room.at, '..'), { recursive: true })
  renameSync(join(work, 'tree'), room.at)
  writeStamp(room.stamp, npm.tree, fingerprint(room.at))
  return `${room.release.release}, from the npm package ${npm.package}`
}

/** Checks the files of the bundle's pinned commit out into `folder`, without a `.git`. */
async function unbundle({ npm, work }, bundle, folder) {
  const bare = join(work, 'bare')
  const git = (...args) =>
    run(
      'git',
      [
        '--git-dir',
        bare,
        '--work-tree',
        folder,
        '-c',
        'core.autocrlf=false',
        '-c',
        'core.longpaths=true',
        ...args,
      ],
      {
        cwd: folder,
        env: gitEnv({ GIT_INDEX_FILE: join(work, 'index') }),
      },
    )
  mkdirSync(folder)
  await must(
    run('git', ['clone', '--bare', '--quiet', bundle, bare], { env: gitEnv() }),
    'git could not read the bundle',
  )
  const tree = await git('rev-parse', `${npm.commit}^{tree}`)
  if (tree.code !== 0 || tree.output.trim() !== npm.tree) {
    throw new Stop(
      `The llama.cpp inside ${npm.package} is not the one this repository pins (tree ${npm.tree.slice(0, 12)}): ` +
        'nothing was unpacked; restore scripts/pins.json and run `npm run setup` again.',
    )
  }
  await must(git('read-tree', npm.tree), 'git could not read the tree')
  await must(git('checkout-index', '--all'), 'git could not write the files')
}

async function npmPack(spec, folder, { gitFailure }) {
  const retries = ['--fetch-retries=1', '--fetch-retry-mintimeout=1000']
  const outcome = await runNpm(['pack', spec, '--ignore-scripts', '--pack-destination', folder, ...retries], {
    cwd: folder,
  })
  const file = readdirSync(folder).find((name) => name.endsWith('.tgz'))
  if (outcome.code === 0 && file !== undefined) return join(folder, file)
  throw new Stop(
    'llama.cpp could not be fetched: ' +
      (gitFailure ? `its repository does not answer (${gitFailure}) and ` : '') +
      `the npm registry does not give ${spec} (${reason(outcome)}): connect to the internet, or to an npm registry ` +
      'mirror, and run `npm run setup` again.',
  )
}

async function must(outcome, what) {
  const { code, output } = await outcome
  if (code !== 0) {
    throw new Stop(
      `llama.cpp could not be unpacked (${what}: ${reason({ output })}): free some disk space if it is full, and run \`npm run setup\` again.`,
    )
  }
}

function isFilled(folder) {
  return existsSync(folder) && readdirSync(folder).length > 0
}

function readJson(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch {
    return undefined
  }
}

function writeStamp(path, tree, print) {
  mkdirSync(join(path, '..'), { recursive: true })
  writeFileSync(path, `${JSON.stringify({ tree, fingerprint: print })}\n`)
}
