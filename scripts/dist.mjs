// dist/, made by tsup; skipped while nothing that it is made of has changed.
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { inRoot } from './paths.mjs'
import { run } from './process.mjs'
import { main, Stop, step } from './steps.mjs'
import { contentHash } from './tree.mjs'

const SOURCES = [
  'src',
  'package.json',
  'package-lock.json',
  'tsconfig.json',
  'tsup.config.ts',
  'scripts/dist.mjs',
]
/** What programs import; the command line and the programs of child processes are none of it. */
const ENTRIES = ['index', 'server', 'compat', 'compat-2023']
/** Those of a package whose users import it as a whole: `import gpt from 'gpt4all'`. */
const WHOLE = ['compat', 'compat-2023']
const OUTPUTS = [
  'dist/cli.cjs',
  'dist/engine-host.cjs',
  'dist/trial.cjs',
  ...ENTRIES.flatMap((entry) =>
    ['cjs', 'js', 'd.ts', 'd.cts'].map((extension) => `dist/${entry}.${extension}`),
  ),
]
const stamp = inRoot('.cache', 'dist.txt')
/** Where it is made: programs that use dist/ meanwhile find the old one whole, then the new one. */
const making = inRoot('dist.new')

export async function buildDist(report = () => {}) {
  const key = contentHash(inRoot(), SOURCES)
  if (isFresh(key)) return 'in place'
  report('bundling')
  const tsup = [inRoot('node_modules/tsup/dist/cli-default.js'), '--out-dir', making]
  const { code, output } = await run(process.execPath, tsup, { cwd: inRoot() })
  if (code !== 0)
    throw new Stop(
      `${output.split('\n').slice(-40).join('\n')}\n\ndist/ could not be built: see the messages of tsup above.`,
    )
  for (const entry of WHOLE) addDefault(entry)
  for (const entry of ENTRIES) writeEsmEntry(entry)
  replaceDist()
  mkdirSync(dirname(stamp), { recursive: true })
  writeFileSync(stamp, `${key} ${contentHash(inRoot(), OUTPUTS)}`)
  return 'built'
}

/**
 * An ESM entry re-exports the CommonJS build under explicit names. A second copy of the code would be a second
 * AsyncLocalStorage, a second set of classes for `instanceof` and a second registry of loaded weights.
 */
function writeEsmEntry(entry) {
  const isWhole = WHOLE.includes(entry)
  const names = Object.keys(createRequire(import.meta.url)(join(making, `${entry}.cjs`))).sort()
  writeFileSync(
    join(making, `${entry}.js`),
    `export {\n${names.map((name) => `  ${name},\n`).join('')}} from './${entry}.cjs'\n${isWhole ? `export { default } from './${entry}.cjs'\n` : ''}`,
  )
  const types = join(making, `${entry}.d.ts`)
  if (!isWhole) return writeFileSync(types, `export * from './${entry}.cjs'\n`)
  const named = `./${entry}.types.cjs`
  writeTypes(
    types,
    `import * as whole from '${named}'`,
    `export * from '${named}'`,
    'export { whole as default }',
  )
}

/** The module is its own default export too, out of sight of those who list its exports. */
function addDefault(entry) {
  appendFileSync(
    join(making, `${entry}.cjs`),
    "\nObject.defineProperty(module.exports, 'default', { value: module.exports })\n",
  )
  const types = join(making, `${entry}.d.cts`)
  renameSync(types, join(making, `${entry}.types.d.cts`))
  // What is exported is a namespace, so that the whole has the types as well: `gpt.ChatSession`.
  writeTypes(types, `import whole = require('./${entry}.types.cjs')`, 'export = whole')
}

function writeTypes(path, ...lines) {
  writeFileSync(path, `${['/// <reference types="node" />', ...lines].join('\n')}\n`)
}

/** File by file: a folder that is in use cannot be renamed everywhere. */
function replaceDist() {
  const dist = inRoot('dist')
  mkdirSync(dist, { recursive: true })
  const made = readdirSync(making)
  for (const name of made) renameSync(join(making, name), join(dist, name))
  for (const name of readdirSync(dist))
    if (!made.includes(name)) rmSync(join(dist, name), { recursive: true })
  rmSync(making, { recursive: true })
}

/** The outputs are part of it: a dist/ made or cut short by hand is made again. */
function isFresh(key) {
  return existsSync(stamp) && readFileSync(stamp, 'utf8') === `${key} ${contentHash(inRoot(), OUTPUTS)}`
}

main(import.meta.url, () => step('dist', buildDist))
