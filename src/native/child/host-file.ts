import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { GPT4AllError } from '../../core/errors.ts'
import { outsideArchive, ownFolder } from '../package.ts'
import { canStart } from './node.ts'

const HOST = join('dist', 'engine-host.cjs')

/**
 * The program of the engine's process, in our own package. If a bundler has put this code elsewhere, the
 * package is looked for as the bundle would require it, and from the working folder.
 * @throws {GPT4AllError} `ERR_BINDING` if there is none, or no Node.js to run it
 */
export function hostFile(): string {
  if (!canStart('engine')) {
    const message =
      'An isolated engine cannot be started: this program is its own Node.js (a single executable). Open models without `isolated`.'
    throw new GPT4AllError('ERR_BINDING', message)
  }
  const own = ownFolder(import.meta.dirname)
  const tried = [
    ...(own ? [join(own, HOST)] : []),
    ...[join(import.meta.dirname, 'bundle.cjs'), join(process.cwd(), 'program.cjs')].flatMap(installed),
  ]
  const found = tried.map(outsideArchive).find((file) => existsSync(file))
  if (found !== undefined) return found
  const places = tried.length > 0 ? ` It is not at ${tried.join(', nor at ')}.` : ''
  const message = `The program of the isolated engine (gpt4all-ts/${HOST}) was not found.${places} Keep the package gpt4all-ts installed beside a bundle, or mark it as external; in a checkout, run \`npm run setup\`.`
  throw new GPT4AllError('ERR_BINDING', message)
}

/** The program in the package that a file at `from` would require. */
function installed(from: string): string[] {
  try {
    return [join(createRequire(from).resolve('gpt4all-ts/package.json'), '..', HOST)]
  } catch {
    return []
  }
}
