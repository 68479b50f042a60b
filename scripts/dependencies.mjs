// node_modules as package-lock.json says, checked by npm's own record of what it installed.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { inRoot } from './paths.mjs'
import { reason, runNpm } from './process.mjs'
import { Stop } from './steps.mjs'

/** Runs `npm ci` unless node_modules already holds exactly what package-lock.json says. */
export async function installDependencies(root = inRoot(), report = () => {}) {
  if (dependenciesMatch(root)) return 'in place'
  report('npm ci')
  // Nothing that we use needs its install scripts.
  const outcome = await runNpm(['ci', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: root })
  if (outcome.code !== 0) {
    throw new Stop(
      `${outcome.output.split('\n').slice(-20).join('\n')}\n\nThe development packages could not be installed ` +
        `(${reason(outcome)}): check that npm reaches a registry (\`npm ping\`) and run the same command again.`,
    )
  }
  return 'installed'
}

export function dependenciesMatch(root) {
  const [wanted, installed] = ['package-lock.json', 'node_modules/.package-lock.json'].map((file) =>
    packages(join(root, file)),
  )
  if (wanted === undefined || installed === undefined) return false
  const differs = Object.entries(wanted).some(([path, { version, integrity, optional, link }]) => {
    if (path === '' || link) return false
    const there = installed[path]
    // Optional packages for other platforms are in the lock file only.
    if (there === undefined) return optional !== true
    return (
      there.version !== version ||
      there.integrity !== integrity ||
      !existsSync(join(root, path, 'package.json'))
    )
  })
  return !differs && Object.keys(installed).every((path) => path in wanted)
}

function packages(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8')).packages
  } catch {
    return undefined
  }
}
