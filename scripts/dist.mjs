// dist/, made by tsup; skipped while nothing that it is made of has changed.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname } from 'node:path'
import { inRoot } from './paths.mjs'
import { run } from './process.mjs'
import { main, Stop, step } from './steps.mjs'
import { contentHash } from './tree.mjs'

const SOURCES = ['src', 'package.json', 'package-lock.json', 'tsconfig.json', 'tsup.config.ts']
const OUTPUTS = ['dist/index.cjs', 'dist/index.js', 'dist/index.d.ts', 'dist/index.d.cts']
const stamp = inRoot('.cache', 'dist.txt')

export async function buildDist(report = () => {}) {
  const key = contentHash(inRoot(), SOURCES)
  if (isFresh(key)) return 'in place'
  report('bundling')
  const { code, output } = await run(process.execPath, [inRoot('node_modules/tsup/dist/cli-default.js')], {
    cwd: inRoot(),
  })
  if (code !== 0)
    throw new Stop(
      `${output.split('\n').slice(-40).join('\n')}\n\ndist/ could not be built: see the messages of tsup above.`,
    )
  writeEsmEntry()
  mkdirSync(dirname(stamp), { recursive: true })
  writeFileSync(stamp, `${key} ${contentHash(inRoot(), OUTPUTS)}`)
  return 'built'
}

/**
 * The ESM entry re-exports the CommonJS build under explicit names. A second copy of the code would be a second
 * AsyncLocalStorage, a second set of classes for `instanceof` and a second registry of loaded weights.
 */
function writeEsmEntry() {
  const names = Object.keys(createRequire(import.meta.url)(inRoot('dist', 'index.cjs'))).sort()
  writeFileSync(
    inRoot('dist', 'index.js'),
    `export {\n${names.map((name) => `  ${name},\n`).join('')}} from './index.cjs'\n`,
  )
  writeFileSync(inRoot('dist', 'index.d.ts'), "export * from './index.cjs'\n")
}

/** The outputs are part of it: a dist/ made or cut short by hand is made again. */
function isFresh(key) {
  return existsSync(stamp) && readFileSync(stamp, 'utf8') === `${key} ${contentHash(inRoot(), OUTPUTS)}`
}

main(import.meta.url, () => step('dist', buildDist))
